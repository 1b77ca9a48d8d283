// The topics of a volume. They are made of the keys of its newest epoch, so who was removed knows
// no topic on which anything is said from then on. For a while after an epoch began, members are
// still heard on the topics before it, and spoken to there, in what they cannot open: that tells
// who has not heard of the epoch to ask for the log.
import { toHex } from '../../protocol/bytes.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import { headsTopic } from '../../protocol/wire/gossip.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from '../log/volume.ts'

/** Members that are connected hear of an epoch within a few beacons. */
const FORMER_MS: number = 10 * MINUTE_MS
/** Maximum for all epochs together: one may have several keys. */
const TOPICS_MAX = 16

export interface TopicsComponents {
  readonly volume: Pick<Volume, 'id' | 'membership'>
  readonly clock: Pick<Clock, 'now'>
  /** returns what ends it. */
  readonly subscribe: (topic: string) => () => void
}

interface Subscription {
  readonly leave: () => void
  /** It is of a former epoch; undefined: of this one. */
  until: Instant | undefined
}

export class Topics {
  readonly #c: TopicsComponents
  /** In the order in which they came. */
  readonly #topics = new Map<string, Subscription>()
  /** Made once: the keys of an epoch seldom change. */
  readonly #names = new Map<string, string>()

  constructor(components: TopicsComponents) {
    this.#c = components
  }

  /** There may be other keys, or time has passed. returns whether there is a new topic. */
  refresh(): boolean {
    const { volume, clock } = this.#c
    const now = clock.now()
    const { epoch } = volume.membership
    const isFirst = this.#topics.size === 0
    const current = new Set(this.#topicsOf(epoch))
    // Others may not have heard of the epoch in which this node starts.
    const former = isFirst ? this.#topicsOf(epoch - 1) : []
    for (const topic of former) this.#join(topic, this.#formerUntil(now))
    let isNew = false
    for (const topic of current) isNew = this.#join(topic, undefined) || isNew
    for (const [topic, subscription] of this.#topics) {
      if (current.has(topic)) continue
      subscription.until ??= this.#formerUntil(now)
      if (now >= subscription.until) this.#leave(topic, subscription)
    }
    for (const [topic, subscription] of this.#topics) {
      if (this.#topics.size <= TOPICS_MAX) break
      this.#leave(topic, subscription)
    }
    return isNew
  }

  /** The topics to publish to: that of the key that seals now, and former ones. */
  speaking(): readonly string[] {
    const { membership } = this.#c.volume
    const [own] = this.#topicsOf(membership.epoch)
    const former = [...this.#topics].filter(([, { until }]) => until !== undefined)
    return own === undefined ? [] : [own, ...former.map(([topic]) => topic)]
  }

  stop(): void {
    for (const [topic, subscription] of this.#topics) this.#leave(topic, subscription)
  }

  #topicsOf(epoch: number): string[] {
    const { id, membership } = this.#c.volume
    return membership.swarmKeys(epoch).map((key) => {
      const hex = toHex(key)
      const known = this.#names.get(hex)
      if (known !== undefined) return known
      if (this.#names.size >= TOPICS_MAX) this.#names.clear()
      const name = headsTopic(id, key)
      this.#names.set(hex, name)
      return name
    })
  }

  #formerUntil(now: Instant): Instant {
    return (now + FORMER_MS) as Instant
  }

  #join(topic: string, until: Instant | undefined): boolean {
    const known = this.#topics.get(topic)
    if (known !== undefined) known.until = until
    else this.#topics.set(topic, { leave: this.#c.subscribe(topic), until })
    return known === undefined
  }

  #leave(topic: string, { leave }: Subscription): void {
    this.#topics.delete(topic)
    leave()
  }
}
