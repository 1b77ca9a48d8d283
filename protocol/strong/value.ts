// The values of a register, each an entry of the log and the voters for the values after it.
import { toHex, utf8 } from '../bytes.ts'
import { Fields, encodeCbor } from '../cbor.ts'
import { blake3Concat, HASH_BYTES } from '../hash.ts'
import { SHORT_ID_BYTES, hexId, hexIdBytes } from '../ids.ts'
import type { ActorId, EntryHash } from '../ids.ts'
import { decodeBallot, encodeBallot } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import { decodeGroups, encodeGroups, sameGroups } from './voters.ts'
import type { Groups } from './voters.ts'

/** An entry of the log, by name. */
export interface EntryName {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: EntryHash
}

/** A value without the bytes of its entry. */
export interface Content {
  /** The voters for the values after it. */
  readonly groups: Groups
  readonly name: EntryName
}

export interface Value extends Content {
  /** The entry that made it, in wire form: who reads the value must hold it. */
  readonly entry: Uint8Array
}

/** That a value was accepted at a ballot. */
export interface Claim extends Content {
  readonly ballot: Ballot
}

/** Hex of the hash of a value's groups and name. */
export type Digest = string & { readonly brand: 'Digest' }

const DOMAIN = utf8('shoal/value/1\0')

export function digestOf({ groups, name }: Content): Digest {
  const content = encodeCbor({ g: encodeGroups(groups), ...encodeName(name) })
  return toHex(blake3Concat(DOMAIN, content)) as Digest
}

export function isSameName(a: EntryName, b: EntryName): boolean {
  return a.actor === b.actor && a.seq === b.seq && a.hash === b.hash
}

export function isSameValue(a: Content, b: Content): boolean {
  return isSameName(a.name, b.name) && sameGroups(a.groups, b.groups)
}

/** Wire form: {b: ballot, g: groups, a: actor, s: seq, h: hash of the entry}. */
export function encodeClaim({ ballot, groups, name }: Claim): Readonly<Record<string, unknown>> {
  return { b: encodeBallot(ballot), ...encodeContent({ groups, name }) }
}

/** Inverse of encodeClaim. throws ShoalError 'malformed'. */
export function decodeClaim(value: unknown): Claim {
  const f = new Fields(value, 'claim')
  return { ballot: decodeBallot(f.raw('b')), ...decodeContent(f) }
}

export function encodeContent({ groups, name }: Content): Readonly<Record<string, unknown>> {
  return { g: encodeGroups(groups), ...encodeName(name) }
}

/** Inverse of encodeContent. throws ShoalError 'malformed'. */
export function decodeContent(f: Fields): Content {
  return {
    groups: decodeGroups(f.raw('g')),
    name: {
      actor: hexId<ActorId>(f.bytes('a', SHORT_ID_BYTES), SHORT_ID_BYTES, 'actor'),
      seq: f.integer('s', 1),
      hash: hexId<EntryHash>(f.bytes('h', HASH_BYTES), HASH_BYTES, 'entry hash'),
    },
  }
}

function encodeName({ actor, seq, hash }: EntryName): Readonly<Record<string, unknown>> {
  return { a: hexIdBytes(actor), s: seq, h: hexIdBytes(hash) }
}
