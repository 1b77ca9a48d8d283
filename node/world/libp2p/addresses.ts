// Which addresses a node gives out, which of a peer's it dials, and which it tries first. The first
// and the last look at the network interfaces as they are now: a laptop moves.
import type { BlockList } from 'node:net'
import { isLinkLocal, isLoopback, isPrivate } from '@libp2p/utils'
import type { Address, PeerUpdate } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ownSubnets } from '../own-subnets.ts'

/** Addresses that a peer no longer says are its own, but that we were told of, kept at most. */
const KEPT_MAX = 8
const HOSTS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/** Without those that mean something to this machine alone, unless there are no others. */
export function worthAnnouncing(addresses: Multiaddr[]): Multiaddr[] {
  const reachable = addresses.filter((address) => !isLoopback(address) && !isLinkLocal(address))
  return reachable.length > 0 ? reachable : addresses
}

/**
 * An address of a machine. Members say where they are, and libp2p would dial a socket in the file
 * system too: nobody is to reach the programs behind those of this machine.
 */
export function isOfMachine(address: Multiaddr): boolean {
  const [host, transport] = address.getComponents().map(({ name }) => name)
  return host !== undefined && HOSTS.has(host) && transport === 'tcp'
}

/**
 * The order to dial in, for sort(): own subnets, public, other private ones, loopback; certified by
 * the peer first. libp2p tries one after the other, and an address that swallows packets costs
 * seconds.
 */
export function nearestFirst(a: Address, b: Address): -1 | 0 | 1 {
  const own = ownSubnets()
  const order = distance(a, own) - distance(b, own) || Number(b.isCertified) - Number(a.isCertified)
  return order < 0 ? -1 : order > 0 ? 1 : 0
}

/**
 * Addresses that an update of the peer store dropped and should not have. identify replaces the
 * addresses of a peer by those the peer knows of itself, and it may not know the one that its
 * router forwards.
 */
export function wronglyDropped({ peer, previous }: PeerUpdate): Multiaddr[] {
  const kept = new Set(peer.addresses.map(({ multiaddr }) => multiaddr.toString()))
  const learned = (previous?.addresses ?? []).filter(({ isCertified }) => !isCertified)
  return learned
    .map(({ multiaddr }) => multiaddr)
    .filter((address) => !kept.has(address.toString()))
    .slice(0, KEPT_MAX)
}

function distance({ multiaddr }: Address, own: BlockList): number {
  if (isLoopback(multiaddr)) return 3
  const [host] = multiaddr.getComponents()
  const family = host?.name === 'ip6' ? 'ipv6' : 'ipv4'
  if (host?.value !== undefined && own.check(host.value, family)) return 0
  return isPrivate(multiaddr) ? 2 : 1
}
