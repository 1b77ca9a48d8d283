// The formats of a backup place (docs/formats/backup.md): their bytes, that they read back, and
// that nothing changed or made without the key does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, toHex } from '../../../protocol/bytes.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { LENGTH_BYTES, decodeEntry, encodeEntry } from '../../../protocol/backup/entry.ts'
import { decodeIndex, encodeIndex } from '../../../protocol/backup/index-object.ts'
import { backupKeys, formatBackupKey, parseBackupKey } from '../../../protocol/backup/key.ts'
import {
  MAGIC,
  TRAILER_BYTES,
  directoryLength,
  openDirectory,
  sealDirectory,
} from '../../../protocol/backup/pack.ts'
import type { PackContents } from '../../../protocol/backup/pack.ts'
import {
  decodeBackup,
  decodeRemoval,
  encodeBackup,
  encodeRemoval,
} from '../../../protocol/backup/record.ts'
import { objectName, openObject, sealObject } from '../../../protocol/backup/sealed.ts'
import { blake3 } from '../../../protocol/hash.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { checkVectors, xorshiftBytes } from '../vectors.ts'
import { CHUNK, FILE, KEYS, PACK, RECORD, ROOT, SALT, SECRET, SET, anyEntry } from './examples.ts'

const DIGEST = new Uint8Array(blake3(CHUNK).subarray(0, 16))
const CONTENTS: PackContents = {
  set: SET,
  kind: 'data',
  chunks: [{ digest: DIGEST, length: CHUNK.length }],
}
const isRefused = (error: unknown): boolean =>
  hasCode(error, 'corrupt') || hasCode(error, 'malformed')

describe('formats of backups', () => {
  test('have the bytes that docs/formats/backup.md shows', () => {
    const removal = { timeMs: 1_700_000_000_000 as WallTime, removed: RECORD.known }
    const directory = sealDirectory(KEYS, PACK, CONTENTS, SALT)
    const lock = sealObject(KEYS, 'locks', 'shared-00', { v: 1, h: 'anna', i: '12D3' }, SALT)
    checkVectors('backup', {
      secret: toHex(SECRET),
      key: formatBackupKey(SECRET, { name: 'daily', url: 'dir:/mnt/usb' }).split('\n'),
      id: KEYS.id,
      chunkSecret: toHex(KEYS.chunks.chunkSecret),
      objectSecret: toHex(KEYS.objectSecret),
      gearSecret: toHex(KEYS.gearSecret),
      file: toHex(encodeEntry(FILE)),
      root: toHex(encodeEntry(ROOT)),
      record: toHex(encodeCbor(encodeBackup(RECORD))),
      removal: toHex(encodeCbor(encodeRemoval(removal))),
      index: toHex(encodeCbor(encodeIndex([{ id: PACK, bytes: 300, ...CONTENTS }]))),
      pack: toHex(concatBytes([MAGIC, CHUNK, directory])),
      lock: toHex(lock),
      lockName: objectName(lock),
    })
  })

  test('an entry reads back as it was', () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const framed = encodeEntry(entry)
        const length = new DataView(framed.buffer).getUint32(0)
        assert.equal(length, framed.length - LENGTH_BYTES)
        assert.deepEqual(decodeEntry(framed.subarray(LENGTH_BYTES)), entry)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('records, indexes and directories read back as they were', () => {
    assert.deepEqual(decodeBackup(encodeBackup(RECORD)), RECORD)
    const incremental = { ...RECORD, mode: 'incremental' as const, builtOn: undefined }
    assert.deepEqual(decodeBackup(encodeBackup(incremental)), incremental)
    const removal = { timeMs: 5 as WallTime, removed: RECORD.known }
    assert.deepEqual(decodeRemoval(encodeRemoval(removal)), removal)
    const packs = [{ id: PACK, bytes: 300, ...CONTENTS }]
    assert.deepEqual(decodeIndex(encodeIndex(packs)), packs)
    const sealed = sealDirectory(KEYS, PACK, CONTENTS, SALT)
    assert.equal(directoryLength(sealed.subarray(-TRAILER_BYTES)), sealed.length - TRAILER_BYTES)
    assert.deepEqual(openDirectory(KEYS, PACK, sealed.subarray(0, -TRAILER_BYTES)), CONTENTS)
  })

  test('what was changed in any bit, or sealed with another key, is refused', () => {
    const bytes = sealObject(KEYS, 'backups', '', encodeBackup(RECORD), SALT)
    fc.assert(
      fc.property(fc.nat(8 * bytes.length - 1), (bit) => {
        const changed = new Uint8Array(bytes)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.throws(() => openObject(KEYS, 'backups', '', changed), isRefused)
        assert.notEqual(objectName(changed), objectName(bytes))
      }),
      { seed: 1, numRuns: 300 },
    )
    for (const length of [0, 31, 32, 47, bytes.length - 1])
      assert.throws(() => openObject(KEYS, 'backups', '', bytes.subarray(0, length)), isRefused)
    const others = backupKeys(xorshiftBytes(11, 32))
    assert.throws(() => openObject(others, 'backups', '', bytes), isRefused)
  })

  test('an object does not pass for one of another kind, nor the directory of a pack for that of another', () => {
    const bytes = sealObject(KEYS, 'backups', '', encodeBackup(RECORD), SALT)
    for (const kind of ['index', 'removed', 'locks', 'packs'] as const)
      assert.throws(() => openObject(KEYS, kind, '', bytes), isRefused)
    const sealed = sealDirectory(KEYS, PACK, CONTENTS, SALT).subarray(0, -TRAILER_BYTES)
    const another = toHex(xorshiftBytes(12, 16))
    assert.throws(() => openDirectory(KEYS, another, sealed), isRefused)
  })

  test('whatever bytes are decoded, they are taken or refused as malformed', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        for (const decode of [decodeBackup, decodeRemoval, decodeIndex])
          assert.throws(() => decode(value), { code: 'malformed' })
      }),
      { seed: 1, numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeEntry(bytes)
        } catch (error) {
          assert.ok(hasCode(error, 'malformed') || hasCode(error, 'unsupported'))
        }
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test('an entry whose name is a way elsewhere is refused', () => {
    for (const bad of ['..', '.', 'a/b', 'a\0'])
      assert.throws(() => decodeEntry(encodeEntry({ ...FILE, name: bad }).subarray(LENGTH_BYTES)))
  })
})

describe('backup keys', () => {
  test('read back from their text, whatever spaces and case', () => {
    const text = formatBackupKey(SECRET, { name: 'daily', url: 'dir:/x' })
    assert.deepEqual(parseBackupKey(text), SECRET)
    assert.deepEqual(parseBackupKey(text.toUpperCase().replaceAll(' ', '  ')), SECRET)
  })

  test('a slip of the pen is found, and its line named', () => {
    const text = formatBackupKey(SECRET, { name: 'daily', url: 'dir:/x' })
    const lines = text.split('\n')
    const at = lines.findIndex((line) => line.startsWith('1/'))
    const slip = lines.map((line, index) => (index === at ? line.replace(/[a-y]/, 'z') : line))
    assert.throws(() => parseBackupKey(slip.join('\n')), /line 1 of the backup key/)
    assert.throws(() => parseBackupKey('shoal-recovery-key-1'), /is no backup key/)
  })
})
