// This node as a voter on the strong writes of one volume: protocol/strong/acceptor.ts over the volume's store. Invariants:
//   nothing is said of a vote that is not durable
//   it accepts only an entry that it could apply at once: valid, and with its whole past held here; so what is chosen
//   outlives its writer, and no entry that cannot be applied is ever chosen
//   a voter that was restored from an old copy, and so may have forgotten a promise, votes no more until it has been
//   taken out of the voters and put in again
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { decodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { NO_VOTE, vote } from '../../protocol/strong/acceptor.ts'
import type {
  Accepted,
  StrongReply,
  StrongRequest,
  Value,
  Vote,
} from '../../protocol/strong/acceptor.ts'
import { decodeBallot, encodeBallot } from '../../protocol/strong/ballot.ts'
import { decodeAccepted, encodeAccepted } from '../../protocol/wire/strong.ts'
import type { Volume } from './volume.ts'

const VOTE: ByteString = 'Qv'

export class StrongVoter {
  readonly #volume: Volume
  #state: Vote = NO_VOTE
  #durable: Vote
  /** The incarnation of this node that cast the vote. */
  #by: ActorId | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(volume: Volume) {
    this.#volume = volume
    const bytes = volume.view.get(VOTE)
    if (bytes !== undefined) [this.#by, this.#state] = decodeVote(bytes)
    this.#durable = this.#state
  }

  /** What it accepted last. */
  get accepted(): Accepted | undefined {
    return this.#isLost ? undefined : this.#durable.accepted
  }

  /** The entry accepted last, if the log here lacks it: it may have been chosen. */
  get unlearned(): Entry | undefined {
    const { accepted } = this.#durable
    if (accepted === undefined) return undefined
    const entry = decodeEntry(accepted.value.entry)
    return this.#volume.tentative.holds(entry) ? undefined : entry
  }

  /**
   * Answer a member, one after the other.
   * throws ShoalError 'missing-past' while what the entry follows is not held here, 'future-clock', 'ESTALE' for a lost
   * vote, and what is wrong with an entry that nobody can apply.
   */
  answer(request: StrongRequest): Promise<StrongReply> {
    const answer = this.#last.then(() => this.#answer(request))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async #answer(request: StrongRequest): Promise<StrongReply> {
    if (request.kind === 'accept' && this.#isNewIn(request.value)) this.#forget()
    if (this.#isLost) {
      throw new ShoalError(
        'ESTALE',
        'it was restored from an old copy and may have forgotten a vote; take it out of the voters, then put it in again',
      )
    }
    if (request.kind === 'query') return vote(this.#durable, request)[1]
    if (request.kind === 'accept') this.#checkApplies(decodeEntry(request.value.entry))
    const [state, reply] = vote(this.#state, request)
    if (state !== this.#state) {
      this.#by = this.#volume.actor
      this.#state = state
      this.#volume.view.put(VOTE, encodeVote(this.#by, state))
    }
    if (this.#state !== this.#durable) {
      await this.#volume.commit()
      this.#durable = this.#state
    }
    return reply
  }

  get #isLost(): boolean {
    return this.#by !== undefined && this.#by !== this.#volume.actor
  }

  /** Is this voter one of those who take the place of others? */
  #isNewIn({ groups }: Value): boolean {
    const { peer } = this.#volume.identity
    const [from, to] = groups
    return to?.includes(peer) === true && !from.includes(peer)
  }

  /** Nobody counts on what this node promised before. */
  #forget(): void {
    if (!this.#isLost) return
    this.#by = undefined
    this.#state = NO_VOTE
  }

  #checkApplies(entry: Entry): void {
    const { tentative } = this.#volume
    if (tentative.holds(entry)) return
    const before = this.unlearned
    // Whoever wrote this one has applied that one, so it was chosen.
    if (before !== undefined && isFollowedBy(before, entry)) tentative.learn(before)
    const verdict = tentative.verdictOn(entry)
    if (verdict === 'applied' || verdict === 'known') return
    const code = verdict === 'future-clock' ? verdict : 'missing-past'
    throw new ShoalError(code, `it cannot take the entry yet: ${verdict}`)
  }
}

function isFollowedBy(before: Entry, { header }: Entry): boolean {
  return header.prev === before.hash || header.deps.some(({ hash }) => hash === before.hash)
}

function encodeVote(by: ActorId, { promised, accepted }: Vote): Uint8Array {
  return encodeCbor({
    by: fromHex(by),
    p: promised === undefined ? null : encodeBallot(promised),
    a: accepted === undefined ? null : encodeAccepted(accepted),
  })
}

function decodeVote(bytes: Uint8Array): [ActorId, Vote] {
  const f = new Fields(decodeCbor(bytes, 'vote'), 'vote')
  const promised = f.has('p') ? decodeBallot(f.raw('p')) : undefined
  const accepted = f.has('a') ? decodeAccepted(f.raw('a')) : undefined
  return [toHex(f.bytes('by', 16)) as ActorId, { promised, accepted }]
}
