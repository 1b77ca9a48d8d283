// `shoal peer ls|add|rm|info|rename|ping`: the other nodes.
import { setTimeout as sleep } from 'node:timers/promises'
import colors from 'picocolors'
import { isNode } from '../../protocol/roles.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import { ofVolumeOption, parseCount } from '../arguments.ts'
import { agree } from '../confirm.ts'
import { count, formatDuration, formatTime, printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { MemberStatus } from '../../node/control/peers.ts'
import type { PeerStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

/** The end of an id names a peer as well as all of it, unless there is another such. */
const ID_END_LENGTH = 8

const LOOK_EVERY_MS: number = SECOND_MS

const REMOVE_HELP = `
An online peer first moves its shards to the others, so that nothing has to be
rebuilt. This may take long; Ctrl-C stops it, and the peer stays a member. An
offline peer cannot move its shards: remove it with --now.

At a terminal it says whom it removes, and asks. A name that two members have
removes nobody: give the id, or its last 8 characters.

Example:
  shoal peer rm old-laptop`

const RENAME_HELP = `
All members see the new name. A node may rename itself, an admin any member. The
name stands until "name" in the config.yaml of that node changes.

Example:
  shoal peer rename vm-2 workshop`

interface RemoveOptions {
  readonly volume?: string
  readonly now?: boolean
  readonly yes?: boolean
}

export function addPeer(program: Command, context: Context): void {
  const peer = program
    .command('peer')
    .description('list, add, remove and ping other nodes')
    .addHelpText('after', '\nExample:\n  shoal peer ls')
  peer
    .command('ls')
    .description('list known peers')
    .addHelpText('after', '\nExample:\n  shoal peer ls')
    .action(async () => {
      const peers = await context.client.listPeers()
      context.print(peers, () => peerTable(peers, context))
    })
  peer
    .command('add <address>')
    .description('connect to a peer at a multiaddr and save its address')
    .addHelpText('after', '\nExample:\n  shoal peer add /ip4/192.168.1.7/tcp/24100')
    .action(async (address: string) => {
      const added = await context.client.addPeer(address)
      context.print(added, () => `Connected to ${printable(added.name)} (${added.id})`)
    })
  peer
    .command('rm <peer>')
    .description('remove a peer from a volume after moving its shards to other peers')
    .addOption(ofVolumeOption())
    .option('--now', 'remove at once; the remaining peers rebuild its shards where possible')
    .option('-y, --yes', 'remove without asking')
    .addHelpText('after', REMOVE_HELP)
    .action((name: string, options: RemoveOptions) => remove(context, name, options))
  peer
    .command('info <peer>')
    .description('show details of a peer')
    .addHelpText('after', '\nExample:\n  shoal peer info shelf')
    .action(async (name: string) => {
      const info = await context.client.peerInfo(name)
      context.print(info, () => describe(info, context))
    })
  addRename(peer, context)
  addPing(peer, context)
}

function addRename(peer: Command, context: Context): void {
  peer
    .command('rename <peer> <name>')
    .description('give a member of a volume, or this node, another name there')
    .addOption(ofVolumeOption())
    .addHelpText('after', RENAME_HELP)
    .action(async (text: string, name: string, { volume }: { readonly volume?: string }) => {
      const { id, name: before, ...member } = await context.client.memberInfo(text, { volume })
      const renamed = await context.client.renamePeer(id, name, { volume: member.volume })
      context.print(
        { id, before, name: renamed.name, volume: member.volume },
        () =>
          `Renamed ${printable(before)} (${id}) to ${printable(renamed.name)} in volume "${printable(member.volume)}"`,
      )
    })
}

async function remove(
  context: Context,
  text: string,
  { volume: wanted, now, yes }: RemoveOptions,
): Promise<void> {
  const { client } = context
  const member = await client.memberInfo(text, { volume: wanted })
  const { id, name, role, volume, shards, shardBytes } = member
  const how = now === true ? ' at once' : ''
  const question = `Remove ${memberText(member)} from volume "${printable(volume)}"${how}?`
  await agree(context, question, { yes, otherwise: `${printable(name)} stays a member` })
  // By its id: the one that was shown, whatever it is called by now.
  await followDrain(context, member, client.removePeer(id, { volume, now }))
  context.print(
    { removed: name, id, role, volume, shards, shardBytes },
    () => `Removed ${memberText(member)} from volume "${printable(volume)}"`,
  )
}

/** A member with all that tells it from others of its name. */
function memberText({ name, id, role, lastSeenMs, shards, shardBytes }: MemberStatus): string {
  const facts = isNode(role)
    ? [
        lastSeenMs === undefined ? 'never seen' : `seen ${seenText({ lastSeenMs })}`,
        heldText(shards, shardBytes),
      ]
    : ['a recovery key']
  return `${printable(name)} (${[id, role, ...facts].join(', ')})`
}

function heldText(shards: number, bytes: number): string {
  return shards === 0 ? 'no shards' : `${count(shards, 'shard')} of ${formatBytes(bytes)}`
}

/** Tell how many shards a peer still has, until it is removed. throws what the removal throws. */
async function followDrain(
  context: Context,
  { id, name, volume }: MemberStatus,
  removal: Promise<void>,
): Promise<void> {
  const isDone = removal.then(() => true)
  let told = 0
  while (!(await Promise.race([isDone, sleep(LOOK_EVERY_MS, false)]))) {
    const { shards } = await context.client.memberInfo(id, { volume }).catch(() => ({ shards: 0 }))
    if (shards !== told && shards > 0)
      context.tell(`${printable(name)} has ${count(shards, 'shard')} left`)
    told = shards
  }
}

function addPing(peer: Command, context: Context): void {
  peer
    .command('ping <peer>')
    .description('measure the round-trip time to a peer')
    .option('--count <n>', 'number of pings', parseCount, 3)
    .addHelpText('after', '\nExample:\n  shoal peer ping shelf')
    .action(async (name: string, options: { count: number }) => {
      const roundTripsMs: number[] = []
      for (let i = 0; i < options.count; i++) {
        const roundTripMs = await context.client.pingPeer(name)
        roundTripsMs.push(roundTripMs)
        if (!context.json) context.stdout.write(`${name}: ${roundTripMs.toFixed(2)} ms\n`)
      }
      context.print({ peer: name, roundTripsMs }, () => '')
    })
}

/** Also part of `shoal status`. */
export function peerTable(peers: readonly PeerStatus[], { columns }: Context): string {
  if (peers.length === 0) return 'No peers yet. Invite one with "shoal invite".'
  const head = ['Name', 'State', 'Seen', 'Zone', 'Free', 'Shards', 'Round trip', 'Member', 'Id']
  const rows = peers.map((peer) => [
    printable(peer.name),
    stateText(peer),
    seenText(peer),
    printable(peer.zone || '-'),
    spaceText(peer),
    shardsText(peer),
    roundTripText(peer),
    rolesOf(peer),
    peer.id.slice(-ID_END_LENGTH),
  ])
  return table([head.map(colors.dim), ...rows], columns)
}

function describe(peer: PeerStatus, { columns }: Context): string {
  const rows = [
    ['Name', printable(peer.name)],
    ['Id', peer.id],
    ['State', `${stateText(peer)}, ${peer.isConnected ? 'connected' : 'no connection'}`],
    ...(peer.limited === undefined ? [] : [['Cut off', `too much of ${peer.limited.words}`]]),
    ['Last seen', peer.lastSeenMs === undefined ? 'never' : formatTime(peer.lastSeenMs)],
    ['Zone', printable(peer.zone || '-')],
    ['Volumes', rolesOf(peer)],
    ['Free', spaceText(peer)],
    ...(peer.usedBytes === undefined
      ? []
      : [['Takes', `${formatBytes(peer.usedBytes)} on its disk, of all its volumes`]]),
    ['Shards', shardsText(peer)],
    ['Round trip', roundTripText(peer)],
    ['Security log', securityLogText(peer)],
    ...peer.addresses.map((address) => ['Address', printable(address)]),
  ]
  return table(rows, columns)
}

const STATE_COLORS = { online: colors.green, late: colors.yellow, gone: colors.red } as const

function stateText({ state, goneInMs, limited }: PeerStatus): string {
  const shown = STATE_COLORS[state](state)
  if (limited !== undefined) return `${shown}, cut off for ${formatDuration(limited.forMs)}`
  return goneInMs === undefined ? shown : `${shown}, gone in ${formatDuration(goneInMs)}`
}

function seenText({ lastSeenMs }: Pick<PeerStatus, 'lastSeenMs'>): string {
  if (lastSeenMs === undefined) return 'never'
  return `${formatDuration(Math.max(0, Date.now() - lastSeenMs))} ago`
}

function spaceText({ freeBytes, capacityBytes }: PeerStatus): string {
  const free = freeBytes === undefined ? '?' : formatBytes(freeBytes)
  return capacityBytes === undefined ? free : `${free} of ${formatBytes(capacityBytes)}`
}

function shardsText({ shards, shardBytes }: PeerStatus): string {
  return shards === 0 ? '-' : `${shards} (${formatBytes(shardBytes)})`
}

function roundTripText({ roundTripMs }: PeerStatus): string {
  return roundTripMs === undefined ? '-' : `${roundTripMs.toFixed(1)} ms`
}

function securityLogText({ securityLog: held }: PeerStatus): string {
  if (held === undefined) return 'nothing told yet'
  const now = `event ${held.number}, told ${formatTime(held.heardMs)}`
  if (held.back === undefined) return now
  const { number, atMs } = held.back
  return `${now}; ${colors.red(`went back from event ${number} on ${formatTime(atMs)}`)}`
}

function rolesOf(peer: PeerStatus): string {
  const roles = peer.volumes.map(({ name, role }) => `${role} of ${printable(name)}`)
  return roles.length === 0 ? 'not a member' : roles.join(', ')
}
