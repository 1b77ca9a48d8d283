// The home of a hostile member, opened in the test's own process: taken over from a node that has
// ended, or made here and let in by a ticket.
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { loadHome } from '../../node/home.ts'
import { Volumes } from '../../node/log/volumes.ts'
import { LevelKv } from '../../node/store/level-kv.ts'
import { Store } from '../../node/store/store.ts'
import { SystemClock } from '../../node/world/clock.ts'
import { SystemDisk } from '../../node/world/disk.ts'
import { Libp2pNetwork } from '../../node/world/libp2p/network.ts'
import { SystemRandom } from '../../node/world/random.ts'
import { parseTicket } from '../../protocol/membership/ticket.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { Identity } from '../../protocol/signed.ts'
import {
  JOIN_PROTOCOL,
  JOIN_REPLY_MAX,
  decodeJoinReply,
  encodeJoinRequest,
} from '../../protocol/wire/join.ts'

export interface HostileHome {
  readonly identity: Identity
  readonly volumes: Volumes
  readonly network: Libp2pNetwork
  readonly kv: LevelKv
  readonly store: Store
}

/** Nothing else may run in this home. */
export async function openHome(home: string): Promise<HostileHome> {
  const { seed, config } = await loadHome(home)
  const identity = identityFromSeed(seed)
  const kv = await LevelKv.open(join(home, 'index'))
  const [clock, random, disk] = [new SystemClock(), new SystemRandom(), new SystemDisk(home)]
  const store = await Store.open({ disk, clock, kv }, { capacityBytes: Infinity })
  // As it is known: else it would describe itself anew, in an entry that nobody else has.
  const { name, zone = '', capacityBytes = (await disk.space()).totalBytes } = config
  const self = { name, zone, capacityBytes }
  const volumes = await Volumes.open({ world: { clock, random }, store, identity }, self)
  // A new one, in which no peer is known that it would connect to by itself.
  const folder = await mkdtemp(`${home}-network-`)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const network = await Libp2pNetwork.create({ seed, folder, listen, mdns: false })
  await network.start()
  return { identity, volumes, network, kv, store }
}

/** Show a ticket as a node does, and take up its volume. The log is still to be fetched. */
export async function showTicket(
  { volumes, network }: HostileHome,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { volume, secret, role, addresses } = parseTicket(text)
  const peer = await network.dial(addresses, { signal })
  const channel = await network.open(peer, JOIN_PROTOCOL, { signal, frameMax: JOIN_REPLY_MAX })
  await channel.send([encodeJoinRequest({ kind: 'join', volume, secret })], { signal })
  const reply = decodeJoinReply((await channel.receive({ signal })) ?? new Uint8Array())
  assert.equal(reply.kind, 'admitted')
  await channel.close()
  // There it is the connection of a stranger.
  await network.disconnect(peer)
  await volumes.adopt(reply, role)
}
