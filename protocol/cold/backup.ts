// The namespace of a volume in a cold tier: a head, which tells of everything, and parts of three kinds: nodes of the newest
// checkpoint's trees, the entries of the log that come after it, and all governing entries. All is sealed:
//   a part with a key of its own, that the head says; its name is the hash of its sealed bytes
//   a head with a key of its own, sealed to each member that may write, and to each recovery key
// A part never changes. So a head that could be read back, with its parts, tells the whole namespace, whatever comes after.
import { fromHex, toHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { openFrom, openOnce, sealOnce, sealTo } from '../cipher.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { HASH_BYTES, blake3 } from '../hash.ts'
import { hexIdBytes, publicKeyOf } from '../ids.ts'
import type { EntryHash, PeerId, VolumeId } from '../ids.ts'
import { BACKUP_PARTS_MAX, GOVERNED_MAX, MEMBERS_MAX, TIER_NAME_MAX } from '../limits.ts'
import type { NodeHash } from '../log/prolly.ts'
import { GENESIS_BYTES_MAX } from '../membership/genesis.ts'
import type { WallTime } from '../units.ts'

const HEAD_VERSION = 1
const KEY_BYTES = 32
const BOX_BYTES_MAX = 128
const TIME_DIGITS = 12
const NAME_DIGITS = 16

/** An object with a piece of the namespace. */
export interface BackupPart {
  /** Hex of the hash of its sealed bytes. */
  readonly id: string
  readonly key: Uint8Array
  readonly bytes: number
}

/** Nodes of one tree of a checkpoint. */
export interface NodePart extends BackupPart {
  readonly isSealed: boolean
  readonly ids: readonly NodeHash[]
}

export interface BackupHead {
  readonly genesis: Uint8Array
  /** What the volume calls the tier. */
  readonly tier: string
  /** What it says: of the log up to here. */
  readonly vector: VersionVector
  /** The newest checkpoint, as a 'checkpoint' message (wire/checkpoint.ts); without one the log is whole. */
  readonly checkpoint: Uint8Array | undefined
  readonly nodes: readonly NodePart[]
  /** All governing entries, each after those that it names, and the newest of them. */
  readonly governing: readonly BackupPart[]
  readonly governed: readonly EntryHash[]
  /** In order: entries come after their past. All but the last are full. */
  readonly log: readonly BackupPart[]
  /** What the log is told up to by all parts but the last, and what tells whether labels still mean the same there. */
  readonly full: VersionVector
  readonly fullMark: Uint8Array
}

/** What the keys of heads begin with. They sort by time. */
export function headsPrefix(volume: VolumeId): string {
  return `${volume}/heads/`
}

export function nodesPrefix(volume: VolumeId): string {
  return `${volume}/checkpoints/`
}

export function logPrefix(volume: VolumeId): string {
  return `${volume}/log/`
}

/** The key of a head: sealed bytes that were written at a time. */
export function headKey(volume: VolumeId, time: WallTime, bytes: Uint8Array): string {
  const at = time.toString(16).padStart(TIME_DIGITS, '0')
  return `${headsPrefix(volume)}${at}-${toHex(blake3(bytes)).slice(0, NAME_DIGITS)}`
}

/** When the head of this key was written; undefined for what is none of the volume. */
export function headTime(volume: VolumeId, key: string): WallTime | undefined {
  const prefix = headsPrefix(volume)
  const [, at] = /^([0-9a-f]{12})-[0-9a-f]{16}$/.exec(key.slice(prefix.length)) ?? []
  return at === undefined || !key.startsWith(prefix) ? undefined : (parseInt(at, 16) as WallTime)
}

/** Does the name of a head fit these bytes? */
export function isHeadOf(key: string, bytes: Uint8Array): boolean {
  return key.endsWith(`-${toHex(blake3(bytes)).slice(0, NAME_DIGITS)}`)
}

/** keys: 32 fresh random bytes for the head, and as many for each of those it is sealed to. */
export function sealHead(
  volume: VolumeId,
  head: BackupHead,
  readers: readonly PeerId[],
  random: (length: number) => Uint8Array,
): Uint8Array {
  const key = random(KEY_BYTES)
  return encodeCbor({
    v: HEAD_VERSION,
    to: readers.map((peer) => sealTo(publicKeyOf(peer), key, random(KEY_BYTES))),
    h: sealOnce(key, encodeHead(head), hexIdBytes(volume)),
  })
}

/**
 * seed: of an identity that it may be sealed to.
 * throws ShoalError 'EACCES' if it is not, 'corrupt', 'malformed', 'unsupported'.
 */
export function openHead(volume: VolumeId, bytes: Uint8Array, seed: Uint8Array): BackupHead {
  const f = new Fields(decodeCbor(bytes, 'head of a backup'), 'head of a backup')
  if (f.integer('v') !== HEAD_VERSION)
    throw new ShoalError('unsupported', 'this backup is newer than this program')
  for (const box of f.list('to', MEMBERS_MAX)) {
    if (!(box instanceof Uint8Array) || box.length > BOX_BYTES_MAX) continue
    const key = openBox(seed, box)
    if (key === undefined) continue
    return decodeHead(openOnce(key, f.bytes('h', Infinity), hexIdBytes(volume)))
  }
  throw new ShoalError('EACCES', 'the backup of this volume is not for this key')
}

/** key: 32 fresh random bytes. */
export function sealPart(
  volume: VolumeId,
  items: readonly Uint8Array[],
  key: Uint8Array,
): BackupPart & { readonly sealed: Uint8Array } {
  const sealed = sealOnce(key, encodeCbor(items), hexIdBytes(volume))
  return { id: toHex(blake3(sealed)), key, bytes: sealed.length, sealed }
}

/** What a part holds. throws ShoalError 'corrupt'. */
export function openPart(volume: VolumeId, part: BackupPart, sealed: Uint8Array): Uint8Array[] {
  if (toHex(blake3(sealed)) !== part.id)
    throw new ShoalError('corrupt', `part ${part.id} of a backup is damaged`)
  const items = decodeCbor(openOnce(part.key, sealed, hexIdBytes(volume)), 'part of a backup')
  if (Array.isArray(items) && items.every((item) => item instanceof Uint8Array)) return items
  throw new ShoalError('corrupt', `part ${part.id} of a backup is none`)
}

function openBox(seed: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  try {
    return openFrom(seed, box)
  } catch (error) {
    if (!hasCode(error, 'corrupt')) throw error
    return undefined
  }
}

function encodeHead(head: BackupHead): Uint8Array {
  const partOf = ({ id, key, bytes }: BackupPart): Record<string, unknown> => ({
    i: fromHex(id),
    k: key,
    b: bytes,
  })
  return encodeCbor({
    g: head.genesis,
    t: head.tier,
    vv: encodeVector(head.vector),
    c: head.checkpoint ?? null,
    n: head.nodes.map((part) => ({
      ...partOf(part),
      s: part.isSealed,
      ids: fromHex(part.ids.join('')),
    })),
    a: head.governing.map(partOf),
    ah: head.governed.map(fromHex),
    l: head.log.map(partOf),
    lv: encodeVector(head.full),
    lm: head.fullMark,
  })
}

function decodeHead(bytes: Uint8Array): BackupHead {
  const f = new Fields(decodeCbor(bytes, 'head'), 'head')
  return {
    genesis: f.bytes('g', GENESIS_BYTES_MAX),
    tier: f.text('t', TIER_NAME_MAX),
    vector: decodeVector(f.raw('vv')),
    checkpoint: f.has('c') ? f.bytes('c', Infinity) : undefined,
    nodes: f.list('n', BACKUP_PARTS_MAX).map((value) => {
      const part = new Fields(value, 'part')
      const ids = toHex(part.bytes('ids', Infinity))
      const each = new RegExp(`.{${2 * HASH_BYTES}}`, 'g')
      return {
        ...decodePart(part),
        isSealed: part.boolean('s'),
        ids: (ids.match(each) ?? []) as NodeHash[],
      }
    }),
    governing: f.list('a', BACKUP_PARTS_MAX).map((value) => decodePart(new Fields(value, 'part'))),
    governed: f.list('ah', GOVERNED_MAX).map((value) => {
      if (value instanceof Uint8Array && value.length === HASH_BYTES)
        return toHex(value) as EntryHash
      throw new ShoalError('malformed', 'the head of a backup names no governing entry')
    }),
    log: f.list('l', BACKUP_PARTS_MAX).map((value) => decodePart(new Fields(value, 'part'))),
    full: decodeVector(f.raw('lv')),
    fullMark: f.bytes('lm', HASH_BYTES),
  }
}

function decodePart(part: Fields): BackupPart {
  const key = part.bytes('k', KEY_BYTES, KEY_BYTES)
  return {
    id: toHex(part.bytes('i', HASH_BYTES, HASH_BYTES)),
    key,
    bytes: part.integer('b'),
  }
}
