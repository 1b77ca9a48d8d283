// Anti-entropy over /shoal/log/1: two members exchange version vectors and stream each other what is missing, in causal
// order, in one round trip. Cost: O(actors + missing entries); memory O(frame). An interrupted exchange has lost
// nothing: what arrived is applied, the next one goes on from there.
import { asShoalError, hasCode, ShoalError } from '../../protocol/errors.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import {
  ENTRIES_FRAME_BYTES,
  LOG_PROTOCOL,
  decodeLogMessage,
  encodeLogMessage,
} from '../../protocol/wire/log.ts'
import type { LogMessage } from '../../protocol/wire/log.ts'
import type { Channel, World } from '../world/world.ts'
import type { Volume } from './volume.ts'

/** No answer for this long ends an exchange, in ms. */
const IDLE_MS = 30_000

export interface SyncComponents {
  readonly world: Pick<World, 'clock' | 'network'>
  readonly volumeOf: (id: VolumeId) => Volume | undefined
  /** May this peer have the volume's log? */
  readonly isMember: (volume: Volume, peer: PeerId) => boolean
  /** A peer said what of a volume's log is durable there. */
  readonly onFork: (volume: Volume, error: ShoalError) => void
  readonly onDurable: (volume: Volume, peer: PeerId, vector: VersionVector) => void
}

export class LogSync {
  readonly #c: SyncComponents
  /** Per volume and peer the exchange that runs, and the one after it that calls since then wait for. */
  readonly #running = new Map<string, { now: Promise<void>; next: Promise<void> | undefined }>()
  readonly #stop = new AbortController()

