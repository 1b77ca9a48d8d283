// One claim, asked of all voters. Who takes a lock asks the first voter before the others, and who
// gives one up tells it after the others: so those who want one lock are put in order by the first
// voter, and what is free there is free.
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Claim } from '../../protocol/locks/claim.ts'
import type { Voters } from '../../protocol/strong/voters.ts'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'

/** The outcome of a claim. */
export type Round =
  /** A majority has granted it; the logs of those who have. */
  | { readonly kind: 'granted'; readonly logs: readonly VersionVector[] }
  /**
   * Somebody else is in the way; or voters that started a moment ago are silent; or too few answer.
   */
  | {
      readonly kind: 'busy' | 'starting' | 'no-quorum'
      readonly answered: number
      /** Some may have granted it all the same. */
      readonly isGrantedBySome: boolean
    }

export interface VotersAsked {
  readonly ask: (peer: PeerId, request: LockRequest) => Promise<LockReply>
  /** A voter has another opinion on who the voters are, so the log of one of us lacks something. */
  readonly onStale: (peer: PeerId) => void
  /** Voters that did not answer when they were asked last: never the first. Kept up to date. */
  readonly silent: Set<PeerId>
}

export async function askVoters(voters: Voters, claim: Claim, asked: VotersAsked): Promise<Round> {
  const poll = new Poll(voters, asked)
  const order = voters.toSorted((a, b) => poll.rank(a) - poll.rank(b))
  if (claim.wanted === undefined) {
    const [first, ...others] = order
    await poll.ask(others, claim, poll.majority - 1)
    if (first !== undefined) await poll.ask([first], claim, poll.majority)
    return poll.round()
  }
  while (order.length > 0 && poll.granted === 0) {
    await poll.ask(order.splice(0, 1), { ...claim, isFirst: true }, 1)
    if (poll.isRefused) return poll.round()
  }
  await poll.ask(order, claim, poll.majority)
  return poll.round()
}

class Poll {
  readonly majority: number
  readonly #c: VotersAsked
  readonly #replies = new Map<PeerId, LockReply | undefined>()

  constructor(voters: Voters, components: VotersAsked) {
    this.#c = components
    this.majority = Math.floor(voters.length / 2) + 1
  }

  rank(peer: PeerId): number {
    return this.#c.silent.has(peer) ? 1 : 0
  }

  get granted(): number {
    return this.#count('granted')
  }

  get isRefused(): boolean {
    return this.#count('busy') > 0
  }

  /** Returns when so many in all have granted it, or all of these have answered or failed. */
  async ask(peers: readonly PeerId[], claim: Claim, enough: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const heard = (peer: PeerId, reply: LockReply | undefined): void => {
      this.#replies.set(peer, reply)
      if (reply === undefined) this.#c.silent.add(peer)
      else this.#c.silent.delete(peer)
      if (reply?.kind === 'stale') this.#c.onStale(peer)
      const isOver = peers.every((one) => this.#replies.has(one))
      if (isOver || this.granted >= enough) resolve()
    }
    for (const peer of peers) {
      this.#c.ask(peer, { kind: 'claim', claim }).then(
        (reply) => heard(peer, reply),
        () => heard(peer, undefined),
      )
    }
    if (peers.length > 0) await promise
  }

  round(): Round {
    const replies = [...this.#replies.values()]
    if (this.granted >= this.majority) {
      const logs = replies.flatMap((reply) => (reply?.kind === 'granted' ? [reply.log] : []))
      return { kind: 'granted', logs }
    }
    const answered = replies.filter((reply) => reply !== undefined).length
    const isGrantedBySome = this.granted > 0 || answered < this.#replies.size
    const isStarting = this.#count('starting') + this.#count('stale') > 0
    const kind = this.isRefused ? 'busy' : isStarting ? 'starting' : 'no-quorum'
    return { kind, answered, isGrantedBySome }
  }

  #count(kind: LockReply['kind']): number {
    return [...this.#replies.values()].filter((reply) => reply?.kind === kind).length
  }
}
