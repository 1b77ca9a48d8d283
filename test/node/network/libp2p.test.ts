// The acceptance suite of Network on real libp2p over 127.0.0.1.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '../../../node/world/clock.ts'
import { Libp2pNetwork } from '../../../node/world/libp2p/network.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { allBulk } from '../../seams/all-bulk.ts'
import { channelSuite, networkSuite } from '../../seams/network.ts'
import type { NetworkFixture } from '../../seams/network-swarm.ts'

networkSuite('libp2p', openLoopback)
channelSuite('libp2p, bulk', openBulk)

async function openBulk(): Promise<NetworkFixture> {
  const fixture = await openLoopback()
  return { ...fixture, create: async (name) => allBulk(await fixture.create(name)) }
}

async function openLoopback(): Promise<NetworkFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-network-'))
  return {
    clock: new SystemClock(),
    create: (name) =>
      Libp2pNetwork.create({
        seed: blake3(utf8(`test network ${name}`)),
        folder: join(folder, name),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        mdns: false,
      }),
    run: (work) => work(),
    close: () => rm(folder, { recursive: true, force: true }),
  }
}
