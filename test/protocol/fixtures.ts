// Fixed members, keys and ids that the golden vectors of the namespace's formats are made of. All
// constants: the same bytes on every run and machine.
import { toHex } from '../../protocol/bytes.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { encodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, NodeId, VolumeId } from '../../protocol/ids.ts'
import { actorIdOf } from '../../protocol/log/entry.ts'
import type { Origin } from '../../protocol/log/entry.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { WallTime } from '../../protocol/units.ts'

/** `length` bytes that are all `byte`. */
export function filled(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

/** Identities whose seeds are 32 times 0x11, 0x22, 0x33: an admin, a writer, a keeper. */
export const ALICE: Identity = identityFromSeed(filled(0x11, 32))
export const BOB: Identity = identityFromSeed(filled(0x22, 32))
export const CAROL: Identity = identityFromSeed(filled(0x33, 32))

/** 2027-01-15T08:00:00Z. */
export const WALL_MS: WallTime = 1_800_000_000_000 as WallTime

export const GENESIS: Genesis = {
  creator: ALICE.peer,
  name: 'main',
  nonce: filled(0x44, 32),
  created: WALL_MS,
  chunk: '256k',
  hash: 'blake3',
}
export const GENESIS_BYTES: Uint8Array = encodeGenesis(GENESIS)
export const VOLUME: VolumeId = volumeIdOf(GENESIS_BYTES)
export const OTHER_VOLUME: VolumeId = 'ee'.repeat(32) as VolumeId

export const ALICE_ORIGIN: Origin = { publicKey: ALICE.publicKey, nonce: filled(0xa0, 16) }
export const BOB_ORIGIN: Origin = { publicKey: BOB.publicKey, nonce: filled(0xb0, 16) }
export const ALICE_ACTOR: ActorId = actorIdOf(VOLUME, ALICE_ORIGIN)
export const BOB_ACTOR: ActorId = actorIdOf(VOLUME, BOB_ORIGIN)

/** The key of epoch 1, and what randomness gave for each sealing. */
export const EPOCH_SECRET: Uint8Array = filled(0x55, 32)
export const SALT: Uint8Array = filled(0x66, 32)
export const EPHEMERAL_SEED: Uint8Array = filled(0x77, 32)

/** A clock `ms` after WALL_MS. */
export function hlcAt(ms: number, counter = 0): Hlc {
  return ((BigInt(WALL_MS + ms) << 16n) | BigInt(counter)) as Hlc
}

/** A node id that is one byte over and over. */
export function nodeId(byte: number): NodeId {
  return toHex(filled(byte, 16)) as NodeId
}

/**
 * A zstd frame (RFC 8878) of one raw block: legal, and the same whatever compressor there is.
 * plain: 256 to 65,791 bytes take two length bytes, fewer take one.
 */
export function rawZstd(plain: Uint8Array): Uint8Array {
  const { length } = plain
  const size = length < 256 ? [0x20, length] : [0x60, (length - 256) & 0xff, (length - 256) >> 8]
  const block = (length << 3) | 1
  const head = [0x28, 0xb5, 0x2f, 0xfd, ...size, block & 0xff, (block >> 8) & 0xff, block >> 16]
  return Uint8Array.from([...head, ...plain])
}

/**
 * Plain JSON of a value of ours: bytes as hex, 64-bit integers as decimal text, nothing where
 * undefined.
 */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value)
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return [...value].map(toJson)
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(fields.map(([key, item]) => [key, toJson(item)]))
}
