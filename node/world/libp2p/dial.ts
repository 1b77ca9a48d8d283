// Dialling by address or by peer. A failure names each address that was tried and what was wrong
// with it.
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { parsePeerId } from '../../../protocol/ids.ts'
import type { Connection, DialTarget, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../../../protocol/ids.ts'

/**
 * Connect to a peer at its known addresses (or where the DHT says), or to the first of `target`
 * that answers.
 * throws ShoalError 'malformed' for text that is no address, 'unreachable' if nobody answers or it
 * is another peer.
 */
export async function dial(
  libp2p: Libp2p,
  target: PeerId | readonly string[],
  signal: AbortSignal,
): Promise<Connection> {
  if (typeof target === 'string') {
    return dialOne(libp2p, peerIdFromString(target), `peer ${target}`, signal)
  }
  const failures: ShoalError[] = []
  for (const [peer, addresses] of groupByPeer(target.map(parseAddress))) {
    const name = peer === '' ? addresses.join(', ') : `peer ${peer}`
    try {
      return await dialOne(libp2p, addresses, name, signal)
    } catch (error) {
      const failure = asShoalError(error)
      if (signal.aborted) throw failure
      failures.push(failure)
    }
  }
  const [only] = failures
  if (failures.length === 1 && only !== undefined) throw only
  const reasons = failures.map(({ message }) => message).join('; ')
  throw new ShoalError('unreachable', reasons === '' ? 'no address to dial' : reasons)
}

/** A multiaddr from text. throws ShoalError 'malformed'. */
export function parseAddress(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (cause) {
    const example = '/ip4/192.0.2.7/tcp/4001'
    throw new ShoalError('malformed', `"${text}" is not an address such as ${example}`, { cause })
  }
}

/**
 * An address of `peer` as libp2p stores it, without its end /p2p/<peer>. throws ShoalError
 * 'malformed' if it names another.
 */
export function withoutPeer(address: Multiaddr, peer: PeerId): Multiaddr {
  const last = address.getComponents().at(-1)
  if (last?.name !== 'p2p') return address
  if (last.value === peer) return address.decapsulate(`/p2p/${peer}`)
  throw new ShoalError('malformed', `${address.toString()} is not an address of ${peer}`)
}

/** The signal's reason if it aborted, else what went wrong with `what`. */
export function unreachable(what: string, cause: unknown, signal: AbortSignal): ShoalError {
  if (signal.aborted) return asShoalError(signal.reason)
  if (cause instanceof ShoalError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ShoalError('unreachable', `cannot use ${what}: ${reason}`, { cause })
}

/** libp2p takes a list of addresses only if all of them name one peer or none does. */
function groupByPeer(addresses: readonly Multiaddr[]): Map<string, Multiaddr[]> {
  return Map.groupBy(addresses, peerOf)
}

function peerOf(address: Multiaddr): string {
  const part = address.getComponents().findLast(({ name }) => name === 'p2p')
  return part?.value === undefined ? '' : parsePeerId(part.value)
}

async function dialOne(
  libp2p: Libp2p,
  target: DialTarget,
  name: string,
  signal: AbortSignal,
): Promise<Connection> {
  // In the order in which they are tried.
  const addresses: Multiaddr[] = []
  try {
    signal.throwIfAborted()
    return await libp2p.dial(target, {
      signal,
      onProgress: (event) => {
        if (event.type !== 'dial-queue:calculated-addresses') return
        addresses.push(...event.detail.map((address) => address.multiaddr))
      },
    })
  } catch (cause) {
    if (signal.aborted) throw asShoalError(signal.reason)
    throw new ShoalError('unreachable', `cannot reach ${name}: ${reason(cause, addresses)}`, {
      cause,
    })
  }
}

function reason(error: unknown, addresses: readonly Multiaddr[]): string {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error]
  const reasons = errors.map((each, i) => {
    const message = each instanceof Error ? each.message : String(each)
    const address = addresses[i]
    return address === undefined ? message : `${address.toString()}: ${message}`
  })
  return reasons.join('; ') || 'no address of it is known'
}
