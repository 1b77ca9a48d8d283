// Anti-entropy over /shoal/log/1: two members exchange version vectors and stream each other what
// is missing, in causal order, in one round trip. Cost: O(actors + missing entries); memory
// O(frame). An interrupted exchange has lost nothing: what arrived is applied, the next one goes on
// from there.
import { equalBytes } from '../../protocol/bytes.ts'
import { asShoalError, ShoalError } from '../../protocol/errors.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { covers } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import { decodeAttestation } from '../../protocol/log/attestation.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { mayWrite } from '../../protocol/roles.ts'
import {
  ATTESTATIONS_PER_FRAME_MAX,
  ENTRIES_FRAME_BYTES,
  LOG_FRAME_MAX,
  LOG_PROTOCOL,
  encodeLogMessage,
  helloAt,
} from '../../protocol/wire/log.ts'
import type { LogMessage, LogSummary } from '../../protocol/wire/log.ts'
import type { Channel, World } from '../world/world.ts'
import { slicesOf } from '../log/time-slices.ts'
import { hearAttestation } from '../replica/attestations.ts'
import { confirmOwn, heldBy } from '../log/log-summary.ts'
import type { Inbox } from '../log/inbox.ts'
import { currentSpan, ended, within } from '../traces/span.ts'
import type { ServedSpan, Tracer } from '../traces/span.ts'
import type { TraceContext } from '../../protocol/wire/trace-context.ts'
import { SummaryCache } from './summary-cache.ts'
import type { Volume } from '../log/volume.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** No answer for this long ends an exchange, in ms. */
const IDLE_MS = 30_000

export interface SyncComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly tracer?: Tracer | undefined
  readonly volumeOf: (id: VolumeId) => Volume | undefined
  readonly inboxOf: (volume: Volume) => Inbox
  /** May this peer have the volume's log? */
  readonly isMember: (volume: Volume, peer: PeerId) => boolean
  /**
   * An entry has no place in the log: two nodes wrote as one, and it came too late for its branch
   * to be kept; or it is of one actor too many.
   */
  readonly onRefused: (volume: Volume, error: ShoalError) => void
  /** An exchange told of a branch: each may hold more by now than the other could say. */
  readonly onForked: (volume: Volume, peer: PeerId) => void
  /** A peer no longer has entries that are missing here: start from its checkpoint. */
  readonly onTruncated: (volume: Volume, peer: PeerId) => void
  /** A peer takes what this node writes only after so long: it writes too much. */
  readonly onBusy?: (volume: Volume, peer: PeerId, waitMs: number) => void
  /** A peer said what its clock shows: so much more than this node's, or less if negative. */
  readonly onTime?: (volume: Volume, peer: PeerId, aheadMs: number) => void
  /** A member that may write had all that was missing here. */
  readonly onWhole: (volume: Volume) => void
  /** A peer said what of a volume's log is durable there. */
  readonly onDurable: (volume: Volume, peer: PeerId, vector: VersionVector) => void
}

export class LogSync {
  readonly #c: SyncComponents
  /**
   * Per volume and peer the exchange that runs, and the one after it that calls since then wait
   * for.
   */
  readonly #running = new Map<string, { now: Promise<void>; next: Promise<void> | undefined }>()
  readonly #summaries = new SummaryCache()
  readonly #stop = new AbortController()

  constructor(components: SyncComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    const frames = { frameMax: LOG_FRAME_MAX }
    await this.#c.world.network.handle(LOG_PROTOCOL, (channel) => this.#serve(channel), frames)
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

  #exchangeWith(volume: Volume, peer: PeerId): Promise<void> {
    const facts = { volume: volume.id, peer }
    const { tracer } = this.#c
    const span = currentSpan()?.child('log.exchange', facts) ?? tracer?.root('log.exchange', facts)
    const exchange = this.#openExchange(volume, peer, span?.context)
    return span === undefined ? exchange : ended(span, exchange)
  }

