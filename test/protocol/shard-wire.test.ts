// The messages of /shoal/shard/1: their bytes, which test/vectors and
// docs/formats/shard-protocol.md show, and what their decoders take and refuse.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdBytes,
  chunkIdFromCid,
  encodeCid,
  stripeIdBytes,
} from '../../protocol/ids.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { signReceipts } from '../../protocol/stripe/receipt.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import {
  SHARD_MAX,
  STRIPE_HEADER_MAX,
  decodeShardReply,
  decodeShardRequest,
  encodeShardReply,
  encodeShardRequest,
} from '../../protocol/wire/shard.ts'
import { checkVectors } from './vectors.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { ShardReply, ShardRequest } from '../../protocol/wire/shard.ts'
import type { TraceContext } from '../../protocol/wire/trace-context.ts'

const SEALED = utf8('a sealed chunk')
const CHUNK = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(SEALED)))
const STRIPE = codeStripe([{ id: CHUNK, bytes: SEALED }], 1, 1)
const [SHARD = new Uint8Array()] = STRIPE.shards

const volume = 'ab'.repeat(32) as VolumeId
const stripe = STRIPE.id

const TRACE: TraceContext = {
  traceId: fromHex('0af7651916cd43dd8448eb211c80319c'),
  spanId: fromHex('b7ad6b7169203331'),
  isSampled: true,
}

const REQUESTS: Readonly<Record<string, ShardRequest>> = {
  put: { kind: 'put', volume, header: STRIPE.headerBytes, index: 1, length: SHARD.length },
  get: { kind: 'get', volume, stripe, index: 1, offset: 2, length: 6, proof: false },
  'get-proof': { kind: 'get', volume, stripe, index: 1, offset: 2, length: 6, proof: true },
  chunk: { kind: 'chunk', volume, chunk: CHUNK },
  have: { kind: 'have', volume, stripe },
  'have-traced': { kind: 'have', volume, stripe, trace: TRACE },
}

/** The receipt of a holder whose seed is 32 times 11, for shard 1 of the stripe, alone. */
const [RECEIPT] = signReceipts(
  identityFromSeed(new Uint8Array(32).fill(0x11)),
  { volume, hlc: (1_800_000_000_000n << 16n) as Hlc },
  [{ stripe, index: 1 }],
)

const REPLIES: Readonly<Record<string, ShardReply>> = {
  ok: { kind: 'ok', length: 0, indices: [], proof: [] },
  'ok-put': { kind: 'ok', length: 0, indices: [], proof: [], receipt: RECEIPT },
  'ok-get': { kind: 'ok', length: 6, indices: [], proof: [] },
  'ok-get-proof': { kind: 'ok', length: 65536, indices: [], proof: [blake3(SEALED)] },
  'ok-have': { kind: 'ok', length: 0, indices: [0, 1], proof: [] },
  error: { kind: 'error', code: 'ENOENT', message: 'shard 1 is not held here' },
}

describe('shard messages', () => {
  test('have the bytes that the vectors have', () => {
    checkVectors('shard-protocol', {
      stripeHeader: toHex(STRIPE.headerBytes),
      stripe,
      shard: toHex(SHARD),
      requests: hexOf(REQUESTS, encodeShardRequest),
      replies: hexOf(REPLIES, encodeShardReply),
    })
  })

  test('have the bytes of the worked example', () => {
    assert.deepEqual(workedExample(), {
      'put-request': toHex(encoded(REQUESTS['put'])),
      'put-payload': toHex(SHARD),
      'put-reply': toHex(encodedReply(REPLIES['ok-put'])),
      'get-request': toHex(encoded(REQUESTS['get'])),
      'traced-request': toHex(encoded(REQUESTS['have-traced'])),
      'get-reply': toHex(encodedReply(REPLIES['ok-get'])),
      'get-payload': toHex(SHARD.subarray(2, 8)),
      'error-reply': toHex(encodedReply(REPLIES['error'])),
    })
  })

  test('decode to what encodes to the same bytes', () => {
    for (const request of Object.values(REQUESTS)) {
      const bytes = encodeShardRequest(request)
      assert.equal(toHex(encodeShardRequest(decodeShardRequest(bytes))), toHex(bytes))
    }
    for (const reply of Object.values(REPLIES)) {
      const bytes = encodeShardReply(reply)
      assert.equal(toHex(encodeShardReply(decodeShardReply(bytes))), toHex(bytes))
    }
  })

  test('may have fields that are not known yet', () => {
    const request = {
      v: 1,
      op: 'have',
      vol: fromHex(volume),
      stripe: stripeIdBytes(stripe),
      later: [1],
    }
    assert.deepEqual(decodeShardRequest(encodeCbor(request)), REQUESTS['have'])
    const reply = { v: 1, ok: true, length: 0, indices: [], proof: [], later: 'more' }
    assert.deepEqual(decodeShardReply(encodeCbor(reply)), REPLIES['ok'])
  })

  test('are the same with a context of a trace that is none', () => {
    const request = { v: 1, op: 'have', vol: fromHex(volume), stripe: stripeIdBytes(stripe) }
    const [id, context] = [new Uint8Array(16).fill(1), new Uint8Array(25).fill(1)]
    for (const trace of [
      7,
      'traced',
      [context],
      new Uint8Array(0),
      new Uint8Array(24).fill(1),
      new Uint8Array(26).fill(1),
      new Uint8Array(1 << 16).fill(1),
      new Uint8Array(25),
      Uint8Array.from([...new Uint8Array(16), ...context.subarray(16)]),
      Uint8Array.from([...id, ...new Uint8Array(8), 1]),
    ])
      assert.deepEqual(
        decodeShardRequest(encodeCbor({ ...request, trace })),
        REQUESTS['have'],
        String(trace),
      )
    const flags = Uint8Array.from([...context.subarray(0, 24), 0xfe])
    const { trace } = decodeShardRequest(encodeCbor({ ...request, trace: flags }))
    assert.equal(trace?.isSampled, false, 'flags that are not known mean nothing')
  })

  test('of a later version are unsupported', () => {
    assert.throws(() => decodeShardRequest(encodeCbor({ v: 2 })), { code: 'unsupported' })
    assert.throws(() => decodeShardReply(encodeCbor({ v: 2 })), { code: 'unsupported' })
  })

  test('carry only codes that the other side may act on, and short texts', () => {
    const reply = (code: ErrorCode): ShardReply =>
      decodeShardReply(encodeShardReply({ kind: 'error', code, message: 'm'.repeat(1000) }))
    assert.deepEqual(reply('ENOSPC'), { kind: 'error', code: 'ENOSPC', message: 'm'.repeat(500) })
    assert.deepEqual(reply('fork'), { kind: 'error', code: 'internal', message: 'm'.repeat(500) })
  })
})

