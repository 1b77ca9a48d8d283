// Records of a backup place: one of each backup, and one of each time that old ones were removed.
// Each record of a backup names all others that were there: whoever takes one away, or brings an
// older state of the place back, is found out by those that are left.
import { fromHex, toHex } from '../bytes.ts'
import { Fields } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { PATH_MAX } from '../limits.ts'
import { MEMBER_NAME } from '../membership/names.ts'
import type { WallTime } from '../units.ts'
import { ENTRY_BYTES_MAX, LENGTH_BYTES, decodeEntry, encodeEntry } from './entry.ts'
import type { BackupEntry } from './entry.ts'
import { BACKUP_MODES } from './mode.ts'
import type { BackupMode } from './mode.ts'
import { PACK_ID_BYTES } from './pack.ts'

export interface BackupRecord {
  /** One more than the greatest that its maker knew. */
  readonly number: number
  /** As the machine that made it calls the job. */
  readonly job: string
  /** The machine. */
  readonly node: string
  /** Name and id of the volume, and the path of the folder in it. */
  readonly volume: string
  readonly volumeId: string
  readonly path: string
  readonly mode: BackupMode
  /** When it was begun, and done. */
  readonly timeMs: WallTime
  readonly endedMs: WallTime
  /** The set of the packs that were made for it. */
  readonly set: string
  /** Further sets that it builds upon; undefined: any. */
  readonly builtOn: readonly string[] | undefined
  /** The folder: an entry without a name. */
  readonly root: BackupEntry
  readonly files: number
  readonly folders: number
  /** Symlinks, and special files. */
  readonly specials: number
  readonly bytes: number
  /** Put for it. */
  readonly addedBytes: number
  /** Files that could not be read, and are not in it. */
  readonly failed: number
  /** The names of all other backups that were there. */
  readonly known: readonly string[]
}

export interface RemovalRecord {
  readonly timeMs: WallTime
  /** Names of the backups. */
  readonly removed: readonly string[]
}

const RECORD_VERSION = 1
/** Backups at one place under one key. */
const BACKUPS_MAX = 20_000
const LABEL_MAX = 256
const TIME_MAX: number = 2 ** 48 - 1

/** Is it the name of a record? */
export function isRecordName(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** throws ShoalError 'usage' for what cannot be the name of a backup job. */
export function checkJobName(name: string): string {
  if (MEMBER_NAME.test(name)) return name
  throw new ShoalError(
    'usage',
    `"${name}" is not a valid name of a backup: use letters, digits, ".", "_" and "-", at most 64`,
  )
}

export function encodeBackup(record: BackupRecord): unknown {
  return {
    v: RECORD_VERSION,
    i: record.number,
    j: record.job,
    h: record.node,
    n: record.volume,
    d: fromHex(record.volumeId),
    p: record.path,
    m: BACKUP_MODES.indexOf(record.mode),
    t: [record.timeMs, record.endedMs],
    s: fromHex(record.set),
    b: record.builtOn?.map(fromHex) ?? null,
    r: encodeEntry(record.root).subarray(LENGTH_BYTES),
    c: [record.files, record.folders, record.specials, record.bytes, record.addedBytes],
    x: record.failed,
    k: record.known.map(fromHex),
  }
}

/** throws ShoalError 'malformed', 'unsupported'. */
export function decodeBackup(value: unknown): BackupRecord {
  const f = fieldsOf(value)
  const mode = BACKUP_MODES[f.integer('m', 0, BACKUP_MODES.length - 1)]
  const [timeMs, endedMs] = numbers(f, 't', 2)
  const [files = 0, folders = 0, specials = 0, bytes = 0, addedBytes = 0] = numbers(f, 'c', 5)
  return {
    number: f.integer('i', 1),
    job: f.text('j', LABEL_MAX),
    node: f.text('h', LABEL_MAX),
    volume: f.text('n', LABEL_MAX),
    volumeId: toHex(f.bytes('d', HASH_BYTES, HASH_BYTES)),
    path: f.text('p', 4 * PATH_MAX),
    mode: mode ?? 'incremental',
    timeMs: Math.min(timeMs ?? 0, TIME_MAX) as WallTime,
    endedMs: Math.min(endedMs ?? 0, TIME_MAX) as WallTime,
    set: toHex(f.bytes('s', PACK_ID_BYTES, PACK_ID_BYTES)),
    builtOn: f.has('b') ? ids(f, 'b', PACK_ID_BYTES) : undefined,
    root: rootOf(f.bytes('r', ENTRY_BYTES_MAX)),
    files,
    folders,
    specials,
    bytes,
    addedBytes,
    failed: f.integer('x'),
    known: ids(f, 'k', HASH_BYTES),
  }
}

export function encodeRemoval({ timeMs, removed }: RemovalRecord): unknown {
  return { v: RECORD_VERSION, t: timeMs, k: removed.map(fromHex) }
}

/** throws ShoalError 'malformed', 'unsupported'. */
export function decodeRemoval(value: unknown): RemovalRecord {
  const f = fieldsOf(value)
  return { timeMs: f.integer('t', 0, TIME_MAX) as WallTime, removed: ids(f, 'k', HASH_BYTES) }
}

function fieldsOf(value: unknown): Fields {
  const f = new Fields(value, 'record of a backup')
  if (f.integer('v') === RECORD_VERSION) return f
  throw new ShoalError('unsupported', 'a record of this backup is newer than this program')
}

function rootOf(bytes: Uint8Array): BackupEntry {
  const root = decodeEntry(bytes)
  if (root.kind === 'folder' && root.content !== undefined) return root
  throw new ShoalError('malformed', 'the root of a backup is not a folder')
}

function ids(f: Fields, name: string, length: number): readonly string[] {
  return f.list(name, BACKUPS_MAX).map((id) => {
    if (id instanceof Uint8Array && id.length === length) return toHex(id)
    throw new ShoalError('malformed', `a record of a backup has a bad id in "${name}"`)
  })
}

function numbers(f: Fields, name: string, count: number): readonly number[] {
  return f.list(name, count).map((number) => {
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number
    throw new ShoalError('malformed', `a record of a backup has a bad number in "${name}"`)
  })
}
