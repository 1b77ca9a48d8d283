// `shoal peer ls|add|rm|info|ping`: the other nodes.
import colors from 'picocolors'
import { parseCount } from '../arguments.ts'
import { formatBytes, formatTime, printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { PeerStatus } from '../../node/control/api.ts'
import type { Context } from '../context.ts'

export function addPeer(program: Command, context: Context): void {
  const peer = program
    .command('peer')
    .description('list, add, remove and probe other nodes')
    .addHelpText('after', '\nExample:\n  shoal peer ls')
  peer
    .command('ls')
    .description('list the peers this node knows')
    .addHelpText('after', '\nExample:\n  shoal peer ls')
    .action(async () => {
      const peers = await context.client.listPeers()
      context.print(peers, () => peerTable(peers))
    })
  peer
    .command('add <address>')
    .description('connect to a peer at a multiaddr and remember it')
    .addHelpText('after', '\nExample:\n  shoal peer add /ip4/192.168.1.7/tcp/24100')
    .action(async (address: string) => {
      const added = await context.client.addPeer(address)
      context.print(added, () => `Connected to ${printable(added.name)} (${added.id})`)
    })
  peer
    .command('rm <peer>')
    .description("take away a peer's membership of a volume")
    .option('--volume <name>', 'of which volume (default: the first this node had)')
    .addHelpText('after', '\nExample:\n  shoal peer rm old-laptop')
    .action(async (name: string, { volume }: { volume?: string }) => {
      await context.client.removePeer(name, { volume })
      context.print({ removed: name }, () => `Removed ${name}`)
    })
  peer
    .command('info <peer>')
    .description('show what is known of a peer')
    .addHelpText('after', '\nExample:\n  shoal peer info shelf')
    .action(async (name: string) => {
      const info = await context.client.peerInfo(name)
      context.print(info, () => describe(info))
    })
  addPing(peer, context)
}

function addPing(peer: Command, context: Context): void {
  peer
    .command('ping <peer>')
    .description('measure the round trip to a peer')
    .option('--count <n>', 'how often', parseCount, 3)
    .addHelpText('after', '\nExample:\n  shoal peer ping shelf')
    .action(async (name: string, options: { count: number }) => {
      const roundTripsMs: number[] = []
      for (let i = 0; i < options.count; i++) {
        const roundTripMs = await context.client.pingPeer(name)
        roundTripsMs.push(roundTripMs)
        if (!context.json) process.stdout.write(`${name}: ${roundTripMs.toFixed(2)} ms\n`)
      }
      context.print({ peer: name, roundTripsMs }, () => '')
    })
}

/** Also part of `shoal status`. */
export function peerTable(peers: readonly PeerStatus[]): string {
  if (peers.length === 0) return 'No peers yet. Invite one with "shoal invite".'
  const rows = peers.map((peer) => [
    printable(peer.name),
    peer.state === 'connected' ? colors.green('connected') : colors.yellow('away     '),
    rolesOf(peer),
    peer.id,
  ])
  return table(rows)
}

function describe(peer: PeerStatus): string {
  const rows = [
    ['Name', printable(peer.name)],
    ['Id', peer.id],
    ['State', peer.state],
    ['Zone', printable(peer.zone ?? '-')],
    ['Volumes', rolesOf(peer)],
    ['Last seen', peer.lastSeenMs === undefined ? '-' : formatTime(peer.lastSeenMs)],
    ['Round trip', peer.roundTripMs === undefined ? '-' : `${peer.roundTripMs.toFixed(2)} ms`],
    ['Free', peer.freeBytes === undefined ? '-' : formatBytes(peer.freeBytes)],
    ...peer.addresses.map((address) => ['Address', printable(address)]),
  ]
  return table(rows)
}

function rolesOf(peer: PeerStatus): string {
  const roles = peer.volumes.map(({ name, role }) => `${role} of ${name}`)
  return roles.length === 0 ? 'not a member' : roles.join(', ')
}
