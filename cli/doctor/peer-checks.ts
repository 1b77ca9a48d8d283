// The checks of one peer: why there is no connection to it. Each of its addresses is tried from
// here, as the node does, and what comes back says where it fails: at the name, the network, the
// machine, its port, or who answers there.
import { lookup } from 'node:dns/promises'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { isPrivate } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { asShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { formatDuration, formatTime } from '../output.ts'
import { ownSubnets } from '../../node/world/own-subnets.ts'
import { failure, ok, unknown, warning } from './finding.ts'
import type { Client } from '../../node/control/client.ts'
import type { NodeStatus, PeerStatus } from '../../node/control/status.ts'
import type { Finding } from './finding.ts'

const CONNECT_MS: number = 5 * SECOND_MS
const ADDRESSES_MAX = 16

export async function checkPeer(
  client: Client,
  status: NodeStatus,
  text: string,
): Promise<Finding[]> {
  const peer = await client.peerInfo(text)
  const findings = [...membership(peer), ...lastHeard(peer), ...clocks(status, peer)]
  findings.push(...(await connection(client, peer)))
  const addresses = peer.addresses.slice(0, ADDRESSES_MAX)
  if (addresses.length === 0) {
    const next = `"shoal peer add ADDRESS", with an address that "shoal status" shows on ${peer.name}`
    return [...findings, failure('addresses', `none of ${peer.name} is known here`, next)]
  }
  const tried = await Promise.all(addresses.map((address) => checkAddress(address)))
  return [...findings, ...tried, ...conclusion(peer, tried)]
}

function membership({ name, volumes, limited }: PeerStatus): Finding[] {
  const roles = volumes.map(({ name: volume, role }) => `${role} of ${volume}`)
  const findings =
    roles.length > 0
      ? [ok('member', `${name} is ${roles.join(', ')}`)]
      : [
          failure(
            'member',
            `${name} is a member of no volume of this node`,
            'invite it with "shoal invite", or see whether it was removed: "shoal events --security"',
          ),
        ]
  if (limited === undefined) return findings
  const forText = formatDuration(limited.forMs)
  const message = `not served for ${forText} more: ${limited.words}`
  return [...findings, warning('budget', message, `see what ${name} does so often`)]
}

function lastHeard({ name, lastSeenMs, state, goneInMs }: PeerStatus): Finding[] {
  if (state === 'online') return [ok('heard', `${name} is heard as usual`)]
  const when = lastSeenMs === undefined ? 'never' : `last on ${formatTime(lastSeenMs)}`
  const until = goneInMs === undefined ? '' : `; waited for ${formatDuration(goneInMs)} more`
  const next = `see whether ${name} is on, and "shoal status" there`
  return [warning('heard', `${when} (${state})${until}`, next)]
}

function clocks({ notices }: NodeStatus, { name }: PeerStatus): Finding[] {
  return notices
    .filter(({ kind, member, isSelf }) => kind === 'clock' && (isSelf || member === name))
    .map(({ aheadMs = 0, isSelf }) => {
      const by = formatDuration(Math.abs(aheadMs))
      const whose = isSelf ? 'of this machine' : `of ${name}`
      const way = aheadMs > 0 ? 'ahead' : 'behind'
      return warning('clock', `the one ${whose} is ${by} ${way}`, 'synchronize both with NTP')
    })
}

async function connection(
  client: Client,
  { id, name, isConnected }: PeerStatus,
): Promise<Finding[]> {
  try {
    const ms = await client.pingPeer(id)
    return [ok('connection', `${name} answers in ${ms.toFixed(1)} ms`)]
  } catch (error) {
    const { message } = asShoalError(error)
    const state = isConnected ? 'there is a connection, but no answer' : 'none'
    return [failure('connection', `${state}: ${message}`, 'see its addresses below')]
  }
}

/** Resolve and connect, as far as that goes; no byte is sent. */
export async function checkAddress(address: string): Promise<Finding> {
  const parsed = multiaddr(address)
  const [host, transport] = parsed.getComponents()
  const port = Number(transport?.value)
  if (host?.value === undefined || transport?.name !== 'tcp')
    return unknown(address, 'is none that a program can connect to by itself')
  let ip = host.value
  if (host.name.startsWith('dns')) {
    try {
      ip = (await lookup(host.value)).address
    } catch {
      // Whatever is wrong with it, there is no address.
      const next = 'correct the name at who announces it, or the name server of this machine'
      return failure(address, `the name ${host.value} is not known (DNS)`, next)
    }
  }
  const begin = performance.now()
  const code = await connectTo(ip, port)
  const ms = (performance.now() - begin).toFixed(1)
  return code === undefined
    ? ok(address, `something answers there, within ${ms} ms`)
    : refusal(address, isElsewhere(parsed, ip), code)
}

/** The code of what went wrong; undefined: it is connected. */
function connectTo(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS })
    const end = (code?: string): void => {
      socket.destroy()
      resolve(code)
    }
    socket.once('connect', () => end())
    socket.once('timeout', () => end('ETIMEDOUT'))
    socket.once('error', ({ code = 'failed' }: NodeJS.ErrnoException) => end(code))
  })
}

function isElsewhere(address: Multiaddr, ip: string): boolean {
  return isPrivate(address) && !ownSubnets().check(ip, ip.includes(':') ? 'ipv6' : 'ipv4')
}

/** isFar: of a private network that this machine is not in. */
function refusal(address: string, isFar: boolean, code: string): Finding {
  const elsewhere = isFar ? ', or this machine is in another network' : ''
  switch (code) {
    case 'ECONNREFUSED':
      return failure(
        address,
        'the machine is on, and nothing listens at that port',
        'start its node, or see which port it has ("shoal status" there)',
      )
    case 'ETIMEDOUT':
      return failure(
        address,
        `no answer within ${CONNECT_MS / SECOND_MS} s: a firewall drops it, or it is off${elsewhere}`,
        'let TCP to that port in (firewall of that machine, router), or announce another address',
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return failure(
        address,
        `there is no way to it (${code}): it is off${elsewhere}`,
        'see whether both machines are on the same network, or forward a port and "advertise" it',
      )
    default:
      return failure(address, `cannot be connected to (${code})`, 'see the network of this machine')
  }
}

function conclusion({ name, isConnected }: PeerStatus, tried: readonly Finding[]): Finding[] {
  if (isConnected || !tried.some(({ state }) => state === 'ok')) return []
  return [
    warning(
      'who answers',
      `something answers for ${name}, but it is not connected: it may be another node at that ` +
        'address, or it takes this one for no member',
      `compare the id that "shoal status" shows on ${name} with that of its address here; ` +
        '"shoal events --security" there says who was refused',
    ),
  ]
}
