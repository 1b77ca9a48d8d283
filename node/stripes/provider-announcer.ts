// Tells the DHT which stripes of a volume this node holds shards of, so that a stripe is found by
// anyone who knows its id. Best effort: the shard map in the log says who holds what, the DHT only
// helps to find it.
//
// What a peer has announced is forgotten after two days, so all of it is announced again each day:
// every placement group has its time of the day, another one on each node, and nothing has to be
// remembered over a restart. A node that holds very many stripes announces placement groups
// instead, of which there are at most PLACEMENT_GROUPS.
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { stripeIdBytes } from '../../protocol/ids.ts'
import {
  PLACEMENT_GROUPS,
  placementGroup,
  groupAnnouncement,
} from '../../protocol/placement/placement-group.ts'
import { DAY_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ShardStore } from '../store/shards.ts'
import type { Clock, Network } from '../world/world.ts'
import type { MapEvent, StripeGroup, StripeMap } from '../shard-map/stripe-map.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Time between two placement groups. */
export const SWEEP_STEP_MS: number = DAY_MS / PLACEMENT_GROUPS

/**
 * Above so many stripes, placement groups are announced: kad-dht takes about 20 announcements a
 * second.
 */
const STRIPES_MAX = 50_000
/** Maximum of new announcements at a time. */
const CONCURRENT_MAX = 4
/** More than these wait for their time of the day. */
const WAITING_MAX = 4096
const PROVIDE_MS: number = MINUTE_MS

export interface ProviderAnnouncerParts {
  readonly network: Pick<Network, 'self' | 'provide' | 'unprovide'>
  readonly clock: Pick<Clock, 'wall' | 'timeout'>
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe'>
  readonly store: { readonly shards: Pick<ShardStore, 'indices'> }
  readonly volume: VolumeId
  readonly log: WriteLog
}

export class ProviderAnnouncer {
  readonly #parts: ProviderAnnouncerParts
  readonly #stripesMax: number
  /**
   * The start of this node's day, so that the holders of a stripe do not announce it at one time.
   */
  readonly #dayStart: number
  readonly #stopped = new AbortController()
  /** CIDs in hexadecimal, so that a group is announced once for many of its stripes. */
  readonly #waiting = new Map<string, Uint8Array>()
  #active = 0
  /** Steps of the days so far, up to which all was announced. */
  #step: number | undefined

  constructor(
    parts: ProviderAnnouncerParts,
    { stripesMax = STRIPES_MAX }: { stripesMax?: number } = {},
  ) {
    this.#parts = parts
    this.#stripesMax = stripesMax
    const [first = 0, second = 0] = blake3(utf8(parts.network.self))
    this.#dayStart = ((first << 8) | second) % PLACEMENT_GROUPS
  }

  /** This node has begun to hold a shard of the stripe. */
  add(stripe: StripeId): void {
    if (this.#stopped.signal.aborted || this.#waiting.size >= WAITING_MAX) return
    const cid = this.#isGrouped(this.#held())
      ? groupAnnouncement(this.#parts.volume, placementGroup(stripe))
      : stripeIdBytes(stripe)
    this.#waiting.set(toHex(cid), cid)
    if (this.#active < CONCURRENT_MAX) void this.#work()
  }

  /** The map has changed: what it ascribes to this node no more is announced no more. */
  changed(event: MapEvent): void {
    if (event.kind !== 'shards' && event.kind !== 'swept') return
    const { map, store, network } = this.#parts
    for (const stripe of event.kind === 'shards' ? [event.stripe] : event.stripes) {
      const isAscribed = map.stripe(stripe)?.holders.flat().includes(network.self) === true
      if (!isAscribed && store.shards.indices(stripe).length > 0) void this.remove(stripe)
    }
  }

  /**
   * This node holds no shard of the stripe any more. Who was told before forgets it within two
   * days.
   */
  async remove(stripe: StripeId): Promise<void> {
    const cid = stripeIdBytes(stripe)
    this.#waiting.delete(toHex(cid))
    await this.#withdraw(cid)
  }

  /**
   * Announce again the placement groups whose time of the day has come since the last call; at
   * first, the one of now.
   */
  async sweep(signal: AbortSignal): Promise<void> {
    const now = Math.floor(this.#parts.clock.wall() / SWEEP_STEP_MS) + this.#dayStart
    // After a clock that was set back, or a day that was slept through, nothing is announced twice.
    const last = Math.max(Math.min(this.#step ?? now - 1, now), now - PLACEMENT_GROUPS)
    this.#step = last
    const held = this.#held()
    const isGrouped = this.#isGrouped(held)
    for (let step = last + 1; step <= now; step++) {
      const group = step % PLACEMENT_GROUPS
      const due = held.filter((each) => each.placementGroup === group)
      if (isGrouped) await this.#announceGroup(group, due, signal)
      else await this.#announceStripes(due, signal)
      this.#step = step
    }
  }

  /** Announce no more. */
  stop(): void {
    this.#waiting.clear()
    this.#stopped.abort()
  }

  #held(): StripeGroup[] {
    const { map, network } = this.#parts
    return map.groups().filter(({ holders }) => holders.some((held) => held.includes(network.self)))
  }

  #isGrouped(held: readonly StripeGroup[]): boolean {
    return held.reduce((sum, { count }) => sum + count, 0) > this.#stripesMax
  }

  async #announceStripes(groups: readonly StripeGroup[], signal: AbortSignal): Promise<void> {
    for (const { id } of groups) {
      for await (const stripe of this.#parts.map.stripesOf(id)) {
        await this.#announce(stripeIdBytes(stripe), signal)
      }
    }
  }

  async #announceGroup(
    placementGroup: number,
    groups: readonly StripeGroup[],
    signal: AbortSignal,
  ): Promise<void> {
    if (groups.length === 0) return
    await this.#announce(groupAnnouncement(this.#parts.volume, placementGroup), signal)
    // They may have been announced one by one before they were so many; the network would go on
    // with that.
    for (const { id } of groups) {
      for await (const stripe of this.#parts.map.stripesOf(id)) await this.remove(stripe)
    }
  }

  async #work(): Promise<void> {
    this.#active++
    for (const [key, cid] of this.#waiting) {
      this.#waiting.delete(key)
      // Stopped, or not done in time: it has its time of the day.
      await ignoreFailure(
        this.#announce(cid, this.#stopped.signal),
        'the next sweep announces it again',
      )
    }
    this.#active--
  }

  /** throws only the signal's reason. */
  async #announce(cid: Uint8Array, signal: AbortSignal): Promise<void> {
    const { network, clock, log } = this.#parts
    signal.throwIfAborted()
    try {
      await network.provide(cid, { signal: clock.timeout(PROVIDE_MS, signal) })
    } catch (error) {
      signal.throwIfAborted()
      log('announce.failed', { code: asShoalError(error).code })
    }
  }

  async #withdraw(cid: Uint8Array): Promise<void> {
    try {
      await this.#parts.network.unprovide(cid)
    } catch (error) {
      this.#parts.log('announce.withdrawal-failed', { code: asShoalError(error).code })
    }
  }
}
