// Voters of one register on a network that loses, doubles and overtakes messages, with crashes. The
// log is what they accepted: each entry knows the one that it came after. Every statement that a
// voter made is kept.
import assert from 'node:assert/strict'
import { toByteString, toHex, utf8 } from '../../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { NO_VOTE, claimOf, vote } from '../../../protocol/strong/acceptor.ts'
import { checkGrounds } from '../../../protocol/strong/grounds.ts'
import { nextOffice } from '../../../protocol/strong/office.ts'
import { isSigned, signStatement } from '../../../protocol/strong/statement.ts'
import { Turns } from '../../../protocol/strong/turns.ts'
import { digestOf } from '../../../protocol/strong/value.ts'
import { everyVoter, makeVoters } from '../../../protocol/strong/voters.ts'
import {
  decodeStrongAnswer,
  decodeStrongRequest,
  encodeStrongAnswer,
  encodeStrongRequest,
} from '../../../protocol/wire/strong.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../../../protocol/ids.ts'
import type { Identity } from '../../../protocol/signed.ts'
import type { Ask, Report, StrongReply, Vote } from '../../../protocol/strong/acceptor.ts'
import type { Grounds } from '../../../protocol/strong/grounds.ts'
import type { Office } from '../../../protocol/strong/office.ts'
import type { Statement } from '../../../protocol/strong/statement.ts'
import type { Claim, EntryName, Value } from '../../../protocol/strong/value.ts'
import type { Voters } from '../../../protocol/strong/voters.ts'
import type { Instant } from '../../../protocol/units.ts'

export const VOLUME = '00'.repeat(32) as VolumeId
const IDENTITIES: ReadonlyMap<PeerId, Identity> = new Map(
  ['a', 'b', 'c', 'd', 'e', 'mallory'].map((name) => {
    const identity = identityFromSeed(blake3(utf8(name)))
    return [identity.peer, identity]
  }),
)
/** A peer that never votes. */
export const MALLORY: PeerId = [...IDENTITIES.keys()][5] as PeerId
/**
 * Five peers; by how many of them are voters a run begins with the first three, and may move on.
 */
export const PEERS: Voters = makeVoters([...IDENTITIES.keys()].slice(0, 5))
export const FIRST: Voters = PEERS.slice(0, 3)
export const FIRST_OFFICE: Office = {
  number: 0,
  voters: FIRST,
  before: FIRST,
  terms: new Map(FIRST.map((peer) => [peer, 0])),
}
const ASK_MS = 60

export interface Faults {
  readonly lossRate: number
  readonly duplicateRate: number
  readonly crashRate: number
  /** Voters change from time to time. */
  readonly moves: boolean
}

/** The course of a write or read, in virtual time. */
export interface Call {
  readonly kind: 'write' | 'read'
  readonly id: string
  readonly startMs: number
  endMs: number
  /** 'done': the write is in the chain. 'unknown': it may be. 'refused': it is not. */
  outcome: 'done' | 'unknown' | 'refused'
  /** The newest value that it saw: one of its own for a write. */
  saw: string
}

/** One attempt of a write, the value that it came after, and whom it named. */
export interface ModelEntry {
  readonly id: string
  readonly before: string
  readonly names?: readonly PeerId[]
}

/** The write that a value is an attempt of. */
export const callOf = (id: string): string => id.split('#')[0] ?? ''

export function readEntry(bytes: Uint8Array): ModelEntry {
  return decodeCbor(bytes, 'test entry') as ModelEntry
}

export function valueOf(entry: ModelEntry, groups: Value['groups']): Value {
  const bytes = encodeCbor(entry)
  const hash = toHex(blake3(bytes)) as EntryHash
  return { groups, name: { actor: '0a'.repeat(16) as ActorId, seq: 1, hash }, entry: bytes }
}

/** How a voter answers, in place of what it should. */
export type Lie = (
  truth: StrongReply,
  request: Ask,
  sign: (standing: Omit<Statement, 'voter' | 'signature'>) => Statement,
) => StrongReply

