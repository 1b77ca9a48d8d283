// Provider records in the DHT. The key of a CID there is the SHA2-256 multihash of the CID's bytes:
// peers of kad-dht read a key as a CID, and of all multihashes only SHA2-256 is one (a CIDv0); and
// those who only pass records on don't learn ids. What a peer announces is believed of itself
// alone, and lasts two days; to announce it again is for who announces. Peers ask for peers and
// providers, and announce what they have; values, which kad-dht would keep for anybody, nobody puts
// here.
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { sha256 } from '../../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_SHA2_256 } from '../../../protocol/ids.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { TICKET_ADDRESSES_MAX } from '../../../protocol/limits.ts'
import { unreachable } from './dial.ts'
import type { ContentRouting } from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { DhtParts } from './internals.ts'

/**
 * The cost of each message: to look peers up, or to write down a provider, takes about a
 * millisecond.
 */
const MESSAGE_BYTES = 16 * 1024
const SERVED: ReadonlySet<string> = new Set(['FIND_NODE', 'GET_PROVIDERS', 'ADD_PROVIDER', 'PING'])

/** Let others make the DHT of this node do no more than it is there for. */
export function guardDht(dht: DhtParts, onTraffic: (peer: PeerId, bytes: number) => void): void {
  const { handleMessage } = dht
  dht.handleMessage = async (from, message) => {
    onTraffic(from.toString() as PeerId, MESSAGE_BYTES)
    if (!SERVED.has(message.type))
      throw new ShoalError('unsupported', `the DHT of this node does no ${message.type}`)
    message.providers = message.providers.slice(0, 1).map((provider) => ({
      ...provider,
      multiaddrs: provider.multiaddrs.slice(0, TICKET_ADDRESSES_MAX),
    }))
    return handleMessage.call(dht, from, message)
  }
}

/** Announce that this node has `cid`. throws ShoalError 'unreachable', or what `signal` says. */
export async function provide(
  routing: ContentRouting,
  cid: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  try {
    await routing.provide(dhtKey(cid), { signal })
  } catch (cause) {
    throw unreachable('the DHT', cause, signal)
  }
}

/**
 * Announce it no more, and be none of its providers by our own records. Other peers have theirs for
 * up to two days.
 */
export async function unprovide(routing: ContentRouting, cid: Uint8Array): Promise<void> {
  await routing.cancelReprovide(dhtKey(cid))
}

/** Peers that announced `cid`, each once, as they are found. throws as provide(). */
export async function* findProviders(
  routing: ContentRouting,
  cid: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<PeerId> {
  // Its own signal, so that a caller who has enough also ends the queries under way.
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  const found = new Set<string>()
  try {
    for await (const { id } of routing.findProviders(dhtKey(cid), { signal: either })) {
      const peer = id.toString()
      if (found.has(peer)) continue
      found.add(peer)
      yield peer as PeerId
    }
  } catch (cause) {
    throw unreachable('the DHT', cause, signal)
  } finally {
    done.abort()
  }
}

function dhtKey(cid: Uint8Array): CID {
  return CID.createV1(CODEC_RAW, createDigest(MULTIHASH_SHA2_256, sha256(cid)))
}