  constructor(components: SyncComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    await this.#c.world.network.handle(LOG_PROTOCOL, (channel) => this.#serve(channel))
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await Promise.allSettled([...this.#running.values()].map(({ now }) => now))
  }

  /**
   * Exchange with a peer; a call while one is running is served by one more after it.
   * throws ShoalError 'unreachable', 'not-a-member', 'timeout', or what was wrong with its entries.
   */
  async sync(volume: Volume, peer: PeerId): Promise<void> {
    const key = `${volume.id} ${peer}`
    const running = this.#running.get(key)
    if (running !== undefined) {
      const again = (): Promise<void> => this.sync(volume, peer)
      return (running.next ??= running.now.then(again, again))
    }
    const now = this.#exchangeWith(volume, peer).finally(() => this.#running.delete(key))
    this.#running.set(key, { now, next: undefined })
    return now
  }

  async #exchangeWith(volume: Volume, peer: PeerId): Promise<void> {
    const { clock, network } = this.#c.world
    const channel = await network.open(peer, LOG_PROTOCOL, {
      signal: clock.timeout(IDLE_MS, this.#stop.signal),
    })
    try {
      await volume.commit()
      await this.#send(channel, {
        kind: 'hello',
        volume: volume.id,
        vector: volume.durableVector(),
      })
      const hello = await this.#expect(channel, 'hello')
      await this.#exchange(channel, volume, hello.vector)
      await channel.close()
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const hello = await this.#expect(channel, 'hello')
    const volume = this.#c.volumeOf(hello.volume)
    if (volume === undefined || !this.#c.isMember(volume, channel.peer)) {
      // The same answer for both: a stranger must not learn which volumes are here.
      await this.#send(channel, {
        kind: 'error',
        code: 'not-a-member',
        message: 'you are not a member of this volume',
      })
      return channel.close()
    }
    await volume.commit()
    await this.#send(channel, { kind: 'hello', volume: volume.id, vector: volume.durableVector() })
    await this.#exchange(channel, volume, hello.vector)
    await channel.close()
  }

  async #exchange(channel: Channel, volume: Volume, theirs: VersionVector): Promise<void> {
    if ((theirs.get(volume.actor) ?? 0) > (volume.actors.get(volume.actor)?.seq ?? 0))
      volume.renewIncarnation()
    const sending = this.#sendMissing(channel, volume, theirs)
    // Awaited below; a failure of the receiving side must not leave it unheard.
    sending.catch(() => undefined)
    await this.#receiveMissing(channel, volume)
    await sending
    await volume.commit()
    await this.#send(channel, { kind: 'durable', vector: volume.durableVector() })
    const durable = await this.#expect(channel, 'durable')
    this.#c.onDurable(volume, channel.peer, durable.vector)
  }

  async #sendMissing(channel: Channel, volume: Volume, theirs: VersionVector): Promise<void> {
    let entries: Entry[] = []
    let bytes = 0
    for (const entry of missingEntries(volume, volume.durableVector(), theirs)) {
      entries.push(entry)
      bytes += entry.headerBytes.byteLength + entry.body.byteLength
      if (bytes < ENTRIES_FRAME_BYTES) continue
      await this.#send(channel, { kind: 'entries', entries })
      entries = []
      bytes = 0
    }
    if (entries.length > 0) await this.#send(channel, { kind: 'entries', entries })
    await this.#send(channel, { kind: 'done' })
  }

  async #receiveMissing(channel: Channel, volume: Volume): Promise<void> {
    for (;;) {
      const message = await this.#receive(channel)
      if (message.kind === 'done') return
      if (message.kind !== 'entries')
        throw new ShoalError('malformed', `unexpected "${message.kind}" in a log exchange`)
      for (const entry of message.entries) this.#take(volume, entry)
      await volume.makeRoom()
    }
  }

  /** throws what makes the entry one that nobody honest holds. */
  #take(volume: Volume, entry: Entry): void {
    try {
      volume.receive(entry)
    } catch (error) {
      // Two nodes wrote as one, and each side holds the branch that it heard of first: go on with the others.
      if (!hasCode(error, 'fork')) throw error
      this.#c.onFork(volume, error)
    }
  }

  async #send(channel: Channel, message: LogMessage): Promise<void> {
    const signal = this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal)
    await channel.send([encodeLogMessage(message)], { signal })
  }

  async #receive(channel: Channel): Promise<LogMessage> {
    const frame = await channel.receive({
      signal: this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal),
    })
    if (frame === undefined)
      throw new ShoalError('unreachable', `${channel.peer} ended a log exchange early`)
    const message = decodeLogMessage(frame)
    if (message.kind === 'error')
      throw new ShoalError(message.code, `${channel.peer}: ${message.message}`)
    return message
  }

  async #expect<Kind extends LogMessage['kind']>(
    channel: Channel,
    kind: Kind,
  ): Promise<Extract<LogMessage, { kind: Kind }>> {
    const message = await this.#receive(channel)
    if (message.kind !== kind) {
      throw new ShoalError(
        'malformed',
        `${channel.peer} sent "${message.kind}" where "${kind}" was due`,
      )
    }
    return message as Extract<LogMessage, { kind: Kind }>
  }
}

/**
 * What `held` has and `theirs` lacks, in an order in which each entry comes after its past: by HLC, which grows along
 * prev and deps. cost: O(actors + missing * log actors).
 */
export function* missingEntries(
  volume: Volume,
  held: VersionVector,
  theirs: VersionVector,
): Generator<Entry> {
  const next: { actor: ActorId; last: number; entry: Entry }[] = []
  for (const [actor, last] of held) {
    const seen = theirs.get(actor) ?? 0
    const entry = seen < last ? volume.entry(actor, seen + 1) : undefined
    if (entry !== undefined) next.push({ actor, last, entry })
  }
  next.sort(before)
  for (let first = next.shift(); first !== undefined; first = next.shift()) {
    yield first.entry
    if (first.entry.header.seq >= first.last) continue
    const entry = volume.entry(first.actor, first.entry.header.seq + 1)
    if (entry === undefined) continue
    const item = { ...first, entry }
    const at = next.findIndex((other) => before(item, other) < 0)
    next.splice(at < 0 ? next.length : at, 0, item)
  }
}

function before(a: { entry: Entry }, b: { entry: Entry }): number {
  if (a.entry.header.hlc !== b.entry.header.hlc)
    return a.entry.header.hlc < b.entry.header.hlc ? -1 : 1
  return a.entry.header.actor < b.entry.header.actor ? -1 : 1
}
