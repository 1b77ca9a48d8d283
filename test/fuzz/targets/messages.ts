// Decoders of messages between peers.
import { concatBytes } from '../../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { sealOnce } from '../../../protocol/cipher.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { deriveKey } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { decodeCheckpointMessage } from '../../../protocol/wire/checkpoint.ts'
import { openGossip } from '../../../protocol/wire/gossip.ts'
import {
  decodeBulkReply,
  decodeBulkRequest,
  encodeBulkReply,
  encodeBulkRequest,
} from '../../../protocol/wire/bulk.ts'
import { BulkConnection } from '../../../node/world/bulk/connection.ts'
import { InFlight } from '../../../node/world/in-flight.ts'
import { decodeJoinReply, decodeJoinRequest } from '../../../protocol/wire/join.ts'
import { decodeLockAnswer, decodeLockRequest } from '../../../protocol/wire/lock.ts'
import { decodeLogMessage } from '../../../protocol/wire/log.ts'
import { decodeShardReply, decodeShardRequest } from '../../../protocol/wire/shard.ts'
import { decodeStrongAnswer, decodeStrongRequest } from '../../../protocol/wire/strong.ts'
import { KEY, VOLUME, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'
import type { Pipe } from '../../../node/world/bulk/tls-pipe.ts'
import type { Channel } from '../../../node/world/world.ts'

const ALICE = identityFromSeed(new Uint8Array(32).fill(0x11))

/** A message of gossip, signed if it is a beacon, and sealed with the key of all members. */
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

/** Records that come on a bulk connection: a lane that takes what it is sent, or whatever else. */
function takeRecords(input: Uint8Array): void {
  let ended: Error | undefined
  let take: ((bytes: Buffer, end: number) => void) | undefined
  const pipe: Pipe = {
    listen(onBytes) {
      take = onBytes
    },
    write(_bytes, done) {
      done?.()
    },
    destroy(error) {
      ended ??= error
    },
  }
  const signal = new AbortController().signal
  const serve = (channel: Channel): void => {
    const into = new Uint8Array(64)
    channel.receiveInto(into, { signal }).then(
      () => channel.receive({ signal }).catch(() => undefined),
      () => undefined,
    )
  }
  const connection = new BulkConnection(pipe, {
    peer: ALICE.peer,
    isDialler: false,
    secret: KEY.slice(0, 16),
    inFlight: new InFlight(),
    handlerOf: () => ({ serve, frameMax: 1024 }),
    onTraffic: () => undefined,
    onIdle: () => undefined,
    onEnd: () => undefined,
  })
  const bytes = Buffer.from(input)
  take?.(HELLO, HELLO.length)
  for (let at = 0; at < bytes.length && ended === undefined; at += 100) {
    const part = bytes.subarray(at, at + 100)
    take?.(part, part.length)
  }
  connection.end(new ShoalError('stopped', 'the input is at its end'))
  if (ended !== undefined && !hasCode(ended, 'stopped')) throw ended
}

const HELLO = Buffer.concat([Buffer.from('000000000000000000000010', 'hex'), KEY.slice(0, 16)])
/** A lane of "/a", 4 + 64 bytes on it, its end. */
const RECORDS = Buffer.concat([
  Buffer.from('0000000100000001000000022f61', 'hex'),
  Buffer.from('00000002000000010000004400000040', 'hex'),
  new Uint8Array(64),
  Buffer.from('000000040000000100000000', 'hex'),
])

export const messageTargets: readonly Target[] = [
  { name: 'bulk-records', run: takeRecords, honest: () => [RECORDS] },
  {
    name: 'bulk-request',
    run: decodeBulkRequest,
    honest: () => [encodeBulkRequest({ kind: 'dial', token: KEY })],
  },
  {
    name: 'bulk-reply',
    run: decodeBulkReply,
    honest: () => [encodeBulkReply({ kind: 'token', token: KEY })],
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
]
