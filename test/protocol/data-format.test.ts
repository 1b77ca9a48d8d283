// The golden vectors of docs/formats/data.md, and the document itself: what it quotes is what
// test/vectors/ holds. The steps in between are computed here by the rules of the document, with
// primitives alone.
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { Cutter, chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { decodeManifestNode, encodeManifestNode, endsNode } from '../../protocol/chunk/manifest.ts'
import { openChunk, sealChunk } from '../../protocol/chunk/seal.ts'
import { blake3, blake3Keyed, deriveKey, hmacSha256, sha256 } from '../../protocol/hash.ts'
import {
  chunkIdBytes,
  chunkIdFromCid,
  peerIdFromPublicKey,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { choosePlacement } from '../../protocol/placement/choose-placement.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { rankPeers } from '../../protocol/placement/rendezvous.ts'
import { encodeParity } from '../../protocol/stripe/reed-solomon.ts'
import { shardProof, shardRoot, verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { codeStripe, decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { checkVectors, xorshiftBytes } from './vectors.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { ChunkKeys, ChunkRef, Codec, HashName } from '../../protocol/chunk/seal.ts'
import type { VolumeId } from '../../protocol/ids.ts'

const VOLUME = '11'.repeat(32) as VolumeId
/** 00 01 .. 1f. */
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i)
/**
 * 100 times the letter a, packed by hand: a zstd frame of one run, so that no compressor's choices
 * are in it.
 */
const RUN = { plain: utf8('a'.repeat(100)), packed: fromHex('28b52ffd206423030061') }

describe('golden vectors', () => {
  test('cutting', () => {
    checkVectors('chunk-cutting', cuttingVectors())
  })

  test('sealing', () => {
    const cases = [
      sealVector('blake3', 1, 0, utf8('hello, shoal'), utf8('hello, shoal')),
      sealVector('blake3', 258, 1, RUN.plain, RUN.packed),
      sealVector('sha2-256', 1, 0, utf8('hello, shoal'), utf8('hello, shoal')),
    ]
    checkVectors('chunk-sealing', cases)
  })

  test('manifest nodes', () => {
    checkVectors('manifest', manifestVectors())
  })

  test('stripes', () => {
    checkVectors('stripe', stripeVectors())
  })

  test('shard trees', () => {
    checkVectors('stripe-shard-tree', treeVectors())
  })

  test('placement', () => {
    checkVectors('placement', placementVectors())
  })
})

test('docs/formats/data.md quotes the golden vectors', () => {
  const root = join(import.meta.dirname, '../..')
  const text = readFileSync(join(root, 'docs/formats/data.md'), 'utf8')
  const quotes = [...text.matchAll(/^```vector (\S+)\n([^`]*)```/gm)]
  assert.ok(quotes.length >= 6)
  for (const [, path = '', body = ''] of quotes) {
    const [file = '', ...keys] = path.split('/')
    const json = readFileSync(join(root, `test/vectors/${file}.json`), 'utf8')
    let value = JSON.parse(json) as unknown
    for (const key of keys) value = (value as Record<string, unknown>)[key]
    const expected = typeof value === 'string' ? value : JSON.stringify(value)
    assert.equal(body.replace(/#.*|\s/g, ''), expected.replace(/\s/g, ''), path)
  }
})

function cuttingVectors(): unknown {
  const input = xorshiftBytes(1, 2 ** 22)
  const table = Buffer.concat(
    Array.from({ length: 64 }, (_, i) =>
      deriveKey('shoal 2026 gear table v1', Uint8Array.of(...SECRET, i)),
    ),
  )
  const gear = (byte: number): string =>
    table
      .readBigUInt64LE(byte * 8)
      .toString(16)
      .padStart(16, '0')
  const lengths = (bytes: Uint8Array, sizes: ChunkSizes): number[] => {
    const cutter = new Cutter(sizes, SECRET)
    const cuts: number[] = []
    for (let at = 0; at < bytes.length; at += cuts.at(-1) ?? 0) {
      cuts.push(cutter.next(bytes.subarray(at), true))
    }
    return cuts
  }
  const small = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }
  return {
    secret: toHex(SECRET),
    gear: { 0: gear(0), 1: gear(1), 255: gear(255) },
    input: {
      seed: 1,
      length: input.length,
      first16: toHex(input.subarray(0, 16)),
      blake3: toHex(blake3(input)),
    },
    lengths: {
      small: lengths(input.subarray(0, 4096), small),
      smallZeros: lengths(new Uint8Array(4096), small),
      '64k': lengths(input, chunkSizes('64k')),
      '256k': lengths(input, chunkSizes('256k')),
      '1m': lengths(input, chunkSizes('1m')),
    },
  }
}

function sealVector(
  hash: HashName,
  epoch: number,
  codec: Codec,
  plain: Uint8Array,
  packed: Uint8Array,
): unknown {
  const keys: ChunkKeys = { volume: VOLUME, chunkSecret: SECRET, epoch, hash }
  const plainHash = hash === 'blake3' ? blake3Keyed(SECRET, plain) : hmacSha256(SECRET, plain)
  const epochBytes = Buffer.alloc(8)
  epochBytes.writeBigUInt64BE(BigInt(epoch))
  const salt = codec === 0 ? Buffer.of() : blake3Keyed(plainHash, packed).subarray(0, 16)
  const material = Buffer.concat([plainHash, Buffer.of(codec), epochBytes, salt])
  const key = deriveKey('shoal 2026 chunk key v1', material)
  const cipher = createCipheriv('aes-256-gcm', key, Buffer.alloc(12)).setAAD(fromHex(VOLUME))
  const box = Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()])
  const sealed = Buffer.concat([salt, box])
  const head = hash === 'blake3' ? '01551e20' : '01551220'
  const cid = Buffer.concat([fromHex(head), hash === 'blake3' ? blake3(sealed) : sha256(sealed)])
  const id = chunkIdFromCid(cid)
  const ref: ChunkRef = { id, plainHash, length: plain.length, codec, epoch }
  assert.deepEqual(Buffer.from(openChunk(keys, ref, sealed)), Buffer.from(plain))
  if (codec === 0) assert.equal(sealChunk(keys, plain).ref.id, id)
  return {
    hash,
    volume: VOLUME,
    chunkSecret: toHex(SECRET),
    epoch,
    plain: toHex(plain),
    plainHash: toHex(plainHash),
    codec,
    packed: toHex(packed),
    keyMaterial: toHex(material),
    key: toHex(key),
    sealed: toHex(sealed),
    cid: toHex(cid),
    id,
  }
}

function manifestVectors(): unknown {
  const ref = (text: string): ChunkRef => {
    const keys: ChunkKeys = { volume: VOLUME, chunkSecret: SECRET, epoch: 1, hash: 'blake3' }
    return sealChunk(keys, utf8(text)).ref
  }
  const leaf: ManifestNode = {
    level: 0,
    extents: [
      { kind: 'chunk', ref: ref('hello, shoal') },
      { kind: 'hole', length: 1_000_000 },
    ],
  }
  const above = (allocated: number): ManifestNode => {
    return { level: 1, children: [{ ref: ref('a leaf'), size: 1_000_012, allocated }] }
  }
  const encode = (node: ManifestNode): string => {
    const bytes = encodeManifestNode(node)
    assert.deepEqual(encodeManifestNode(decodeManifestNode(bytes)), bytes)
    return toHex(bytes)
  }
  const ends = [
    ['01249248', 31],
    ['01249248', 32],
    ['01249249', 32],
    ['ffffffff', 1023],
    ['ffffffff', 1024],
  ] as const
  return {
    leaf: encode(leaf),
    inner: encode(above(1_000_012)),
    innerWithHole: encode(above(12)),
    ends: ends.map(([digestStart, count]) => {
      return { digestStart, count, ends: endsNode(fromHex(digestStart.padEnd(64, '0')), count) }
    }),
  }
}

function stripeVectors(): unknown {
  const chunks = [90, 40, 60].map((length, i) => {
    const bytes = xorshiftBytes(i + 1, length)
    return { id: chunkIdFromCid(Buffer.concat([fromHex('01551e20'), blake3(bytes)])), bytes }
  })
  const { id, header, headerBytes, shards } = codeStripe(chunks, 2, 2)
  assert.deepEqual(decodeStripeHeader(headerBytes).chunks, header.chunks)
  assert.equal(id, stripeIdFromCid(Buffer.concat([fromHex('01711e20'), blake3(headerBytes)])))
  // The parity of a lone 1 among zeros is its coefficient.
  const units = Array.from({ length: 6 }, (_, j) => {
    const data = Array.from({ length: 6 }, (_zeros, at) => Uint8Array.of(at === j ? 1 : 0))
    return encodeParity(data, 4).map(([byte]) => byte)
  })
  return {
    coefficients: Array.from({ length: 4 }, (_, i) => units.map((column) => column[i])),
    chunks: chunks.map(({ id: chunk, bytes }) => ({
      cid: toHex(chunkIdBytes(chunk)),
      sealed: toHex(bytes),
    })),
    k: 2,
    m: 2,
    shardBytes: header.shardBytes,
    shards: shards.map(toHex),
    roots: header.shardRoots.map(toHex),
    header: toHex(headerBytes),
    cid: toHex(stripeIdBytes(id)),
    id,
    classId: codeStripe(chunks, 2, 2, { kind: 'copies', count: 3 }).id,
  }
}

function treeVectors(): unknown {
  const shard = xorshiftBytes(1, 4 * SHARD_LEAF + 64)
  const leaves = Array.from({ length: 5 }, (_, i) =>
    blake3(shard.subarray(i * SHARD_LEAF, (i + 1) * SHARD_LEAF)),
  )
  const root = shardRoot(shard)
  const proof = shardProof(shard, 1, 2)
  const bytes = shard.subarray(SHARD_LEAF, 3 * SHARD_LEAF)
  assert.ok(verifyShardRange(root, shard.length, 1, bytes, proof))
  return {
    shard: { seed: 1, length: shard.length },
    leaves: leaves.map(toHex),
    root: toHex(root),
    proof: { firstLeaf: 1, leafCount: 2, hashes: proof.map(toHex) },
  }
}

function placementVectors(): unknown {
  const stripe = stripeIdFromCid(Buffer.concat([fromHex('01711e20'), blake3(utf8('stripe 1'))]))
  const group = placementGroup(stripe)
  const all = [
    { zone: 'attic', weight: 100 },
    { zone: 'attic', weight: 100 },
    { zone: 'cellar', weight: 50 },
    { zone: '', weight: 400 },
  ].map((one, i) => ({ peer: peerIdFromPublicKey(new Uint8Array(32).fill(i + 1)), ...one }))
  const candidates = all.map((candidate) => {
    const digest = Buffer.from(blake3(utf8(`${group} ${candidate.peer}`)))
    const h = Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53
    const score = -candidate.weight / Math.log(h)
    return { ...candidate, digestStart: toHex(digest.subarray(0, 8)), h, score }
  })
  const ranking = candidates.toSorted((a, b) => b.score - a.score).map(({ peer }) => peer)
  assert.deepEqual(
    rankPeers(group, all).map(({ peer }) => peer),
    ranking,
  )
  return {
    stripe,
    group,
    candidates,
    ranking,
    threeOneAZone: choosePlacement(group, all, 3, 1),
    fourOneAZone: choosePlacement(group, all, 4, 1),
  }
}
