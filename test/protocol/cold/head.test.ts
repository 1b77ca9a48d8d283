// Heads of backups: golden bytes, who can make one, and that nothing of it can be changed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { openOnce } from '../../../protocol/cipher.ts'
import { headIdOf, headKey, headOfKey, openHead, sealHead } from '../../../protocol/cold/head.ts'
import type { BackupHead, HeadContent } from '../../../protocol/cold/head.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { hexIdBytes } from '../../../protocol/ids.ts'
import { volumeIdOf } from '../../../protocol/membership/genesis.ts'
import type { BackupHeadId, EntryHash, VolumeId } from '../../../protocol/ids.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { ALICE, ALICE_ACTOR, BOB, CAROL, filled } from '../fixtures.ts'
import { checkVectors, xorshiftBytes } from '../vectors.ts'

const GENESIS = xorshiftBytes(5, 20)
const VOLUME = volumeIdOf(GENESIS)
const SECRET = filled(0x5e, 32)

const CONTENT: HeadContent = {
  genesis: GENESIS,
  tier: 'attic',
  time: 1_700_000_000_000 as WallTime,
  number: 300,
  before: toHex(filled(0xbe, 32)) as BackupHeadId,
  vector: new Map([[ALICE_ACTOR, 7]]),
  checkpoint: filled(0xcc, 3),
  nodes: [
    {
      id: toHex(filled(0x01, 32)),
      key: filled(0x02, 32),
      bytes: 1000,
      isSealed: true,
      ids: [toHex(filled(0x03, 32)) as NodeHash],
    },
  ],
  governing: [{ id: toHex(filled(0x07, 32)), key: filled(0x08, 32), bytes: 48 }],
  governed: [toHex(filled(0x90, 32)) as EntryHash],
  log: [{ id: toHex(filled(0x04, 32)), key: filled(0x05, 32), bytes: 24 }],
  full: new Map(),
  fullMark: filled(0x06, 32),
}

function sealed(content: HeadContent = CONTENT, secret = SECRET): Uint8Array {
  let seed = 0
  const random = (length: number): Uint8Array => xorshiftBytes(++seed, length)
  return sealHead(VOLUME, content, { author: ALICE, secret }, [BOB.peer], random)
}

function open(bytes: Uint8Array, volume: VolumeId = VOLUME): BackupHead {
  return openHead(volume, bytes, { seed: BOB.seed, secret: SECRET })
}

describe('heads of backups', () => {
  test('have the bytes that docs/formats/cold.md shows, and read back', () => {
    const bytes = sealed()
    const [, body] = decodeCbor(bytes, 'head') as [number, Uint8Array]
    const { h } = decodeCbor(body, 'body') as { h: Uint8Array }
    const [said] = decodeCbor(openOnce(xorshiftBytes(1, 32), h, hexIdBytes(VOLUME)), 'h') as [
      Uint8Array,
    ]
    const vectors = { said: toHex(said), bytes: toHex(bytes), id: headIdOf(bytes) }
    checkVectors('backup-head', vectors)
    assert.deepEqual(open(bytes), { ...CONTENT, author: ALICE.peer })
    const first = { ...CONTENT, before: undefined, checkpoint: undefined, nodes: [], log: [] }
    assert.deepEqual(open(sealed(first)), { ...first, author: ALICE.peer })
  })

  test('are for those alone that they are sealed to, and of those alone who have a secret of the volume', () => {
    const carol = { seed: CAROL.seed, secret: SECRET }
    assert.throws(() => openHead(VOLUME, sealed(), carol), { code: 'EACCES' })
    assert.throws(() => open(sealed(CONTENT, filled(1, 32))), { code: 'corrupt' })
    const other = { ...CONTENT, genesis: xorshiftBytes(6, 20) }
    assert.throws(() => open(sealed(other)), { code: 'corrupt' })
  })

  test('name an author who signed all of it', () => {
    const mallory = { publicKey: ALICE.publicKey, sign: CAROL.sign.bind(CAROL) }
    const forged = sealHead(VOLUME, CONTENT, { author: mallory, secret: SECRET }, [BOB.peer], () =>
      filled(7, 32),
    )
    assert.throws(() => open(forged), { code: 'bad-signature' })
    const restore = plantWeakness('backup-head-signed')
    assert.equal(open(forged).author, ALICE.peer)
    restore()
  })

  test('whatever is changed of one, or put in its place, is none', () => {
    const bytes = sealed()
    const refuses = (bad: Uint8Array): void => {
      try {
        open(bad)
      } catch (error) {
        assert(error instanceof ShoalError && error.code !== 'internal', String(error))
        return
      }
      assert.fail('it opened')
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) =>
        refuses(bytes.with(at, (bytes[at] ?? 0) ^ bits)),
      ),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), refuses))
    const [version, body, mark] = decodeCbor(bytes, 'head') as [number, Uint8Array, Uint8Array]
    refuses(encodeCbor([version + 1, body, mark]))
    refuses(encodeCbor({ v: 99, a: 'xxxx' }))
  })

  test('have their hash as their name', () => {
    const id = headIdOf(sealed())
    assert.equal(headOfKey(VOLUME, headKey(VOLUME, id)), id)
    for (const key of [`${VOLUME}/heads/ffffffffffff-0123456789abcdef`, `x/heads/${id}`, id])
      assert.equal(headOfKey(VOLUME, key), undefined)
  })
})