describe('bounds of shard messages', () => {
  const put = { v: 1, op: 'put', vol: fromHex(volume), header: SEALED, index: 0, length: 64 }
  const get = { v: 1, op: 'get', vol: fromHex(volume), stripe: stripeIdBytes(stripe), index: 0 }
  const ok = { v: 1, ok: true, length: 0, indices: [], proof: [] }

  for (const [what, bad] of [
    ['an empty map', {}],
    ['an unknown op', { ...put, op: 'burn' }],
    ['a short volume id', { ...put, vol: SEALED }],
    ['a header that is too long', { ...put, header: new Uint8Array(STRIPE_HEADER_MAX + 1) }],
    ['a shard that is too long', { ...put, length: SHARD_MAX + 1 }],
    ['an empty shard', { ...put, length: 0 }],
    ['an index beyond any stripe', { ...put, index: 48 }],
    ['a fraction', { ...put, index: 0.5 }],
    ['no range', { ...get, offset: 0, proof: false }],
    ['an empty range', { ...get, offset: 0, length: 0, proof: false }],
    ['an offset before the shard', { ...get, offset: -1, length: 1, proof: false }],
    ['the id of a chunk for a stripe', { ...get, op: 'have', stripe: chunkIdBytes(CHUNK) }],
  ] as const) {
    test(`a request with ${what} is malformed`, () => {
      assert.throws(() => decodeShardRequest(encodeCbor(bad)), { code: 'malformed' })
    })
  }

  for (const [what, bad] of [
    ['an empty map', {}],
    ['more payload than any shard has', { ...ok, length: SHARD_MAX + 1 }],
    ['an index beyond any stripe', { ...ok, indices: [48] }],
    ['too many indices', { ...ok, indices: Array.from({ length: 49 }, () => 1) }],
    ['a short hash', { ...ok, proof: [SEALED] }],
    ['too many hashes', { ...ok, proof: Array.from({ length: 65 }, () => blake3(SEALED)) }],
    ['an error without a code', { v: 1, ok: false, message: '' }],
  ] as const) {
    test(`a reply with ${what} is malformed`, () => {
      assert.throws(() => decodeShardReply(encodeCbor(bad)), { code: 'malformed' })
    })
  }

  test('any bytes are a message or malformed', () => {
    const message = fc.constantFrom(
      ...Object.values(REQUESTS).map(encodeShardRequest),
      ...Object.values(REPLIES).map(encodeShardReply),
    )
    const damaged = fc
      .tuple(message, fc.nat(), fc.nat(255))
      .map(([bytes, at, byte]) =>
        Uint8Array.from(bytes).fill(byte, at % bytes.length, (at % bytes.length) + 1),
      )
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array()), (bytes) => {
        for (const decode of [decodeShardRequest, decodeShardReply]) {
          try {
            decode(bytes)
          } catch (error) {
            assert.ok(error instanceof ShoalError)
            assert.ok(['malformed', 'unsupported'].includes(error.code))
          }
        }
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

function encoded(request: ShardRequest | undefined): Uint8Array {
  assert.ok(request !== undefined)
  return encodeShardRequest(request)
}

function encodedReply(reply: ShardReply | undefined): Uint8Array {
  assert.ok(reply !== undefined)
  return encodeShardReply(reply)
}

function hexOf<Message>(
  messages: Readonly<Record<string, Message>>,
  encode: (message: Message) => Uint8Array,
): Record<string, string> {
  const hex = Object.entries(messages).map(([name, message]) => [name, toHex(encode(message))])
  return Object.fromEntries(hex) as Record<string, string>
}

/**
 * Blocks ```hex NAME of the document: spaces, line ends and everything behind a # are for the
 * reader.
 */
function workedExample(): Record<string, string> {
  const path = join(import.meta.dirname, '../../docs/formats/shard-protocol.md')
  const blocks = readFileSync(path, 'utf8').matchAll(/^```hex (\S+)\n([^`]*)```/gm)
  return Object.fromEntries(
    Array.from(blocks, ([, name = '', body = '']) => [name, body.replace(/#.*|\s/g, '')]),
  )
}
