// One question to all voters at once: none is waited for that is not needed to know what they say
// together.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { StrongReply } from '../../protocol/strong/acceptor.ts'
import type { Setback, Tally } from '../../protocol/strong/round.ts'
import { everyVoter } from '../../protocol/strong/voters.ts'
import type { Voters } from '../../protocol/strong/voters.ts'

export class Poll implements Tally {
  readonly replies: ReadonlyMap<PeerId, StrongReply>
  readonly failures: ReadonlyMap<PeerId, ShoalError>
  readonly #ask: (peer: PeerId) => Promise<StrongReply>
  readonly #replies = new Map<PeerId, StrongReply>()
  readonly #failures = new Map<PeerId, ShoalError>()
  readonly #failed = new Set<PeerId>()
  #groups: readonly Voters[] = []
  #heard: PromiseWithResolvers<void> = Promise.withResolvers()

  /** ask: throws ShoalError for a voter that does not answer, or whose answer does not count. */
  constructor(groups: readonly Voters[], ask: (peer: PeerId) => Promise<StrongReply>) {
    this.#ask = ask
    this.replies = this.#replies
    this.failures = this.#failures
    this.widen(groups)
  }

  get groups(): readonly Voters[] {
    return this.#groups
  }

  get failed(): ReadonlySet<PeerId> {
    return this.#failed
  }

  /** Ask these, too. */
  widen(groups: readonly Voters[]): void {
    const asked = new Set(everyVoter(this.#groups))
    this.#groups = [...this.#groups, ...groups]
    for (const peer of everyVoter(groups)) {
      if (asked.has(peer)) continue
      this.#ask(peer).then(
        (reply) => {
          this.#replies.set(peer, reply)
          this.#told()
        },
        (error: unknown) => this.drop(peer, error as ShoalError),
      )
    }
  }

  /** Ignores the reply of a voter. */
  drop(peer: PeerId, error: ShoalError): void {
    this.#failed.add(peer)
    this.#failures.set(peer, error)
    this.#told()
  }

  /**
   * The common conclusion of the replies, as soon as `judge` can tell; 'no-quorum' also when it is
   * too late.
   */
  async outcome<Outcome>(
    judge: (tally: Tally) => Outcome | Setback | undefined,
    signal: AbortSignal,
  ): Promise<Outcome | Setback> {
    const onAbort = (): void => this.#told()
    signal.addEventListener('abort', onAbort)
    try {
      for (;;) {
        if (signal.aborted) return { kind: 'no-quorum' }
        const outcome = judge(this)
        if (outcome !== undefined) return outcome
        await this.#heard.promise
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The error that names missing voters, with reasons. */
  noQuorum(nameOf: (peer: PeerId) => string): ShoalError {
    const voters = everyVoter(this.#groups)
    const missing = voters
      .filter((peer) => this.#failed.has(peer) || !this.#replies.has(peer))
      .map((peer) => `${nameOf(peer)} (${reasonOf(this.#failures.get(peer))})`)
    return new ShoalError(
      'NO_QUORUM',
      `${voters.length - missing.length} of ${voters.length} voters answered, ` +
        `and a majority is required; missing: ${missing.join(', ')}`,
    )
  }

  #told(): void {
    this.#heard.resolve()
    this.#heard = Promise.withResolvers()
  }
}

/** Short: the message of a failed dial is all that was tried, and names the peer again. */
function reasonOf(failure: ShoalError | undefined): string {
  if (failure === undefined || failure.code === 'timeout') return 'no answer'
  return failure.code === 'unreachable' ? 'out of reach' : failure.message
}
