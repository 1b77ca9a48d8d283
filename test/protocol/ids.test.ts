// Each id has one text and one form in bytes; everything else is malformed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { blake3, sha256 } from '../../protocol/hash.ts'
import {
  CID_BYTES,
  CODEC_DAG_CBOR,
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  MULTIHASH_SHA2_256,
  checkCid,
  chunkIdBytes,
  chunkIdFromCid,
  cidBytes,
  cidDigest,
  cidText,
  encodeCid,
  hexId,
  hexIdBytes,
  parsePeerId,
  peerIdFromPublicKey,
  publicKeyOf,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { ALICE } from './fixtures.ts'
import { assertRefusal } from './hostile.ts'

const MALFORMED = { code: 'malformed' }
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('ids', () => {
  test('a chunk id and a stripe id are CIDs that give their bytes back', () => {
    fc.assert(
      fc.property(digest, fc.constantFrom(MULTIHASH_BLAKE3, MULTIHASH_SHA2_256), (hash, code) => {
        const chunk = encodeCid(CODEC_RAW, code, hash)
        const stripe = encodeCid(CODEC_DAG_CBOR, code, hash)
        assert.equal(chunk.length, CID_BYTES)
        assert.deepEqual(chunkIdBytes(chunkIdFromCid(chunk)), chunk)
        assert.deepEqual(stripeIdBytes(stripeIdFromCid(stripe)), stripe)
        assert.deepEqual(cidDigest(chunk), hash)
        assert.throws(() => chunkIdFromCid(stripe), MALFORMED)
        assert.throws(() => stripeIdFromCid(chunk), MALFORMED)
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('CIDs are those that other tools print', () => {
    // `ipfs add --cid-version=1 --raw-leaves` of "hello world".
    const known = 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
    assert.equal(
      cidText(encodeCid(CODEC_RAW, MULTIHASH_SHA2_256, sha256(utf8('hello world')))),
      known,
    )
    assert.deepEqual(
      cidDigest(cidBytes(known, CODEC_RAW)),
      new Uint8Array(sha256(utf8('hello world'))),
    )
  })

  test('an id has one text only', () => {
    const text = cidText(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(utf8('x'))))
    for (const other of [
      '',
      'b',
      text.toUpperCase(),
      text.slice(1),
      `${text}a`,
      `${text}=`,
      `z${text.slice(1)}`,
      'ü'.repeat(59),
    ]) {
      assert.throws(() => cidBytes(other, CODEC_RAW), MALFORMED)
    }
    // The last char of 58 holds 2 bits that are no part of the 36 bytes: they must be zero.
    const last = text.at(-1) ?? ''
    for (const char of 'abcdefghijklmnopqrstuvwxyz234567') {
      if (char !== last) assertDiffers(`${text.slice(0, -1)}${char}`, text)
    }
  })

  test('bytes that are no CID of ours are refused', () => {
    const good = encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(utf8('x')))
    for (const at of [0, 1, 2, 3]) {
      assert.throws(() => checkCid(good.with(at, 0x42), CODEC_RAW), MALFORMED)
    }
    for (const bad of [good.slice(0, -1), Uint8Array.from([...good, 0]), new Uint8Array(0)]) {
      assert.throws(() => checkCid(bad, CODEC_RAW), MALFORMED)
    }
  })

  test('a peer id is that of libp2p, and holds its key', () => {
    fc.assert(
      fc.property(digest, (key) => {
        const peer = peerIdFromPublicKey(key)
        assert.match(peer, /^12D3KooW/)
        assert.deepEqual(new Uint8Array(publicKeyOf(peer)), key)
        assert.equal(parsePeerId(peer), peer)
      }),
      { seed: 2, numRuns: 100 },
    )
    assert.equal(ALICE.peer, peerIdFromPublicKey(ALICE.publicKey))
    assert.throws(() => peerIdFromPublicKey(new Uint8Array(31)), MALFORMED)
  })

  test('a peer id and its key stand for each other, whatever is done to the key given out', () => {
    // More than are kept.
    for (let n = 0; n < 3000; n++) {
      const key = blake3(utf8(`${n % 2500}`))
      const peer = peerIdFromPublicKey(key)
      publicKeyOf(peer).fill(0)
      assert.deepEqual(publicKeyOf(peer), new Uint8Array(key))
      assert.equal(peerIdFromPublicKey(key), peer)
    }
  })

  test('text that is no peer id is refused', () => {
    const { peer } = ALICE
    for (const bad of [
      '',
      // It would take minutes to decode.
      peer.repeat(100_000),
      '1',
      peer.slice(0, -1),
      `${peer}1`,
      `1${peer}`,
      peer.replace('K', '0'),
      'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    ]) {
      assert.throws(() => parsePeerId(bad), MALFORMED)
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => assertRefusal(() => parsePeerId(text))),
      { seed: 3, numRuns: 200 },
    )
  })

  test('a hex id is as long as it has to be', () => {
    const id = hexId<NodeId>(new Uint8Array(16).fill(0xab), 16, 'node')
    assert.equal(id, 'ab'.repeat(16))
    assert.equal(toHex(hexIdBytes(id)), id)
    for (const length of [0, 15, 17, 32]) {
      assert.throws(() => hexId<NodeId>(new Uint8Array(length), 16, 'node'), MALFORMED)
    }
  })
})

/** Another text is refused, or is another id. */
function assertDiffers(other: string, text: string): void {
  assertRefusal(() => assert.notDeepEqual(cidBytes(other, CODEC_RAW), cidBytes(text, CODEC_RAW)))
}