export class Cloud {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly faults: Faults
  readonly calls: Call[] = []
  /** Values that some voter accepted, by id and by hash. */
  readonly entries: Map<string, ModelEntry> = new Map()
  readonly byHash: Map<EntryHash, ModelEntry> = new Map()
  /** The voters after some value that was accepted. */
  readonly deciders: Set<PeerId> = new Set()
  /** The statements of voters, as proposers and other voters got them. */
  readonly said: Statement[] = []
  readonly #clock: VirtualClock
  readonly #votes = new Map<PeerId, Vote>()
  readonly #turns = new Map<PeerId, Turns>()
  readonly #lies = new Map<PeerId, Lie>()
  /** Every value that was ever accepted, by ballot. */
  readonly #byBallot = new Map<string, string>()
  /** Raised by a crash: what was on its way to or from a voter is lost, what it answered is not. */
  readonly #runs = new Map<PeerId, number>()
  #healed = false

  constructor(seed: number | string, faults: Faults) {
    this.scheduler = new Scheduler(seed)
    this.random = new SeededRandom(seed, 'cloud')
    this.faults = faults
    this.#clock = new VirtualClock(new SimulatedProcess(this.scheduler, 'voters'))
  }

  heal(): void {
    this.#healed = true
  }

  /** A voter does not say what it should. */
  corrupt(peer: PeerId, lie: Lie): void {
    this.#lies.set(peer, lie)
  }

  /** A voter forgets all that it had not made durable: nothing, since it answers after that. */
  crash(peer: PeerId): void {
    this.#runs.set(peer, (this.#runs.get(peer) ?? 0) + 1)
    this.#turns.delete(peer)
  }

  /** A value that was accepted and all before it, newest first: what a node's log tells it. */
  pastOf(last: string): readonly string[] {
    const past: string[] = []
    for (let id = last; id !== ''; id = this.entries.get(id)?.before ?? '') past.push(id)
    return past
  }

  /** The voters in office after a value. */
  officeAfter({ before, names }: ModelEntry): Office {
    const known = this.entries.get(before)
    const office = known === undefined ? FIRST_OFFICE : this.officeAfter(known)
    return names === undefined ? office : nextOffice(office, office.voters, makeVoters(names))
  }

  acceptedBy(peer: PeerId): Vote['accepted'] {
    return this.#votes.get(peer)?.accepted
  }

  /** throws ShoalError for what may not have been accepted. */
  check(claim: Claim, grounds: Grounds, entry: ModelEntry, self?: PeerId): void {
    checkGrounds(claim, grounds, {
      first: FIRST,
      office: this.officeAfter(entry),
      accepted: self && this.acceptedBy(self)?.value.groups,
      mayVote: () => true,
      isSigned: (statement) => {
        this.said.push(statement)
        return isSigned(VOLUME, statement)
      },
      follows: ({ name }) => this.#follows(entry, name),
    })
  }

