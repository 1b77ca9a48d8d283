// Every decoder of bytes from peers, tiers, archives, the kernel and clients, by name. Where a hash, a seal or a signature is
// around what is decoded, the target makes it right: a member who lies can.
import { zstdCompressSync } from 'node:zlib'
import { concatBytes, utf8 } from '../../protocol/bytes.ts'
import {
  decodeCarHeader,
  decodeCarV2Header,
  decodeCid,
  decodeVarint,
} from '../../protocol/car/car.ts'
import { decodeEntry as decodeListed, decodeRoot } from '../../protocol/car/sealed-tree.ts'
import { decodeUnixfs } from '../../protocol/car/unixfs.ts'
import { Fields, decodeCanonicalCbor, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeManifestNode } from '../../protocol/chunk/manifest.ts'
import { openChunk } from '../../protocol/chunk/seal.ts'
import { sealOnce } from '../../protocol/cipher.ts'
import { parseSession } from '../../protocol/clock/session.ts'
import { decodeTier } from '../../protocol/cold/definition.ts'
import { openPart, sealPart } from '../../protocol/cold/backup.ts'
import { openHead } from '../../protocol/cold/head.ts'
import { HEAD_KEYS, HEAD_VOLUME, headThatSays } from './heads.ts'
import { zstdCompress, zstdDecompress } from '../../protocol/compress.ts'
import { blake3, deriveKey } from '../../protocol/hash.ts'
import { chunkIdFromCid, encodeCid, fromBase32, toBase32 } from '../../protocol/ids.ts'
import type { EntryHash, VolumeId } from '../../protocol/ids.ts'
import { BATCH_PLAIN_MAX } from '../../protocol/limits.ts'
import { decodeBatch } from '../../protocol/log/batch.ts'
import { decodeEntry, decodeKnownEntry } from '../../protocol/log/entry.ts'
import { decodeFork } from '../../protocol/log/fork.ts'
import { decodeNode } from '../../protocol/prolly/node.ts'
import { decodeGenesis } from '../../protocol/membership/genesis.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { parseTicket } from '../../protocol/membership/ticket.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { decodeOp } from '../../protocol/op/codec.ts'
import { decodeCheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import { openGossip } from '../../protocol/wire/gossip.ts'
import { decodeJoinReply, decodeJoinRequest } from '../../protocol/wire/join.ts'
import { decodeLockAnswer, decodeLockRequest } from '../../protocol/wire/lock.ts'
import { decodeLogMessage } from '../../protocol/wire/log.ts'
import { decodeShardReply, decodeShardRequest } from '../../protocol/wire/shard.ts'
import { decodeStrongAnswer, decodeStrongRequest } from '../../protocol/wire/strong.ts'
import { batches, vectors } from './honest.ts'
import type { Target } from './watch.ts'

const VOLUME = '4d'.repeat(32) as VolumeId
const KEY = new Uint8Array(32).fill(7)
const ALICE = identityFromSeed(new Uint8Array(32).fill(0x11))
const read = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** A plain message of gossip, signed if it is a beacon, sealed with the key that all members have. */
function sealedGossip(plain: Uint8Array): Uint8Array {
  const message = signedBeacon(plain) ?? plain
  const key = deriveKey('shoal 2026 gossip v1', concatBytes([KEY, KEY]))
  return encodeCbor([1, KEY, sealOnce(key, message, KEY)])
}

function signedBeacon(plain: Uint8Array): Uint8Array | undefined {
  try {
    const f = new Fields(decodeCbor(plain, 'gossip'), 'gossip')
    const body = f.bytes('b', 20_000)
    const signed = concatBytes([Buffer.from(VOLUME, 'hex'), body])
    return encodeCbor({ t: 'beacon', b: body, s: ALICE.sign('shoal/beacon/1', signed) })
  } catch {
    return undefined
  }
}

/** An entry with this header, and a body as long and with the hash that it says, as far as that can be. */
function withHeader(header: Uint8Array): Uint8Array {
  const body = Uint8Array.of(1, 2, 3)
  let fitting = header
  try {
    const fields = decodeCbor(header, 'header', 5000) as unknown[]
    if (Array.isArray(fields) && fields.length > 10)
      fitting = encodeCbor(fields.with(9, body.length).with(10, blake3(body)))
  } catch {
    // As it is.
  }
  return encodeCbor([fitting, new Uint8Array(64), body])
}

const frames = (): Uint8Array[] => {
  const plain = Buffer.alloc(3000, 'what is written down stays')
  return [zstdCompress(plain), zstdCompressSync(plain), ...vectors('batch', 'clear')]
}

const recoveryKey = (): Uint8Array[] => {
  const [genesis = KEY] = vectors('genesis', 'bytes')
  return [utf8(formatRecoveryKey({ name: 'paper', genesis, seed: KEY, secrets: [[1, KEY]] }))]
}

export const protocolTargets: readonly Target[] = [
  {
    name: 'cbor',
    run: (input) => decodeCbor(input, 'fuzz'),
    honest: () => [...vectors('log-message'), ...vectors('ops'), ...batches()],
  },
  {
    name: 'canonical-cbor',
    run: (input) => decodeCanonicalCbor(input, 'fuzz'),
    honest: () => [...vectors('entry'), ...batches()],
  },
  { name: 'zstd', run: (input) => zstdDecompress(input, BATCH_PLAIN_MAX), honest: frames },
  { name: 'batch-frame', run: decodeBatch, honest: frames },
  { name: 'batch', run: (input) => decodeBatch(zstdCompress(input)), honest: batches },
  {
    name: 'op',
    run: (input) => decodeOp(decodeCbor(input, 'op')),
    honest: () => vectors('ops'),
  },
  {
    name: 'entry',
    run: decodeEntry,
    honest: () => [...vectors('entry', 'first.entry'), ...vectors('entry', 'second.entry')],
  },
  {
    name: 'entry-header',
    run: (input) => {
      decodeKnownEntry(withHeader(input), '' as EntryHash)
      return decodeEntry(withHeader(input))
    },
    honest: () => [...vectors('entry', 'first.header'), ...vectors('entry', 'second.header')],
  },
  { name: 'log-message', run: decodeLogMessage, honest: () => vectors('log-message') },
  {
    name: 'gossip',
    run: (input) => openGossip(sealedGossip(input), VOLUME, () => [KEY]),
    honest: () => ['named', 'whole', 'beacon'].flatMap((key) => vectors('gossip', `${key}.plain`)),
  },
  {
    name: 'gossip-frame',
    run: (input) => openGossip(input, VOLUME, () => [KEY]),
    honest: () => vectors('gossip'),
  },
  { name: 'join-request', run: decodeJoinRequest, honest: () => vectors('join', 'request') },
  {
    name: 'join-reply',
    run: decodeJoinReply,
    honest: () => [...vectors('join', 'admitted'), ...vectors('join', 'refused')],
  },
  {
    name: 'checkpoint-message',
    run: decodeCheckpointMessage,
    honest: () => [encodeCbor({ t: 'get', vol: KEY }), encodeCbor({ t: 'nodes', n: [KEY, null] })],
  },
  {
    name: 'shard-request',
    run: decodeShardRequest,
    honest: () => vectors('shard-protocol', 'requests'),
  },
  {
    name: 'shard-reply',
    run: decodeShardReply,
    honest: () => vectors('shard-protocol', 'replies'),
  },
  {
    name: 'strong-request',
    run: decodeStrongRequest,
    honest: () => ['query', 'prepare', 'accept'].flatMap((key) => vectors('strong', key)),
  },
  {
    name: 'strong-answer',
    run: decodeStrongAnswer,
    honest: () =>
      ['empty', 'state', 'yes', 'refused', 'error'].flatMap((key) => vectors('strong', key)),
  },
  { name: 'lock-request', run: decodeLockRequest, honest: () => vectors('locks') },
  { name: 'lock-answer', run: decodeLockAnswer, honest: () => vectors('locks') },
  {
    name: 'fork',
    run: decodeFork,
    honest: () =>
      vectors('log-message', 'hello').map((hello) => {
        const [fork] = new Fields(decodeCbor(hello, 'hello'), 'hello').list('fk', 9)
        return fork as Uint8Array
      }),
  },
  {
    name: 'prolly-node',
    run: decodeNode,
    honest: () => [...vectors('checkpoint', 'leaf'), ...vectors('checkpoint', 'inner')],
  },
  { name: 'genesis', run: decodeGenesis, honest: () => vectors('genesis', 'bytes') },
  {
    name: 'ticket',
    run: (input) => parseTicket(`shoal1${toBase32(input)}`),
    honest: () => vectors('ticket', 'cbor'),
    codes: ['ticket-malformed', 'unsupported'],
  },
  {
    name: 'session',
    run: (input) => parseSession(`shoals1${toBase32(input)}`),
    honest: () => vectors('session', 'cbor'),
    codes: ['usage', 'unsupported'],
  },
  {
    name: 'base32',
    run: (input) => fromBase32(Buffer.from(input).toString('latin1')),
    honest: () => [utf8('mfrggzdfmztwq')],
  },
  { name: 'recovery-key', run: (input) => parseRecoveryKey(read(input)), honest: recoveryKey },
  { name: 'stripe-header', run: decodeStripeHeader, honest: () => vectors('stripe', 'header') },
  {
    name: 'manifest-node',
    run: decodeManifestNode,
    honest: () => ['leaf', 'inner', 'innerWithHole'].flatMap((key) => vectors('manifest', key)),
  },
  {
    name: 'shard-proof',
    // Its length, the first leaf, hashes, then leaves.
    run: (input) => {
      const view = new DataView(input.slice(0, 9).buffer)
      const [length, first, count] =
        input.length < 9 ? [0, 0, 0] : [view.getUint32(0), view.getUint32(4), view.getUint8(8)]
      const proof = Array.from({ length: count }, (_, n) => input.subarray(9 + 32 * n, 41 + 32 * n))
      return verifyShardRange(KEY, length, first, input.subarray(9 + 32 * count), proof)
    },
    honest: () => [new Uint8Array(66_000)],
  },
  {
    name: 'sealed-chunk',
    run: (input) => {
      const id = chunkIdFromCid(encodeCid(0x55, 0x1e, blake3(input)))
      const keys = { volume: VOLUME, chunkSecret: KEY, epoch: 1, hash: 'blake3' } as const
      return openChunk(keys, { id, plainHash: KEY, length: 12, codec: 1, epoch: 1 }, input)
    },
    honest: () => vectors('chunk-sealing').slice(0, 40),
    codes: ['malformed', 'unsupported', 'corrupt', 'contradiction'],
  },
  {
    name: 'backup-head',
    run: (input) => openHead(HEAD_VOLUME, input, HEAD_KEYS),
    honest: () => vectors('backup-head', 'bytes'),
    codes: ['malformed', 'unsupported', 'corrupt', 'EACCES', 'bad-signature'],
    // It tries up to MEMBERS_MAX boxes, half a ms each.
    cpuMsMax: 6000,
  },
  {
    name: 'backup-head-said',
    run: (input) => openHead(HEAD_VOLUME, headThatSays(input), HEAD_KEYS),
    honest: () => vectors('backup-head', 'said'),
    codes: ['malformed', 'unsupported', 'corrupt', 'bad-signature'],
  },
  {
    name: 'backup-part',
    run: (input) => {
      const { sealed, ...part } = sealPart(VOLUME, [], KEY)
      const box = sealOnce(KEY, input, Buffer.from(VOLUME, 'hex'))
      const id = Buffer.from(blake3(box)).toString('hex')
      openPart(VOLUME, part, sealed)
      return openPart(VOLUME, { ...part, id }, box)
    },
    honest: () => [encodeCbor([KEY, KEY])],
  },
  {
    name: 'tier-definition',
    run: (input) => decodeTier(read(input)),
    honest: () => [
      utf8('{"url":"s3://bucket/prefix","endpoint":"http://nas:9000","region":"eu"}'),
      utf8('{"url":"rclone:drive:shoal"}'),
      utf8('{"url":"dir:/attic"}'),
    ],
  },
  {
    name: 'car-header',
    run: decodeCarHeader,
    honest: () => [encodeCbor({ roots: [], version: 1 })],
  },
  {
    name: 'car-parts',
    run: (input) => {
      if (input.length >= 40) decodeCarV2Header(input)
      decodeVarint(input)
      return decodeCid(input)
    },
    honest: () => vectors('pack', 'bytes'),
  },
  {
    name: 'unixfs',
    run: (input) => decodeUnixfs(decodeCid(encodeCid(0x70 as 0x55, 0x12, KEY)), input),
    honest: () => [Uint8Array.from(Buffer.from('0a0808011202686918021802', 'hex'))],
    codes: ['malformed', 'unsupported', 'corrupt', 'EINVAL', 'ENAMETOOLONG'],
  },
  { name: 'sealed-root', run: decodeRoot, honest: () => vectors('sealed-tree', 'root') },
  {
    name: 'sealed-entry',
    run: decodeListed,
    honest: () => vectors('sealed-tree', 'entries'),
    codes: ['malformed', 'unsupported', 'EINVAL', 'ENAMETOOLONG'],
  },
]
