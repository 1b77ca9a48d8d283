// Decoders of messages between peers.
import { concatBytes } from '../../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { sealOnce } from '../../../protocol/cipher.ts'
import { deriveKey } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { decodeCheckpointMessage } from '../../../protocol/wire/checkpoint.ts'
import { openGossip } from '../../../protocol/wire/gossip.ts'
import { decodeJoinReply, decodeJoinRequest } from '../../../protocol/wire/join.ts'
import { decodeLockAnswer, decodeLockRequest } from '../../../protocol/wire/lock.ts'
import { decodeLogMessage } from '../../../protocol/wire/log.ts'
import { decodeShardReply, decodeShardRequest } from '../../../protocol/wire/shard.ts'
import { decodeStrongAnswer, decodeStrongRequest } from '../../../protocol/wire/strong.ts'
import { KEY, VOLUME, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

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

export const messageTargets: readonly Target[] = [
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