  #follows(entry: ModelEntry, { hash }: EntryName): boolean {
    const base = this.byHash.get(hash)
    if (base === undefined) return false
    return base.id === entry.id || this.pastOf(entry.before).includes(base.id)
  }

  ask(
    clock: VirtualClock,
    from: PeerId,
    peer: PeerId,
    request: Ask,
    signal: AbortSignal,
  ): Promise<StrongReply> {
    const bytes = encodeStrongRequest(VOLUME, request)
    return new Promise((resolve, reject) => {
      const late = clock.timeout(ASK_MS, signal)
      late.addEventListener('abort', () => reject(new ShoalError('timeout', 'no answer')))
      for (let copies = this.#copies(); copies > 0; copies--) {
        this.#deliver(peer, () => {
          const reply = this.#answerOf(peer, from, bytes)
          for (let back = this.#copies(); back > 0; back--)
            this.#deliver(peer, () =>
              reply instanceof ShoalError ? reject(reply) : resolve(reply),
            )
        })
      }
    })
  }

  #copies(): number {
    if (this.#healed) return 1
    if (this.random.chance(this.faults.lossRate)) return 0
    return this.random.chance(this.faults.duplicateRate) ? 2 : 1
  }

  #deliver(peer: PeerId, run: () => void): void {
    const at = this.#runs.get(peer)
    const slow = !this.#healed && this.random.chance(0.05) ? 40 : 1
    this.scheduler.after(this.random.number() * 10 * slow, `to ${peer}`, () => {
      if (this.#runs.get(peer) === at) run()
    })
  }

  #answerOf(peer: PeerId, from: PeerId, bytes: Uint8Array): StrongReply | ShoalError {
    const { request } = decodeStrongRequest(bytes)
    assert.ok(request.kind !== 'proofs')
    const identity = IDENTITIES.get(peer)
    assert.ok(identity !== undefined)
    try {
      const truth = this.#vote(peer, from, request)
      const sign = (standing: Omit<Statement, 'voter' | 'signature'>): Statement =>
        signStatement(identity, VOLUME, standing)
      const reply = this.#lies.get(peer)?.(truth, request, sign) ?? truth
      const answer = decodeStrongAnswer(encodeStrongAnswer(reply))
      assert.ok(answer.kind !== 'error')
      if ('statement' in answer && answer.statement !== undefined) this.said.push(answer.statement)
      return answer
    } catch (error) {
      assert.ok(error instanceof ShoalError, String(error))
      return error
    }
  }

  /** As StrongVoter does it. */
  #vote(peer: PeerId, from: PeerId, request: Ask): StrongReply {
    const state = this.#votes.get(peer) ?? NO_VOTE
    if (request.kind === 'query') return this.#stateOf(state, undefined)
    const now = this.#clock.now()
    const turns = this.#turnsOf(peer, now)
    const steps = request.counter - (state.promised?.counter ?? 0)
    let office = FIRST_OFFICE
    if (request.kind === 'prepare') {
      if (turns.isLeap(steps, now)) throw new ShoalError('unsupported', 'too far')
      if (state.promised !== undefined && !turns.mayTake(from, now))
        return { kind: 'refused', promised: state.promised }
    } else {
      const { value, grounds, counter } = request
      const entry = readEntry(value.entry)
      assert.deepEqual(valueOf(entry, value.groups), value)
      if (entry.before !== '' && !this.entries.has(entry.before))
        throw new ShoalError('missing-past', 'not yet')
      this.check({ ballot: { counter, peer: from }, ...value }, grounds, entry, peer)
      office = this.officeAfter(entry)
    }
    const after = vote(state, request, from)
    const ballot = { counter: request.counter, peer: from }
    if (after === undefined) return { kind: 'refused', promised: state.promised ?? ballot }
    this.#votes.set(peer, after)
    if (request.kind === 'prepare') turns.took(from, Math.max(0, steps), now)
    else turns.used(from, now)
    if (after.accepted !== undefined) this.#keep(after.accepted)
    const term = request.kind === 'prepare' ? request.term : (office.terms.get(peer) ?? 0)
    const { accepted, promised } = after
    assert.ok(promised !== undefined)
    const mark = accepted && { ballot: accepted.ballot, digest: digestOf(accepted.value) }
    const identity = IDENTITIES.get(peer)
    assert.ok(identity !== undefined)
    const statement = signStatement(identity, VOLUME, { term, promised, accepted: mark })
    return request.kind === 'accept'
      ? { kind: 'accepted', statement }
      : this.#stateOf(after, statement)
  }

  #stateOf({ accepted }: Vote, statement: Statement | undefined): StrongReply {
    const report: Report | undefined = accepted && {
      ...claimOf(accepted),
      entry: accepted.value.entry,
      grounds: accepted.grounds,
    }
    return { kind: 'state', accepted: report, statement }
  }

  #turnsOf(peer: PeerId, now: Instant): Turns {
    const known = this.#turns.get(peer) ?? new Turns(now)
    this.#turns.set(peer, known)
    return known
  }

  #keep({ ballot, value }: NonNullable<Vote['accepted']>): void {
    const key = `${ballot.counter} ${ballot.peer}`
    const said = toByteString(encodeCbor([value.entry, value.groups]))
    if (ballot.peer !== MALLORY)
      assert.equal(this.#byBallot.get(key) ?? said, said, 'two values at one ballot')
    this.#byBallot.set(key, said)
    for (const voter of everyVoter(value.groups)) this.deciders.add(voter)
    const entry = readEntry(value.entry)
    this.entries.set(entry.id, entry)
    this.byHash.set(value.name.hash, entry)
  }
}
