// Finds connections that died without a word. Whatever comes shows that a peer is there, so only
// one that is silent is asked, and cut off if nothing comes then either: where peers talk anyway,
// this costs nothing. One timer for all connections, at common times, so that a node wakes once for
// many.
import { ignoreFailure } from '../ignore-failure.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import type { Instant } from '../../../protocol/units.ts'
import type { Clock, Timer } from '../world.ts'

/** At multiples of it connections are looked at. */
const LOOK_MS: number = 2.5 * SECOND_MS
/** Silent for so long, a peer is asked. */
const QUIET_MS: number = 3 * LOOK_MS
/** A peer that does not answer for so long is cut off; shorter, and a busy peer would be. */
const ANSWER_MS: number = 4 * LOOK_MS

/** The peer at the other end of a connection. */
export interface Listened {
  /** Make it say something. */
  readonly ask: () => Promise<unknown>
  /** Nothing comes any more. */
  readonly cutOff: () => void
}

interface State extends Listened {
  heardAt: Instant
  /** Nothing came since. */
  askedAt: Instant | undefined
}

export class SilenceWatch {
  readonly #clock: Pick<Clock, 'now' | 'timer'>
  readonly #connections = new Set<State>()
  #timer: Timer | undefined

  constructor(clock: Pick<Clock, 'now' | 'timer'>) {
    this.#clock = clock
  }

  /** Watch a connection. `heard` is to be called whenever something came, `end` at its end. */
  add(listened: Listened): { heard: () => void; end: () => void } {
    const state: State = { ...listened, heardAt: this.#clock.now(), askedAt: undefined }
    this.#connections.add(state)
    if (this.#timer === undefined) this.#plan()
    return {
      heard: () => {
        state.heardAt = this.#clock.now()
        state.askedAt = undefined
      },
      end: () => this.#end(state),
    }
  }

  #end(state: State): void {
    this.#connections.delete(state)
    if (this.#connections.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Look again when the first of them is due, not whenever one is heard. */
  #plan(): void {
    const dues = [...this.#connections].map(dueAt)
    if (dues.length === 0) return
    const at = Math.ceil(Math.min(...dues) / LOOK_MS) * LOOK_MS
    const now = this.#clock.now()
    this.#timer = this.#clock.timer(Math.max(0, at - now), () => {
      this.#timer = undefined
      this.#look(at)
    })
  }

  /** A node that stood still has not read yet what came meanwhile: it asks anew. */
  #look(plannedAt: number): void {
    const now = this.#clock.now()
    const stoodStill = now - plannedAt > LOOK_MS
    for (const state of this.#connections) {
      if (dueAt(state) > now) continue
      if (state.askedAt === undefined || stoodStill) {
        state.askedAt = now
        void ignoreFailure(state.ask(), 'a connection that is dead is cut off')
      } else {
        this.#end(state)
        state.cutOff()
      }
    }
    if (this.#timer === undefined) this.#plan()
  }
}

function dueAt({ heardAt, askedAt }: State): number {
  return askedAt === undefined ? heardAt + QUIET_MS : askedAt + ANSWER_MS
}
