// The other process of shards.ts: a store behind /shoal/shard/1 that takes shards from anyone.
import { mkdir } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { identityFromSeed } from '../protocol/signed.ts'
import { signReceipts } from '../protocol/stripe/receipt.ts'
import { HLC_ZERO, nextHlc } from '../protocol/clock/hlc.ts'
import { ShardServer } from '../node/peers/shard-protocol-server.ts'
import { LevelKv } from '../node/store/level-kv.ts'
import { Store } from '../node/store/store.ts'
import { SystemClock } from '../node/world/clock.ts'
import { SystemDisk } from '../node/world/disk.ts'
import { Libp2pNetwork } from '../node/world/libp2p/network.ts'

const folder = process.argv[2] ?? ''
await mkdir(join(folder, 'network'), { recursive: true })
const kv = await LevelKv.open(join(folder, 'index'))
const clock = new SystemClock()
const seed = randomBytes(32)
const store = await Store.open({ disk: new SystemDisk(folder), clock, kv })
const network = await Libp2pNetwork.create({
  seed,
  folder: join(folder, 'network'),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  mdns: false,
})
const anyone = { isMember: () => true, mayStore: () => true, stripe: () => undefined }
const identity = identityFromSeed(seed)
const server = new ShardServer(
  { network, clock, store },
  {
    accessTo: () => anyone,
    sign: (volume, shards) =>
      signReceipts(identity, { volume, hlc: nextHlc(HLC_ZERO, clock.wall()) }, shards),
  },
)
network.gate(() => 'member')
await server.start()
await network.start()
process.send?.(network.addresses()[0])
process.on('SIGTERM', () => {
  void stop()
})

async function stop(): Promise<void> {
  await server.stop()
  await network.stop()
  await store.close()
  await kv.close()
  process.disconnect()
}