  async #openExchange(
    volume: Volume,
    peer: PeerId,
    trace: TraceContext | undefined,
  ): Promise<void> {
    const { clock, network } = this.#c.world
    const channel = await network.open(peer, LOG_PROTOCOL, {
      signal: clock.timeout(IDLE_MS, this.#stop.signal),
      frameMax: LOG_FRAME_MAX,
    })
    try {
      await settled(volume)
      const sentMs = await this.#sayHello(channel, volume)
      const hello = await this.#expect(channel, 'hello')
      this.#compareClocks(channel, volume, hello, (sentMs + clock.wall()) / 2)
      await this.#exchange(channel, volume, hello.log, { asked: trace })
      await channel.close()
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const hello = await this.#expect(channel, 'hello')
    const receivedMs = this.#c.world.clock.wall()
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
    const { id } = volume
    const span = this.#c.tracer?.served('log.exchange', { volume: id, peer: channel.peer })
    const exchange = async (): Promise<void> => {
      await settled(volume)
      this.#compareClocks(channel, volume, hello, receivedMs)
      await this.#sayHello(channel, volume)
      await this.#exchange(channel, volume, hello.log, { served: span })
      await channel.close()
    }
    await (span === undefined ? exchange() : ended(span, within(span, exchange)))
  }

  /** returns when, by this node's clock. */
  async #sayHello(channel: Channel, volume: Volume): Promise<WallTime> {
    const timeMs = this.#c.world.clock.wall()
    await this.#sendFrame(channel, helloAt(this.#summaries.of(volume).hello, timeMs))
    return timeMs
  }

  /** nowMs: when the peer wrote its hello, by this node's clock, as well as that is known. */
  #compareClocks(
    { peer }: Channel,
    volume: Volume,
    { timeMs }: Extract<LogMessage, { kind: 'hello' }>,
    nowMs: number,
  ): void {
    if (timeMs !== undefined) this.#c.onTime?.(volume, peer, timeMs - nowMs)
  }

  /** asked: the place of it in a trace, to be told. served: a span whose place the other tells. */
  async #exchange(
    channel: Channel,
    volume: Volume,
    log: LogSummary,
    { asked, served }: { asked?: TraceContext | undefined; served?: ServedSpan | undefined },
  ): Promise<void> {
    const theirs = heldBy(volume, log)
    const sending = this.#sendMissing(channel, volume, log, theirs, asked)
    // Awaited below; a failure of the receiving side must not leave it unheard.
    void ignoreFailure(sending, 'it is thrown where it is awaited')
    const received = await this.#receiveMissing(channel, volume)
    const { hasForked, isRefused, isTruncated } = received
    served?.below(received.trace)
    const role = volume.membership.member(channel.peer)?.role
    if (!isTruncated && role !== undefined && mayWrite(role)) this.#c.onWhole(volume)
    const isWhole = await sending
    await settled(volume)
    if (isWhole && isRefused && log.cut < (volume.checkpoint?.hlc ?? HLC_ZERO))
      await this.#send(channel, { kind: 'truncated' })
    const waitMs = this.#c.inboxOf(volume).heldBackMs(channel.peer)
    if (waitMs > 0) await this.#send(channel, { kind: 'busy', waitMs })
    await this.#sendFrame(channel, this.#summaries.of(volume).durable)
    this.#c.onDurable(volume, channel.peer, await this.#receiveDurable(channel, volume))
    if (hasForked) this.#c.onForked(volume, channel.peer)
  }

  async #receiveDurable(channel: Channel, volume: Volume): Promise<VersionVector> {
    for (;;) {
      const message = await this.#receive(channel)
      if (message.kind === 'durable') {
        confirmOwn(volume, message.log)
        return heldBy(volume, message.log)
      }
      if (message.kind === 'truncated') this.#c.onTruncated(volume, channel.peer)
      else if (message.kind === 'busy') this.#c.onBusy?.(volume, channel.peer, message.waitMs)
      else throw unexpected(channel, message, 'durable')
    }
  }

  /**
   * Stops serving a member that was removed meanwhile. A peer that this node asks for the log may
   * be no member by that yet.
   */
  #checkNotRemoved({ peer }: Channel, { membership }: Volume): void {
    if (membership.wasRemoved(peer))
      throw new ShoalError('not-a-member', `${peer} was removed from the volume`)
  }

  /** returns whether all that the peer lacks was still in the log. */
  async #sendMissing(
    channel: Channel,
    volume: Volume,
    log: LogSummary,
    theirs: VersionVector,
    trace: TraceContext | undefined,
  ): Promise<boolean> {
    const { random } = this.#c.world
    let entries: Entry[] = []
    let bytes = 0
    for (const entry of missingAt(channel.peer, volume, theirs)) {
      if (!isPlanted('exchange-leaves-out') || entry.header.seq % 5 !== 0) entries.push(entry)
      bytes += entry.headerBytes.byteLength + entry.body.byteLength
      if (bytes < ENTRIES_FRAME_BYTES && !random.unlucky('sync.one-entry-a-frame')) continue
      this.#checkNotRemoved(channel, volume)
      await this.#send(channel, { kind: 'entries', entries })
      if (random.unlucky('sync.ends-early')) {
        const error = new ShoalError('unreachable', 'the exchange was broken off')
        channel.abort(error)
        throw error
      }
      entries = []
      bytes = 0
    }
    if (entries.length > 0) await this.#send(channel, { kind: 'entries', entries })
    await this.#sendAttestations(channel, volume, log)
    // Now: some may have been dropped meanwhile.
    const isWhole = volume.entries.canComplete(theirs)
    if (!isWhole) await this.#send(channel, { kind: 'truncated' })
    await this.#send(channel, { kind: 'done', ...(trace !== undefined && { trace }) })
    return isWhole
  }

  /** After the entries that they are about. */
  async #sendAttestations(channel: Channel, volume: Volume, log: LogSummary): Promise<void> {
    if (equalBytes(log.attested, volume.attestations.digest)) return
    const all = volume.attestations.all().map(({ bytes }) => bytes)
    for (let at = 0; at < all.length; at += ATTESTATIONS_PER_FRAME_MAX) {
      const attestations = all.slice(at, at + ATTESTATIONS_PER_FRAME_MAX)
      await this.#send(channel, { kind: 'attestations', attestations })
    }
  }

  /**
   * returns whether it told of a new branch of some actor's chain, whether some of it has no place
   * in the log, and whether some of what is missing is not there any more.
   */
  async #receiveMissing(
    channel: Channel,
    volume: Volume,
  ): Promise<{
    hasForked: boolean
    isRefused: boolean
    isTruncated: boolean
    trace: TraceContext | undefined
  }> {
    let [hasForked, isRefused, isTruncated] = [false, false, false]
    const unlisten = volume.forks.onChange(() => (hasForked = true))
    try {
      for (;;) {
        const message = await this.#receive(channel)
        this.#checkNotRemoved(channel, volume)
        if (message.kind === 'done')
          return { hasForked, isRefused, isTruncated, trace: message.trace }
        if (message.kind === 'attestations') {
          for (const bytes of message.attestations)
            hearAttestation(volume, decodeAttestation(bytes, volume.id))
          continue
        }
        if (message.kind === 'truncated') {
          isTruncated = true
          this.#c.onTruncated(volume, channel.peer)
          continue
        }
        if (message.kind !== 'entries') throw unexpected(channel, message, 'entries')
        for (const slice of slicesOf(message.entries)) {
          const onError = (error: ShoalError): void => {
            if (error.code !== 'fork' && error.code !== 'ENOSPC') throw error
            isRefused ||= error.code === 'fork'
            this.#c.onRefused(volume, error)
          }
          await this.#take(volume, slice, onError, channel.peer)
          if (slice.length < message.entries.length)
            await this.#c.world.clock.sleep(1, { signal: this.#stop.signal })
        }
      }
    } finally {
      unlisten()
    }
  }

  async #take(
    volume: Volume,
    entries: readonly Entry[],
    onError: (error: ShoalError) => void,
    from: PeerId,
  ): Promise<void> {
    const inbox = this.#c.inboxOf(volume)
    if (!volume.stop.isCareful) {
      inbox.takeAll(entries, onError, from)
      if (!volume.stop.isHalted) await volume.makeRoom()
      return
    }
    for (const entry of entries) {
      await volume.stop.before(entry, volume.replica.authorOf(entry))
      inbox.takeAll([entry], onError, from)
      await settled(volume)
    }
  }

  #send(channel: Channel, message: LogMessage): Promise<void> {
    return this.#sendFrame(channel, encodeLogMessage(message))
  }

  async #sendFrame(channel: Channel, frame: Uint8Array): Promise<void> {
    const signal = this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal)
    await channel.send([frame], { signal })
  }

  async #receive(channel: Channel): Promise<LogMessage> {
    const frame = await channel.receive({
      signal: this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal),
    })
    if (frame === undefined)
      throw new ShoalError('unreachable', `${channel.peer} ended a log exchange early`)
    const message = this.#summaries.decode(frame)
    if (message.kind === 'error')
      throw new ShoalError(message.code, `${channel.peer}: ${message.message}`)
    return message
  }

  async #expect<Kind extends LogMessage['kind']>(
    channel: Channel,
    kind: Kind,
  ): Promise<Extract<LogMessage, { kind: Kind }>> {
    const message = await this.#receive(channel)
    if (message.kind !== kind) throw unexpected(channel, message, kind)
    return message as Extract<LogMessage, { kind: Kind }>
  }
}

/**
 * All that was made and received is durable; of a volume in which something was half applied, all
 * that ever will be.
 */
async function settled(volume: Volume): Promise<void> {
  if (!volume.stop.isHalted) await volume.commit()
}

/**
 * The entries that a peer lacks, as far as they are in the log, in causal order; before that, proof
 * that it has forgotten some.
 */
function* missingAt(peer: PeerId, volume: Volume, theirs: VersionVector): Generator<Entry> {
  const held = volume.durableVector()
  for (const { id, peer: writer } of volume.actors.all()) {
    const seq = held.get(id) ?? 0
    // It takes a new incarnation at the sight of it: the sooner, the less it writes beside its own
    // past.
    const last =
      writer === peer && !covers(theirs, id, seq) ? volume.entries.entry(id, seq) : undefined
    if (last !== undefined) yield last
  }
  if (!volume.entries.canComplete(theirs)) return
  for (const { entry } of volume.entries.between(theirs, held)) yield entry
}

function unexpected({ peer }: Channel, { kind }: LogMessage, due: LogMessage['kind']): ShoalError {
  return new ShoalError('malformed', `${peer} sent "${kind}" where "${due}" was due`)
}
