// Does a head of another member tell what this node holds itself? Only then does it count as a
// backup here, or is built upon: its author could say anything of it. Parts that are known to be
// right are not read again.
import { equalBytes } from '../../protocol/bytes.ts'
import { equalVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { logPrefix, nodesPrefix } from '../../protocol/cold/backup.ts'
import type { NodePart } from '../../protocol/cold/backup.ts'
import type { BackupHead } from '../../protocol/cold/head.ts'
import { hasCode } from '../../protocol/errors.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { decodeEntry, encodeEntry, verifyEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { nodeHash } from '../../protocol/prolly/prolly.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { decodeCheckpointMessage, encodeCheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import { readFetched } from '../checkpoint/announcement.ts'
import { tally } from '../replica/attestations.ts'
import { PARTS } from '../state/checkpoint-view.ts'
import type { Part } from '../state/checkpoint-view.ts'
import { readAnnouncement } from '../replica/kept-checkpoint.ts'
import type { Checkpoint } from '../replica/kept-checkpoint.ts'
import { treeKeys, treesOf } from '../log/volume-trees.ts'
import type { Logged } from '../state/entries.ts'
import { TimeSlices } from '../log/time-slices.ts'
import type { Volume } from '../log/volume.ts'
import type { BackupLogParts } from './backup-log.ts'

/** Nodes looked at before others have their turn. */
const PACE = 64
const START: VersionVector = new Map()

type NodePartParts = Pick<BackupLogParts, 'objects' | 'volume'>

/** The state of this node at one moment. */
export interface Snapshot {
  readonly checkpoint: Checkpoint | undefined
  /** The same as a 'checkpoint' message, with what members attest of it. */
  readonly message: Uint8Array | undefined
  readonly vector: VersionVector
}

export function snapshotOf(volume: Volume): Snapshot {
  const { checkpoint } = volume
  const { vector } = volume.durableClaim()
  const announcement = checkpoint && readAnnouncement(volume.view)
  if (checkpoint === undefined || announcement === undefined)
    return { checkpoint: undefined, message: undefined, vector }
  const attestations = volume.attestations.of(announcement.hash).map(({ bytes }) => bytes)
  const message = { kind: 'checkpoint', announcement, attestations } as const
  return { checkpoint, message: encodeCheckpointMessage(message), vector }
}

/**
 * 'unknown': it tells of an older or newer checkpoint than this node's own, or of one that too few
 * attest, or of other branches of a fork. 'damaged': what it names is not there as it was.
 */
export type Finding = 'right' | 'wrong' | 'damaged' | 'unknown'

/**
 * Can all that this node holds, up to where the head says, be had from what the head names, in an
 * order in which it can be taken? known: a head that is right, if any. throws ShoalError 'cold-*'
 * where the tier fails.
 */
export async function compareHead(
  parts: BackupLogParts,
  head: BackupHead,
  now: Snapshot,
  known: BackupHead | undefined,
): Promise<Finding> {
  try {
    if (!isOfCheckpoint(parts.volume, head, now.checkpoint)) return 'unknown'
    const before = known && isOfCheckpoint(parts.volume, known, now.checkpoint) ? known : undefined
    const isRight =
      (await hasGoverning(parts, head, now)) &&
      (await hasNodes(parts, head, now.checkpoint, before)) &&
      (await hasLog(parts, head, now, before))
    if (isRight) return 'right'
    return (await isOfOtherBranch(parts, head, now)) ? 'unknown' : 'wrong'
  } catch (error) {
    if (hasCode(error, 'malformed')) return 'wrong'
    if (isDamage(error)) return 'damaged'
    throw error
  }
}

/**
 * Are the nodes of a part there, those that a head says? throws ShoalError 'cold-*' where the tier
 * fails.
 */
export async function isRightPart(parts: NodePartParts, part: NodePart): Promise<boolean> {
  try {
    return await hasItsNodes(parts, part)
  } catch (error) {
    if (hasCode(error, 'malformed') || isDamage(error)) return false
    throw error
  }
}

/** throws as BackupObjects.readPart(): what reads back damaged tells nothing of who put it. */
async function hasItsNodes({ objects, volume }: NodePartParts, part: NodePart): Promise<boolean> {
  const key = treeKeys(volume)[part.isSealed ? 'sealed' : 'clear']
  const items = await objects.readPart(nodesPrefix(volume.id), part)
  return (
    items.length === part.ids.length &&
    items.every((bytes, at) => nodeHash(key, bytes) === part.ids[at])
  )
}

function isDamage(error: unknown): boolean {
  return (
    hasCode(error, 'corrupt') || hasCode(error, 'cold-missing') || hasCode(error, 'cold-corrupt')
  )
}

/** Does it tell of this checkpoint, and of enough members that attest it? */
function isOfCheckpoint(
  { id, membership }: Volume,
  { checkpoint: bytes }: BackupHead,
  own: Checkpoint | undefined,
): boolean {
  if (bytes === undefined || own === undefined) return bytes === own
  const message = decodeCheckpointMessage(bytes)
  if (message.kind !== 'checkpoint') return false
  const told = readFetched(id, message.announcement, message.attestations)
  return (
    told.hlc === own.hlc &&
    equalVectors(told.vector, own.vector) &&
    told.before === own.before &&
    PARTS.every((part) => told[part] === own[part]) &&
    tally(told.proposal, told.attestations, membership).isEnough
  )
}

/** The part of a head's log that this node holds. */
function heldOf({ vector: told }: BackupHead, { vector }: Snapshot): VersionVector {
  return new Map([...told].map(([label, seq]) => [label, Math.min(seq, vector.get(label) ?? 0)]))
}

/**
 * Are all governing entries among its parts that the log has up to there, each after those that it
 * names?
 */
async function hasGoverning(
  { objects, volume, world, signal }: BackupLogParts,
  head: BackupHead,
  now: Snapshot,
): Promise<boolean> {
  const { membership, replica } = volume
  const { governance } = membership
  const held = heldOf(head, now)
  const missing = new Set<EntryHash>()
  for (const act of governance.dag.all())
    if (replica.ancestry.covers(held, act)) missing.add(act.id)
  const pace = new TimeSlices(world.clock, signal)
  for (const part of head.governing) {
    for (const bytes of await objects.readPart(logPrefix(volume.id), part)) {
      const entry = decodeEntry(bytes)
      const own = governance.entry(entry.hash)
      // Its hash does not tell of its signature.
      if (own !== undefined && !equalBytes(encodeEntry(own), bytes)) return false
      if (entry.header.governed?.some((id) => missing.has(id)) === true) return false
      missing.delete(entry.hash)
      await pace.after(entry)
    }
  }
  return missing.size === 0
}

async function hasNodes(
  parts: BackupLogParts,
  head: BackupHead,
  checkpoint: Checkpoint | undefined,
  before: BackupHead | undefined,
): Promise<boolean> {
  if (checkpoint === undefined) return true
  const { volume, world, signal } = parts
  const missing: Record<Part, Set<NodeHash>> = { clear: new Set(), sealed: new Set() }
  let steps = 0
  for (const part of PARTS)
    for (const id of treesOf(volume)[part].newNodes(undefined, checkpoint[part])) {
      missing[part].add(id)
      if (++steps % PACE === 0) await world.clock.sleep(1, { signal })
    }
  const right = new Set(before?.nodes.map(({ id }) => id))
  for (const part of head.nodes) {
    if (!right.has(part.id) && !(await hasItsNodes(parts, part))) return false
    for (const id of part.ids) missing[part.isSealed ? 'sealed' : 'clear'].delete(id)
    await world.clock.sleep(1, { signal })
  }
  return PARTS.every((part) => missing[part].size === 0)
}

async function hasLog(
  { objects, volume, world, signal }: BackupLogParts,
  head: BackupHead,
  now: Snapshot,
  before: BackupHead | undefined,
): Promise<boolean> {
  const full = before?.log.slice(0, -1) ?? []
  const goesOn = before !== undefined && full.every(({ id }, at) => head.log[at]?.id === id)
  const start = (goesOn ? before.full : now.checkpoint?.vector) ?? START
  const held = heldOf(head, now)
  const missing = new Map<EntryHash, Pick<Logged, 'label'> & { readonly seq: number }>()
  const pace = new TimeSlices(world.clock, signal)
  for (const { label, entry } of volume.entries.between(start, held)) {
    missing.set(entry.hash, { label, seq: entry.header.seq })
    await pace.after(entry)
  }
  for (const part of head.log.slice(goesOn ? full.length : 0)) {
    for (const bytes of await objects.readPart(logPrefix(volume.id), part)) {
      const entry = decodeEntry(bytes)
      const { prev, deps } = entry.header
      const at = missing.get(entry.hash)
      // Its hash does not tell of its signature.
      const own = at && volume.entries.bytes(at.label, at.seq)
      if (own !== undefined && !equalBytes(own, bytes)) return false
      const comesTooSoon = (id: EntryHash | undefined): boolean =>
        id !== undefined && missing.has(id)
      if (comesTooSoon(prev) || deps.some(({ hash }) => comesTooSoon(hash))) return false
      missing.delete(entry.hash)
      await pace.after(entry)
    }
  }
  return missing.size === 0
}

/**
 * Does it tell, wherever it lacks what this node holds, of another branch of a fork? Each of two
 * members that have not heard of the other's branch calls its own by the name of the actor.
 */
async function isOfOtherBranch(
  { objects, volume, world, signal }: BackupLogParts,
  head: BackupHead,
  now: Snapshot,
): Promise<boolean> {
  const { membership, replica, entries, actors } = volume
  const { governance } = membership
  const held = heldOf(head, now)
  const missing = new Map<EntryHash, string>()
  const pace = new TimeSlices(world.clock, signal)
  for (const act of governance.dag.all()) {
    const entry = replica.ancestry.covers(held, act) ? governance.entry(act.id) : undefined
    if (entry !== undefined) missing.set(act.id, placeOf(entry))
  }
  for (const { entry } of entries.between(now.checkpoint?.vector ?? START, held)) {
    missing.set(entry.hash, placeOf(entry))
    await pace.after(entry)
  }
  const others = new Set<string>()
  for (const part of [...head.governing, ...head.log]) {
    for (const bytes of await objects.readPart(logPrefix(volume.id), part)) {
      const entry = decodeEntry(bytes)
      const key = actors.get(entry.header.actor)?.publicKey
      const isHere = missing.delete(entry.hash)
      if (!isHere && key !== undefined && verifyEntry(entry, key)) others.add(placeOf(entry))
      await pace.after(entry)
    }
  }
  return missing.size > 0 && [...missing.values()].every((place) => others.has(place))
}

function placeOf({ header: { actor, seq } }: Entry): string {
  return `${actor} ${seq}`
}
