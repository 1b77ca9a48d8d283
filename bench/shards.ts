// Shards to a peer: two processes on loopback, each with its own identity, libp2p and store, as two
// nodes are. The baseline is the same bytes over a bare TCP connection into a file with one
// fdatasync per shard; that of processor time, one bare TLS connection (bare-tls.ts).
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { codeStripe } from '../protocol/stripe/stripe.ts'
import type { CodedStripe } from '../protocol/stripe/stripe.ts'
import { blake3 } from '../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../protocol/ids.ts'
import type { PeerId, VolumeId } from '../protocol/ids.ts'
import { MIB } from '../protocol/units.ts'
import { ShardClient } from '../node/peers/shards.ts'
import { SystemClock } from '../node/world/clock.ts'
import { Libp2pNetwork } from '../node/world/libp2p/network.ts'
import { measureBareTls } from './bare-tls.ts'
import { seconds } from './copy.ts'
import { processorSeconds } from './processor-time.ts'
import type { Cost } from './bare-tls.ts'
import type { Table } from './table.ts'

const SHARD_BYTES: number = 4 * MIB
/** As many as a stripe's worth of puts is under way at a time. */
const LANES = 4
const PUT = 'put shards of 4 MiB to a peer, durable there'
const VOLUME = '77'.repeat(32) as VolumeId

/** Put `mebibytes` of shards to a peer and read them back. */
export async function measureShards(folder: string, mebibytes: number): Promise<Table> {
  const stripes = makeStripes(Math.max(1, Math.floor((mebibytes * MIB) / SHARD_BYTES)))
  const bytes = stripes.length * SHARD_BYTES
  const baseline = await timeBareTcp(join(folder, 'bare'), stripes)
  const bareTls = await measureBareTls(stripes.map(({ shards }) => shards[0] ?? new Uint8Array()))
  const holder = fork(new URL('./shard-holder.ts', import.meta.url), [join(folder, 'holder')])
  const clock = new SystemClock()
  await mkdir(join(folder, 'client'), { recursive: true })
  const network = await Libp2pNetwork.create({
    seed: randomBytes(32),
    folder: join(folder, 'client'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
  })
  try {
    await network.start()
    const [address] = (await once(holder, 'message')) as [string]
    const { signal } = new AbortController()
    const peer: PeerId = await network.dial([address], { signal })
    const client = new ShardClient({ network, clock }, { volume: VOLUME })
    const measured = (work: () => Promise<unknown>): Promise<Cost> => cost(holder.pid ?? 0, work)
    const put = await measured(() =>
      inLanes(stripes, async ({ headerBytes, shards }) => {
        const shard = shards[0] ?? new Uint8Array(0)
        await client.put(peer, { header: headerBytes, index: 0, shard }, { signal })
      }),
    )
    const get = await measured(() =>
      inLanes(stripes, async ({ id }) => {
        const range = { stripe: id, index: 0, offset: 0, length: SHARD_BYTES }
        await client.get(peer, range, { proof: false, signal })
      }),
    )
    client.close()
    return {
      baselineName: 'bare TCP',
      rows: [
        { what: PUT, seconds: put.seconds, bytes, baseline },
        { what: 'get them back', seconds: get.seconds, bytes },
        { what: 'bare TLS to another process', seconds: bareTls.seconds, bytes },
      ],
      notes: [
        'Processor time, s/GB: ' +
          `put ${perGb(put, bytes)}; get ${perGb(get, bytes)}; bare TLS ${perGb(bareTls, bytes)}.`,
      ],
    }
  } finally {
    await network.stop()
    holder.kill('SIGTERM')
    await once(holder, 'exit')
  }
}

/** Seconds of a work, and of the processor here and at the holder. */
async function cost(holder: number, work: () => Promise<unknown>): Promise<Cost> {
  const ends = (): Promise<[number, number]> =>
    Promise.all([processorSeconds(process.pid), processorSeconds(holder)])
  const [senderBefore, holderBefore] = await ends()
  const taken = await seconds(work)
  const [senderAfter, holderAfter] = await ends()
  const [sender, there] = [senderAfter - senderBefore, holderAfter - holderBefore]
  return { seconds: taken, sender, holder: there }
}

function perGb({ sender, holder }: Cost, bytes: number): string {
  const gb = bytes / 1e9
  return `${(sender / gb).toFixed(2)} here, ${(holder / gb).toFixed(2)} there`
}

function makeStripes(count: number): readonly CodedStripe[] {
  return Array.from({ length: count }, () => {
    const bytes = randomBytes(SHARD_BYTES)
    const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
    return codeStripe([{ id, bytes }], 1, 0)
  })
}

async function inLanes<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** Seconds for the same bytes without encryption, hashing, framing or index. */
async function timeBareTcp(path: string, stripes: readonly CodedStripe[]): Promise<number> {
  const file = await open(path, 'w')
  const server = createServer(async (socket) => {
    let unsynced = 0
    for await (const part of socket as AsyncIterable<Buffer>) {
      await file.write(part)
      unsynced += part.length
      if (unsynced < SHARD_BYTES) continue
      await file.datasync()
      unsynced = 0
    }
    socket.end('.')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const time = await seconds(async () => {
    for (const { shards } of stripes) {
      if (!socket.write(shards[0] ?? '')) await once(socket, 'drain')
    }
    socket.end()
    await once(socket.resume(), 'end')
  })
  server.close()
  await file.close()
  return time
}
