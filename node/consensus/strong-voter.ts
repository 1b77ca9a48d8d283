// This node as a voter on the strong writes of one volume: protocol/strong/acceptor.ts over the
// volume's store. Invariants:
//   nothing is said of a vote that is not durable, and what is said to a proposer is signed
//   it promises to members who may write, each by its own ballots, and accepts nothing without
//     grounds
//   it accepts only an entry that it could apply at once: valid, and with its whole past held here;
//     so what is chosen outlives its writer, and no entry that cannot be applied is ever chosen
//   a voter that may have forgotten a promise, as its home was restored from an old copy or what it
//     kept cannot be read, votes no more until it has been taken out of the voters and put in again
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { decodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { NO_VOTE, claimOf, vote } from '../../protocol/strong/acceptor.ts'
import type { Accepted, Ask, Report, StrongReply, Vote } from '../../protocol/strong/acceptor.ts'
import { compareBallots, decodeBallot, encodeBallot } from '../../protocol/strong/ballot.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import { checkGrounds, isBaseChosen } from '../../protocol/strong/grounds.ts'
import type { Grounds, GroundsContext } from '../../protocol/strong/grounds.ts'
import type { Office } from '../../protocol/strong/office.ts'
import { isSigned, signStatement } from '../../protocol/strong/statement.ts'
import type { Statement } from '../../protocol/strong/statement.ts'
import { Turns } from '../../protocol/strong/turns.ts'
import { digestOf, isSameName, isSameValue } from '../../protocol/strong/value.ts'
import type { Claim } from '../../protocol/strong/value.ts'
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { decodeAccepted, encodeAccepted } from '../../protocol/wire/strong.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { World } from '../world/world.ts'
import type { Liars } from './strong-liars.ts'
import { nameOf } from './strong-log.ts'
import type { StrongLog } from './strong-log.ts'
import type { Volume } from '../log/volume.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

const VOTE: ByteString = STATE_PREFIXES.strongVote
/** The holder of a vote that cannot be read. */
const NOBODY = '' as ActorId

export interface StrongVoterComponents {
  readonly world: Pick<World, 'clock'>
  readonly volume: Volume
  readonly log: StrongLog
  readonly liars: Liars
  readonly security: RecordSecurity
  /** Told when somebody who cannot finish it asks for what perhaps was not chosen. */
  readonly onUnsettled: () => void
}

/** A vote, by which incarnation of this node, and since which naming it has forgotten nothing. */
interface Kept extends Vote {
  readonly by: ActorId | undefined
  readonly since: number
}

export class StrongVoter {
  readonly #c: StrongVoterComponents
  readonly #turns: Turns
  /** Statements that were verified: most are seen twice. */
  readonly #verified = new WeakSet<Statement>()
  #kept: Kept
  #durable: Kept
  readonly #queue = new SerialQueue()
  #saidLeapMs = -Infinity

  constructor(components: StrongVoterComponents) {
    this.#c = components
    this.#turns = new Turns(components.world.clock.now())
    this.#kept = this.#open()
    this.#durable = this.#kept
  }

  #open(): Kept {
    const { volume, security } = this.#c
    const bytes = volume.view.get(VOTE)
    try {
      return bytes === undefined ? { ...NO_VOTE, by: undefined, since: 0 } : decodeKept(bytes)
    } catch (error) {
      const message =
        `the promises of this node as a voter cannot be read (${asShoalError(error).message}): ` +
        'it does not vote. Remove it from the voters, then add it again: ' +
        'shoal volume set voters=...'
      security({ kind: 'vote-unreadable', volume: volume.id, message })
      // A later naming must have heard of that, unlike the former one.
      volume.renewIncarnation()
      const lost = { ...NO_VOTE, by: NOBODY, since: 0 }
      volume.view.put(VOTE, encodeKept(lost))
      return lost
    }
  }

  /** The value accepted last. */
  get accepted(): Accepted | undefined {
    return this.isLost ? undefined : this.#durable.accepted
  }

  /** The entry accepted last, if the log here lacks it: it may have been chosen. */
  get unlearned(): Entry | undefined {
    const { accepted } = this.#durable
    if (accepted === undefined || this.#c.volume.tentative.holds(accepted.value.name))
      return undefined
    return decodeEntry(accepted.value.entry)
  }

  /** May it have forgotten what it promised? */
  get isLost(): boolean {
    const { volume, log, liars } = this.#c
    const { by } = this.#kept
    if (liars.has(volume.identity.peer)) return true
    if (by !== undefined) return by !== volume.actor
    return log.office.number > 0 && this.#wasAnother
  }

  /** Has this node written as another incarnation? */
  get #wasAnother(): boolean {
    const { actors, actor, identity, tentative } = this.#c.volume
    for (const { peer, id } of actors.all())
      if (peer === identity.peer && id !== actor && id !== tentative.actor) return true
    return false
  }

  /** Have the others know of this incarnation, so that an admin can take it into office. */
  introduce(): void {
    if (!this.isLost) return
    const { actors, actor } = this.#c.volume
    if (actors.get(actor) === undefined) this.#c.volume.merge()
  }

  /**
   * Answer a member, one after the other.
   * throws ShoalError 'missing-past' while what the entry follows is not held here, 'future-clock',
   * 'ESTALE' for a lost vote, 'EACCES' for who may not propose, 'bad-signature' and 'malformed' for
   * what has no grounds, and what is wrong with an entry that nobody can apply.
   */
  answer(request: Ask, from: PeerId): Promise<StrongReply> {
    return this.#queue.run(() => this.#answer(request, from))
  }

  async #answer(request: Ask, from: PeerId): Promise<StrongReply> {
    const mayPropose = !enforces('votes-for-writers') || this.#c.log.mayWrite(from)
    if (request.kind === 'query') {
      this.#checkNotLost()
      const accepted = this.#report(mayPropose, request.grounds)
      return { kind: 'state', accepted, statement: undefined }
    }
    if (!mayPropose)
      throw new ShoalError('EACCES', 'only admins and writers may have values accepted')
    return request.kind === 'prepare' ? this.#promise(request, from) : this.#accept(request, from)
  }

  /** A peer that may not propose cannot finish what was begun, and is shown only chosen values. */
  #report(mayPropose: boolean, withGrounds: boolean): Report | undefined {
    const { accepted } = this.#durable
    if (accepted === undefined) return undefined
    const isShown = mayPropose || this.#c.volume.tentative.holds(accepted.value.name)
    if (!isShown) this.#c.onUnsettled()
    return {
      ...claimOf(accepted),
      entry: isShown ? accepted.value.entry : undefined,
      grounds: withGrounds ? accepted.grounds : undefined,
    }
  }

  async #promise(request: Extract<Ask, { kind: 'prepare' }>, from: PeerId): Promise<StrongReply> {
    this.#checkNotLost()
    this.#checkTerm(request.term)
    const now = this.#c.world.clock.now()
    const { promised } = this.#kept
    const steps = request.counter - (promised?.counter ?? 0)
    if (this.#turns.isLeap(steps, now)) throw this.#leap(from, steps)
    if (promised !== undefined && !this.#turns.mayTake(from, now))
      return { kind: 'refused', promised }
    const after = vote(this.#kept, request, from)
    if (after === undefined) {
      this.#turns.missed(from, now)
      return this.#refuse({ counter: request.counter, peer: from })
    }
    this.#turns.took(from, Math.max(0, steps), now)
    const statement = await this.#keep(after, request.term)
    return { kind: 'state', accepted: this.#report(true, true), statement }
  }

  async #accept(request: Extract<Ask, { kind: 'accept' }>, from: PeerId): Promise<StrongReply> {
    const { value, grounds } = request
    const ballot = { counter: request.counter, peer: from }
    const { promised, accepted } = this.#kept
    const isAgain = compareBallots(ballot, accepted?.ballot) === 0
    if (!isAgain && compareBallots(ballot, promised) < 0) return this.#refuse(ballot)
    const entry = decodeEntry(value.entry)
    if (!isSameName(value.name, nameOf(entry)))
      throw new ShoalError('malformed', 'a value does not name its entry')
    this.#learnBase(grounds)
    this.#checkApplies(entry)
    const office = this.#c.log.officeAfter(entry, value.groups)
    const isTakenIn = this.#isTakenIn(entry, office)
    if (!isTakenIn) this.#checkNotLost()
    this.#check({ ballot, ...value }, grounds, entry, (peer) => this.#c.log.mayVote(peer))
    // As one who is in office anew it has promised nothing yet.
    if (isTakenIn) this.#kept = { ...NO_VOTE, by: this.#c.volume.actor, since: office.number }
    const after = vote(this.#kept, request, from)
    if (after === undefined) return this.#refuse(ballot)
    this.#turns.used(from, this.#c.world.clock.now())
    const term = office.terms.get(this.#c.volume.identity.peer) ?? this.#kept.since
    return { kind: 'accepted', statement: await this.#keep(after, term) }
  }

  /**
   * May a value, whose entry could be applied here, have been accepted, perhaps by the promise of
   * one who was removed since? throws as checkGrounds.
   */
  check(claim: Claim, grounds: Grounds, entry: Entry): void {
    this.#check(claim, grounds, entry, () => true)
  }

  #check(claim: Claim, grounds: Grounds, entry: Entry, mayVote: GroundsContext['mayVote']): void {
    const { log } = this.#c
    const office = log.officeAfter(entry, claim.groups)
    const follows = (base: Claim): boolean => log.follows(entry, base.name)
    checkGrounds(claim, grounds, { ...this.#context(office), mayVote, follows })
  }

  /** Is a statement signed, by one that has not lied? */
  isRight(statement: Statement): boolean {
    return !this.#c.liars.has(statement.voter) && this.#isSigned(statement)
  }

  #context(office: Office): Omit<GroundsContext, 'follows'> {
    const { log } = this.#c
    return {
      first: log.first,
      office,
      accepted: this.accepted?.value.groups,
      mayVote: (peer) => log.mayVote(peer),
      isSigned: (statement) => this.isRight(statement),
    }
  }

  #isSigned(statement: Statement): boolean {
    if (this.#verified.has(statement)) return true
    if (!isSigned(this.#c.volume.id, statement)) return false
    this.#verified.add(statement)
    this.#c.liars.heard(statement)
    return true
  }

  /**
   * Make a vote durable. returns what this voter says of itself then, as who is in office for that
   * time.
   */
  async #keep({ promised, accepted }: Vote, term: number): Promise<Statement> {
    const { volume } = this.#c
    const before = this.#kept
    if (promised !== before.promised || accepted !== before.accepted) {
      this.#kept = { by: volume.actor, since: before.since, promised, accepted }
      volume.view.put(VOTE, encodeKept(this.#kept))
    }
    if (this.#kept !== this.#durable) {
      await volume.commit()
      this.#durable = this.#kept
    }
    if (promised === undefined) throw new ShoalError('internal', 'a vote without a promise')
    const mark = accepted && { ballot: accepted.ballot, digest: digestOf(accepted.value) }
    return signStatement(volume.identity, volume.id, { term, promised, accepted: mark })
  }

  #refuse(ballot: Ballot): StrongReply {
    return { kind: 'refused', promised: this.#kept.promised ?? ballot }
  }

  #leap(from: PeerId, steps: number): ShoalError {
    const { volume, security, world } = this.#c
    const message = `${volume.membership.nameOf(from)} asks this voter for a ballot ${steps} above the last`
    const now = world.clock.now()
    if (now - this.#saidLeapMs > MINUTE_MS) {
      this.#saidLeapMs = now
      security({ kind: 'ballot-leap', volume: volume.id, peer: from, message })
    }
    return new ShoalError('unsupported', `${message}, which is too far`)
  }

  /**
   * Does an entry take this voter, which is lost, into office, by an admin who knew which
   * incarnation of it that is?
   */
  #isTakenIn(entry: Entry, office: Office): boolean {
    const { volume, log } = this.#c
    if (!this.isLost || office.number <= this.#kept.since) return false
    return log.takesIn(entry, volume.identity.peer, volume.actor)
  }

  /** The next naming may be under way; of more than that the log here would tell. */
  #checkTerm(term: number): void {
    if (term >= this.#kept.since && term <= this.#c.log.office.number + 1) return
    throw new ShoalError('missing-past', `as a voter it is in office for another term than ${term}`)
  }

  #checkNotLost(): void {
    if (!this.isLost) return
    this.introduce()
    throw new ShoalError(
      'ESTALE',
      'it may have forgotten a vote, because it was damaged or restored from an old copy; ' +
        'remove it from the voters, then add it again',
    )
  }

  /** Learns that the accepted value was chosen, which a value after it proves. */
  #learnBase([ground]: Grounds): void {
    const { accepted } = this.#durable
    const before = this.unlearned
    if (before === undefined || accepted === undefined || ground?.base === undefined) return
    if (!isSameValue(ground.base, accepted.value)) return
    const { groups } = accepted.value
    const context = this.#context(this.#c.log.officeAfter(before, groups))
    if (isBaseChosen(ground, context)) this.#c.volume.tentative.learn(before)
  }

  #checkApplies(entry: Entry): void {
    const { tentative } = this.#c.volume
    if (tentative.holds(nameOf(entry))) return
    const verdict = tentative.verdictOn(entry)
    if (verdict === 'applied' || verdict === 'known') return
    const code = verdict === 'future-clock' ? verdict : 'missing-past'
    throw new ShoalError(code, `it cannot apply the entry yet: ${verdict}`)
  }
}

function encodeKept({ by = NOBODY, since, promised, accepted }: Kept): Uint8Array {
  return encodeCbor({
    by: fromHex(by),
    s: since,
    p: promised === undefined ? null : encodeBallot(promised),
    a: accepted === undefined ? null : encodeAccepted(accepted),
  })
}

/** throws ShoalError 'malformed'. */
function decodeKept(bytes: Uint8Array): Kept {
  const f = new Fields(decodeCbor(bytes, 'vote'), 'vote')
  return {
    by: toHex(f.bytes('by', 16)) as ActorId,
    since: f.integer('s'),
    promised: f.has('p') ? decodeBallot(f.raw('p')) : undefined,
    accepted: f.has('a') ? decodeAccepted(f.raw('a')) : undefined,
  }
}
