// Anti-entropy for a few missing entries, with logs of growing length: bytes over the channel and
// time, which should not grow. Two volumes on this disk and a channel in memory that counts.
import { toHex } from '../../protocol/bytes.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { LOG_PROTOCOL } from '../../protocol/wire/log.ts'
import { Inbox } from '../../node/log/inbox.ts'
import { LogSync } from '../../node/sync/anti-entropy.ts'
import { SystemRandom } from '../../node/world/random.ts'
import type { Channel } from '../../node/world/world.ts'
import { channelPair, networkOf } from '../../test/node/log/wires.ts'
import { seconds } from '../copy.ts'
import { costOf } from './cost.ts'
import type { Cost } from './cost.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'
import { median } from './quantile.ts'

const MISSING = 10
const RUNS = 21

/** lengths: of the log, in entries, growing. */
export async function measureAntiEntropy(
  folder: string,
  lengths: readonly number[],
): Promise<Figures> {
  await using writer = await DiskReplica.founder(folder, 'writer')
  await using reader = await writer.member(folder, 'reader')
  const pair = await Pair.of(writer, reader)
  // Some exchanges for V8 to compile them.
  for (let run = 0; run < RUNS; run++) {
    await writeEntries(writer, MISSING)
    await pair.sync()
  }
  const rows: (readonly string[])[] = []
  let first: number | undefined
  for (const length of lengths) {
    const prepared = await seconds(() => grow(pair, length))
    const costs: Cost[] = []
    let bytes = 0
    let frames = 0
    for (let run = 0; run < RUNS; run++) {
      await writeEntries(writer, MISSING)
      pair.resetCount()
      costs.push(await costOf(() => pair.sync()))
      ;({ bytes, frames } = pair)
    }
    const cpu = median(costs.map(({ cpuSeconds }) => cpuSeconds))
    first ??= cpu
    rows.push([
      String(length),
      String(bytes),
      String(frames),
      (median(costs.map((cost) => cost.seconds)) * 1000).toFixed(1),
      (cpu * 1000).toFixed(2),
      (cpu / first).toFixed(2),
      prepared.toFixed(1),
    ])
  }
  return {
    title: `Anti-entropy for ${MISSING} missing entries`,
    header: [
      'entries in the log',
      'bytes, both ways',
      'frames',
      'ms',
      'CPU ms',
      'ratio of CPU',
      's to prepare',
    ],
    rows,
    notes: [`Medians of ${RUNS} exchanges, with the synced commits of both sides.`],
  }
}

/** Exchanges between two replicas. */
class Pair {
  readonly writer: DiskReplica
  readonly reader: DiskReplica
  bytes = 0
  frames = 0
  readonly #sync: LogSync

  private constructor(writer: DiskReplica, reader: DiskReplica, sync: LogSync) {
    this.writer = writer
    this.reader = reader
    this.#sync = sync
  }

  static async of(writer: DiskReplica, reader: DiskReplica): Promise<Pair> {
    let serve: ((channel: Channel) => Promise<void>) | undefined
    const serving = syncOf(writer, { handle: async (_protocol, handler) => void (serve = handler) })
    await serving.start()
    const asking = syncOf(reader, {
      open: async () => {
        const [here, there] = channelPair(
          reader.identity.peer,
          writer.identity.peer,
          LOG_PROTOCOL,
        ).map((end) => counted(end, (bytes) => pair.count(bytes))) as [Channel, Channel]
        serve?.(there).catch((error: Error) => there.abort(error))
        return here
      },
    })
    const pair = new Pair(writer, reader, asking)
    return pair
  }

  async sync(): Promise<void> {
    await this.#sync.sync(this.reader.volume, this.writer.identity.peer)
  }

  count(bytes: number): void {
    this.bytes += bytes
    this.frames++
  }

  resetCount(): void {
    this.bytes = 0
    this.frames = 0
  }
}

function syncOf(replica: DiskReplica, methods: Parameters<typeof networkOf>[1]): LogSync {
  const network = networkOf(replica.identity.peer, methods)
  const inbox = new Inbox({ volume: replica.volume, clock: replica.clock })
  return new LogSync({
    world: { clock: replica.clock, network, random: new SystemRandom() },
    volumeOf: () => replica.volume,
    inboxOf: () => inbox,
    isMember: () => true,
    onRefused: (_volume, error) => {
      throw error
    },
    onForked: () => {
      throw new Error('the log has a branch')
    },
    onTruncated: () => {
      throw new Error('the log is not all there')
    },
    onDurable: () => undefined,
    onWhole: () => undefined,
  })
}

function counted(channel: Channel, count: (bytes: number) => void): Channel {
  return {
    peer: channel.peer,
    protocol: channel.protocol,
    send: (parts, options) => {
      count(parts.reduce((sum, part) => sum + part.byteLength, 0))
      return channel.send(parts, options)
    },
    receive: (options) => channel.receive(options),
    receiveInto: (into, options) => channel.receiveInto(into, options),
    close: () => channel.close(),
    abort: (error) => channel.abort(error),
  }
}

/** Make the log of both `length` entries long. */
async function grow(pair: Pair, length: number): Promise<void> {
  const { writer, reader } = pair
  for (const replica of [writer, reader]) replica.store.durable = false
  const missing = length - writer.volume.actors.entryCount
  await writeEntries(writer, missing)
  await pair.sync()
  if (reader.volume.actors.entryCount < length) throw new Error('the log did not arrive')
  for (const replica of [writer, reader]) {
    replica.store.durable = true
    await replica.volume.commit()
  }
}

/** `count` entries of one small file each. */
async function writeEntries(
  { namespace, random, volume }: DiskReplica,
  count: number,
): Promise<void> {
  for (let entry = 0; entry < count; entry++) {
    const name = nameFromText(toHex(random.bytes(8)))
    namespace.create(ROOT, name, { mode: 0o644, uid: 0, gid: 0 })
    await volume.commit()
  }
}
