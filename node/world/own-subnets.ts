// The networks that this machine is in now: a laptop moves.
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'

/** The subnets of its interfaces, but for loopback, as a list to check addresses against. */
export function ownSubnets(): BlockList {
  const subnets = new BlockList()
  for (const { cidr, internal } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
    const [net, bits] = cidr?.split('/') ?? []
    if (internal || net === undefined) continue
    subnets.addSubnet(net, Number(bits), net.includes(':') ? 'ipv6' : 'ipv4')
  }
  return subnets
}
