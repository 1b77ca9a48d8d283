// A head tells of a whole backup: which parts make the namespace (backup.ts), and up to where.
// Always true of one that opens:
//   whoever made it has a secret of the volume: who can write to the tier and knows public keys
//     alone can make none, and one of theirs costs a hash to see through
//   its author signed all that it says
//   it has a number, one more than that of the head it was made after, which it names by its hash
//   its name is the hash of its bytes, and says nothing of what is newer
// It is sealed with a key of its own, and that to each member that may write and to each recovery
// key.
import { equalBytes, fromHex, toHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { openFrom, openOnce, sealOnce, sealTo } from '../cipher.ts'
import { decodeVector, dominates, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { HASH_BYTES, blake3, blake3Keyed, deriveKey } from '../hash.ts'
import { hexIdBytes, peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { BackupHeadId, EntryHash, PeerId, VolumeId } from '../ids.ts'
import {
  ACTORS_MAX,
  BACKUP_NUMBER_MAX,
  BACKUP_PARTS_MAX,
  BACKUP_PART_MAX,
  GOVERNED_MAX,
  MEMBERS_MAX,
  TIER_NAME_MAX,
} from '../limits.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import { GENESIS_BYTES_MAX, volumeIdOf } from '../membership/genesis.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'
import { enforces } from '../trust.ts'
import type { WallTime } from '../units.ts'
import type { BackupPart, NodePart } from './backup.ts'

const HEAD_VERSION = 1
const KEY_BYTES = 32
const BOX_BYTES_MAX = 128
const TIME_MAX = 2 ** 48 - 1
/**
 * Items of lists of a few; of the outside of a head; and of one with all its parts, of three kinds,
 * and two version vectors.
 */
const FEW_ITEMS_MAX = 8
const BODY_ITEMS_MAX: number = MEMBERS_MAX + 32
const HEAD_ITEMS_MAX: number = 28 * BACKUP_PARTS_MAX + 8 * ACTORS_MAX
const BAD_SIGNATURE = 'is not signed by the member that it names'

export interface BackupHead {
  readonly genesis: Uint8Array
  /** The name of the tier in the volume. */
  readonly tier: string
  /** The author, and the time by its clock. */
  readonly author: PeerId
  readonly time: WallTime
  /** One more than that of `before`, the newest that the author knew; 1 without one. */
  readonly number: number
  readonly before: BackupHeadId | undefined
  /** The log up to which this head goes. */
  readonly vector: VersionVector
  /**
   * The newest checkpoint, as a 'checkpoint' message (wire/checkpoint.ts); without one the log is
   * whole.
   */
  readonly checkpoint: Uint8Array | undefined
  readonly nodes: readonly NodePart[]
  /** All governing entries, each after those that it names, and the newest of them. */
  readonly governing: readonly BackupPart[]
  readonly governed: readonly EntryHash[]
  /** In order: entries come after their past. All but the last are full. */
  readonly log: readonly BackupPart[]
  /**
   * The log covered by all parts but the last, with the facts that tell whether labels still mean
   * the same there.
   */
  readonly full: VersionVector
  readonly fullMark: Uint8Array
}

/** The common prefix of the keys of heads. */
export function headsPrefix(volume: VolumeId): string {
  return `${volume}/heads/`
}

export function headKey(volume: VolumeId, id: BackupHeadId): string {
  return headsPrefix(volume) + id
}

/** Inverse of headKey; undefined for what is no head of the volume. */
export function headOfKey(volume: VolumeId, key: string): BackupHeadId | undefined {
  const id = key.slice(headsPrefix(volume).length)
  const isOne = key.startsWith(headsPrefix(volume)) && /^[0-9a-f]{64}$/.test(id)
  return isOne ? (id as BackupHeadId) : undefined
}

/** The id of a head with these bytes. */
export function headIdOf(bytes: Uint8Array): BackupHeadId {
  return toHex(blake3(bytes)) as BackupHeadId
}

/** The facts of a head that tell whether it is newer than another. */
export type HeadFacts = Pick<
  BackupHead,
  'author' | 'time' | 'number' | 'before' | 'vector' | 'tier'
>

/** The sealed content: all but the author. */
export type HeadContent = Omit<BackupHead, 'author'>

/** Keys to make and open heads: the first secret of the volume, and the seed of the recipient. */
export interface HeadKeys {
  readonly secret: Uint8Array
  readonly seed: Uint8Array
}

/** random: 32 fresh bytes for the head, and as many for each of those it is sealed to. */
export function sealHead(
  volume: VolumeId,
  content: HeadContent,
  { author, secret }: { author: Pick<Identity, 'publicKey' | 'sign'> } & Pick<HeadKeys, 'secret'>,
  readers: readonly PeerId[],
  random: (length: number) => Uint8Array,
): Uint8Array {
  const key = random(KEY_BYTES)
  const said = encodeContent(content, author.publicKey)
  const signature = author.sign('shoal/backup-head/1', said)
  const body = encodeCbor({
    to: readers.map((peer) => sealTo(publicKeyOf(peer), key, random(KEY_BYTES))),
    h: sealOnce(key, encodeCbor([said, signature]), hexIdBytes(volume)),
  })
  return encodeCbor([HEAD_VERSION, body, markOf(body, secret)])
}

/**
 * throws ShoalError 'corrupt' for what nobody made who has a secret of the volume, 'EACCES' if it
 * is sealed to others, 'bad-signature', 'malformed', 'unsupported'.
 */
export function openHead(
  volume: VolumeId,
  bytes: Uint8Array,
  { seed, secret }: HeadKeys,
): BackupHead {
  const outer = decodeCbor(bytes, 'head of a backup', FEW_ITEMS_MAX)
  const [version, body, mark] = Array.isArray(outer) ? (outer as readonly unknown[]) : []
  if (version !== HEAD_VERSION || !(body instanceof Uint8Array) || !(mark instanceof Uint8Array))
    throw new ShoalError('unsupported', 'is no head of a backup, or one of a newer version')
  if (!equalBytes(mark, markOf(body, secret)))
    throw new ShoalError(
      'corrupt',
      'is damaged, or was made by somebody without a key of the volume',
    )
  const f = new Fields(decodeCbor(body, 'head of a backup', BODY_ITEMS_MAX), 'head of a backup')
  for (const box of f.list('to', MEMBERS_MAX)) {
    if (!(box instanceof Uint8Array) || box.length > BOX_BYTES_MAX) continue
    const key = openBox(seed, box)
    if (key === undefined) continue
    const head = openSigned(openOnce(key, f.bytes('h', Infinity), hexIdBytes(volume)))
    if (volumeIdOf(head.genesis) === volume) return head
    throw new ShoalError('corrupt', 'is of another volume')
  }
  throw new ShoalError('EACCES', 'is not for this key: that was made later, or was removed')
}

/**
 * Orders heads, the newest first: one that tells all that another does and more comes before it,
 * whatever either says of itself; of others the greater number, the later time, the greater hash.
 * Not for more than some hundreds.
 */
export function newestFirst<Each extends { readonly id: BackupHeadId; readonly head: HeadFacts }>(
  heads: readonly Each[],
): Each[] {
  const left = heads.toSorted(
    (a, b) => b.head.number - a.head.number || b.head.time - a.head.time || (a.id < b.id ? 1 : -1),
  )
  const sorted: Each[] = []
  while (left.length > 0) {
    const at = left.findIndex((one) => !left.some((other) => tellsMore(other.head, one.head)))
    sorted.push(...left.splice(Math.max(at, 0), 1))
  }
  return sorted
}

function tellsMore(a: HeadFacts, b: HeadFacts): boolean {
  return dominates(a.vector, b.vector) && !dominates(b.vector, a.vector)
}

/** Only who has a secret of the volume can make it. */
function markOf(body: Uint8Array, secret: Uint8Array): Uint8Array {
  return blake3Keyed(deriveKey('shoal 2026 backup head v1', secret), body)
}

function openBox(seed: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  try {
    return openFrom(seed, box)
  } catch (error) {
    if (!hasCode(error, 'corrupt')) throw error
    return undefined
  }
}

function openSigned(bytes: Uint8Array): BackupHead {
  const signed = decodeCbor(bytes, 'head', FEW_ITEMS_MAX)
  const [said, signature] = Array.isArray(signed) ? (signed as readonly unknown[]) : []
  if (!(said instanceof Uint8Array) || !(signature instanceof Uint8Array))
    throw new ShoalError('malformed', 'is not signed')
  const head = decodeContent(said)
  const isSigned =
    signature.length === SIGNATURE_BYTES &&
    verifySignature(publicKeyOf(head.author), 'shoal/backup-head/1', said, signature)
  if (enforces('backup-head-signed') && !isSigned)
    throw new ShoalError('bad-signature', BAD_SIGNATURE)
  return head
}

function encodeContent(head: HeadContent, publicKey: Uint8Array): Uint8Array {
  const partOf = ({ id, key, bytes }: BackupPart): Record<string, unknown> => ({
    i: fromHex(id),
    k: key,
    b: bytes,
  })
  return encodeCbor({
    g: head.genesis,
    t: head.tier,
    u: publicKey,
    w: head.time,
    i: head.number,
    p: head.before === undefined ? null : fromHex(head.before),
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

function decodeContent(bytes: Uint8Array): BackupHead {
  const f = new Fields(decodeCbor(bytes, 'head', HEAD_ITEMS_MAX), 'head')
  return {
    genesis: f.bytes('g', GENESIS_BYTES_MAX),
    tier: f.text('t', TIER_NAME_MAX),
    author: peerIdFromPublicKey(f.bytes('u', KEY_BYTES, KEY_BYTES)),
    time: f.integer('w', 0, TIME_MAX) as WallTime,
    number: f.integer('i', 1, BACKUP_NUMBER_MAX),
    before: f.has('p') ? (toHex(f.bytes('p', HASH_BYTES, HASH_BYTES)) as BackupHeadId) : undefined,
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
    bytes: part.integer('b', 0, BACKUP_PART_MAX),
  }
}
