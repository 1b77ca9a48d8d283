// The examples of docs/formats/backup.md, and arbitrary entries.
import fc from 'fast-check'
import { backupKeys } from '../../../protocol/backup/key.ts'
import type { BackupKeys } from '../../../protocol/backup/key.ts'
import type { BackupEntry } from '../../../protocol/backup/entry.ts'
import type { BackupRecord } from '../../../protocol/backup/record.ts'
import { sealChunk } from '../../../protocol/chunk/seal.ts'
import { toByteString, toHex } from '../../../protocol/bytes.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { xorshiftBytes } from '../vectors.ts'

export const SECRET: Uint8Array = xorshiftBytes(1, 32)
export const KEYS: BackupKeys = backupKeys(SECRET)
export const PACK: string = toHex(xorshiftBytes(2, 16))
export const SET: string = toHex(xorshiftBytes(3, 16))
export const SALT: Uint8Array = xorshiftBytes(4, 32)

const chunk = sealChunk(KEYS.chunks, xorshiftBytes(5, 100))
export const CHUNK: Uint8Array = chunk.bytes
const root = { ...chunk.ref, plainHash: new Uint8Array(chunk.ref.plainHash) }

export const FILE: BackupEntry = {
  name: 'a.txt',
  kind: 'file',
  mode: 0o644,
  uid: 1000,
  gid: 100,
  modifiedNs: 1_700_000_000_123_456_789n,
  xattrs: [['user.x', new Uint8Array([1])]],
  content: { kind: 'chunks', manifest: { root, depth: 0, size: 100 } },
  mark: xorshiftBytes(6, 16),
}

export const ROOT: BackupEntry = {
  name: '',
  kind: 'folder',
  mode: 0o755,
  uid: 0,
  gid: 0,
  modifiedNs: -1n,
  xattrs: [],
  content: { kind: 'inline', bytes: new Uint8Array(0) },
}

export const RECORD: BackupRecord = {
  number: 2,
  job: 'daily',
  node: 'anna',
  volume: 'main',
  volumeId: toHex(xorshiftBytes(7, 32)),
  path: '/docs',
  mode: 'differential',
  timeMs: 1_700_000_000_000 as WallTime,
  endedMs: 1_700_000_001_000 as WallTime,
  set: SET,
  builtOn: [toHex(xorshiftBytes(8, 16))],
  root: ROOT,
  files: 3,
  folders: 2,
  specials: 1,
  bytes: 400,
  addedBytes: 50,
  failed: 0,
  known: [toHex(xorshiftBytes(9, 32))],
}

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max })
const name = bytes(1, 40)
  .map(toByteString)
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..')

/** Entries of any kind, with all that one can have. */
export const anyEntry: fc.Arbitrary<BackupEntry> = fc
  .record({
    name,
    kind: fc.constantFrom(
      'file',
      'folder',
      'symlink',
      'fifo',
      'socket',
      'character-device',
      'block-device',
    ),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    modifiedNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    xattrs: fc.array(
      fc.tuple(
        bytes(1, 20)
          .filter((x) => !x.includes(0))
          .map(toByteString),
        bytes(0, 30),
      ),
      {
        maxLength: 3,
      },
    ),
    content: fc.oneof(
      fc.constant({ kind: 'chunk' as const, ref: root }),
      bytes(0, 2048).map((inline) => ({ kind: 'inline' as const, bytes: inline })),
      fc.integer({ min: 1, max: 2 ** 40 }).map((size) => ({
        kind: 'chunks' as const,
        manifest: { root, depth: 2, size, allocated: Math.floor(size / 2) },
      })),
    ),
    target: bytes(1, 100).map(toByteString),
    rdev: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    link: bytes(16, 16),
    mark: bytes(16, 16),
  })
  .map(({ content, target, rdev, link, mark, ...common }) => {
    const has = common.kind
    return {
      ...common,
      ...((has === 'file' || has === 'folder') && { content }),
      ...(has === 'file' && { link, mark }),
      ...(has === 'symlink' && { target }),
      ...(has.endsWith('device') && { rdev }),
    }
  })
