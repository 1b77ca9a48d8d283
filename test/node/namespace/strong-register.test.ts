// Registers on a network that loses, doubles and overtakes messages, with proposers and voters that crash: whatever
// happens, what callers saw is what one register would have shown them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Register } from '../../../node/namespace/strong-register.ts'
import { toByteString, utf8 } from '../../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { NO_VOTE, vote } from '../../../protocol/strong/acceptor.ts'
import { makeVoters, nextVoters, sameVoters } from '../../../protocol/strong/voters.ts'
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
import type { Chosen } from '../../../node/namespace/strong-register.ts'
import type { PeerId, VolumeId } from '../../../protocol/ids.ts'
import type { StrongReply, StrongRequest, Value, Vote } from '../../../protocol/strong/acceptor.ts'
import type { Groups, Voters } from '../../../protocol/strong/voters.ts'

const VOLUME = '00'.repeat(32) as VolumeId
/** Five peers; by how many of them are voters a run begins with the first three, and may move on. */
const PEERS: Voters = makeVoters(
  ['a', 'b', 'c', 'd', 'e'].map((name) => identityFromSeed(blake3(utf8(name))).peer),
)
const ASK_MS = 60
const CALL_MS = 2000

interface Faults {
  readonly lossRate: number
  readonly duplicateRate: number
  readonly crashRate: number
  /** Voters change from time to time. */
  readonly moves: boolean
}

/** What a write or read did, in virtual time. */
interface Call {
  readonly kind: 'write' | 'read'
  readonly id: string
  readonly startMs: number
  endMs: number
  /** Of a write 'done': it is in the chain. 'unknown': it may be. 'refused': it is not. */
  outcome: 'done' | 'unknown' | 'refused'
  /** The newest value that it saw: one of its own for a write. */
  saw: string
}

/** A value: one attempt of a write, and the value that it came after. */
interface Entry {
  readonly id: string
  readonly before: string
}

/** The write that a value is an attempt of. */
const callOf = (id: string): string => id.split('#')[0] ?? ''
const decodeEntry = (bytes: Uint8Array): Entry => decodeCbor(bytes, 'test entry') as Entry

/** Voters and proposers on one scheduler. */
class Cloud {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly faults: Faults
  readonly calls: Call[] = []
  /** Every value that was ever accepted, by ballot. */
  readonly byBallot = new Map<string, string>()
  /** Values that some voter accepted, by id. */
  readonly entries = new Map<string, Entry>()
  readonly #votes = new Map<PeerId, Vote>()
  /** Raised by a crash: what was on its way to or from a voter is lost, what it answered is not. */
  readonly #runs = new Map<PeerId, number>()
  #healed = false

  constructor(seed: number, faults: Faults) {
    this.scheduler = new Scheduler(seed)
    this.random = new SeededRandom(seed, 'cloud')
    this.faults = faults
  }

  heal(): void {
    this.#healed = true
  }

  /** A voter forgets all that it had not made durable: nothing, since it answers after that. */
  crash(peer: PeerId): void {
    this.#runs.set(peer, (this.#runs.get(peer) ?? 0) + 1)
  }

  /** A value that was accepted and all before it, newest first: what a node's log tells it. */
  pastOf(last: string): readonly string[] {
    const past: string[] = []
    for (let id = last; id !== ''; id = this.entries.get(id)?.before ?? '') past.push(id)
    return past
  }

  acceptedBy(peer: PeerId): Vote['accepted'] {
    return this.#votes.get(peer)?.accepted
  }

  ask(
    clock: VirtualClock,
    peer: PeerId,
    request: StrongRequest,
    signal: AbortSignal,
  ): Promise<StrongReply> {
    const bytes = encodeStrongRequest(VOLUME, request)
    return new Promise((resolve, reject) => {
      const late = clock.timeout(ASK_MS, signal)
      late.addEventListener('abort', () => reject(new ShoalError('timeout', 'no answer')))
      for (let copies = this.#copies(); copies > 0; copies--) {
        this.#deliver(peer, () => {
          const reply = this.#voteOf(peer, bytes)
          for (let back = this.#copies(); back > 0; back--)
            this.#deliver(peer, () => resolve(reply))
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

  #voteOf(peer: PeerId, bytes: Uint8Array): StrongReply {
    const { request } = decodeStrongRequest(bytes)
    const [after, reply] = vote(this.#votes.get(peer) ?? NO_VOTE, request)
    this.#votes.set(peer, after)
    if (after.accepted !== undefined) this.#check(after.accepted)
    const answer = decodeStrongAnswer(encodeStrongAnswer(reply))
    assert.ok(answer.kind !== 'error')
    return answer
  }

  #check({ ballot, value }: NonNullable<Vote['accepted']>): void {
    const key = `${ballot.counter} ${ballot.peer}`
    const said = toByteString(encodeCbor([value.entry, value.groups]))
    assert.equal(this.byBallot.get(key) ?? said, said, 'two values at one ballot')
    this.byBallot.set(key, said)
    const entry = decodeEntry(value.entry)
    this.entries.set(entry.id, entry)
  }
}

/** One node that reads and writes until its time is over, or it is killed and another run takes its place. */
class Client {
  readonly #cloud: Cloud
  readonly #peer: PeerId
  readonly #name: string
  readonly #process: SimulatedProcess
  #count = 0

  constructor(cloud: Cloud, peer: PeerId, name: string) {
    this.#cloud = cloud
    this.#peer = peer
    this.#name = name
    this.#process = new SimulatedProcess(cloud.scheduler, name)
  }

  kill(): void {
    this.#process.kill()
  }

  async work(callCount: number): Promise<void> {
    const clock = new VirtualClock(this.#process)
    const random = new SeededRandom(this.#cloud.scheduler.seed, this.#name)
    const first: Groups = [PEERS.slice(0, 3)]
    const register = new Register({
      world: { clock, random },
      self: this.#peer,
      ask: (peer, request, signal) => this.#cloud.ask(clock, peer, request, signal),
      makeReady: async () => undefined,
      known: () => this.#cloud.acceptedBy(this.#peer),
      nameOf: (peer) => peer.slice(-4),
      first,
    })
    let groups = first
    const knows = (chosen: Chosen | undefined): string => {
      if (chosen === undefined) return ''
      groups = [nextVoters(chosen.value.groups)]
      return decodeEntry(chosen.value.entry).id
    }
    for (let n = 0; n < callCount; n++) {
      await clock.sleep(random.number() * 50)
      const call = this.#call(random.chance(0.5) ? 'write' : 'read')
      const signal = clock.timeout(CALL_MS)
      let tries = 0
      let declined = false
      let mine: string | undefined
      try {
        if (call.kind === 'read') call.saw = knows(await register.read(groups, signal))
        else {
          const to = this.#moveOf(random)
          const change = async (base: Chosen | undefined) => {
            const old = nextVoters(base?.value.groups ?? first)
            const before = base === undefined ? '' : decodeEntry(base.value.entry).id
            mine = this.#cloud.pastOf(before).find((id) => callOf(id) === call.id)
            // Or it decides against it, as one that finds the name taken.
            declined = mine === undefined && tries > 0 && random.chance(0.3)
            if (mine !== undefined || declined) return undefined
            const isMove =
              base?.value.groups.length !== 2 && to !== undefined && !sameVoters(old, to)
            const next: Groups = isMove ? [old, to] : [old]
            return { groups: next, entry: encodeCbor({ id: `${call.id}#${tries++}`, before }) }
          }
          const newest = knows(await register.change(groups, change, signal))
          call.saw = mine ?? newest
          assert.ok(declined || callOf(call.saw) === call.id)
        }
        call.outcome = declined ? 'refused' : 'done'
      } catch (error) {
        assert.ok(hasCode(error, 'NO_QUORUM') || hasCode(error, 'timeout'), String(error))
        call.outcome = call.kind === 'write' && tries > 0 ? 'unknown' : 'refused'
      }
      call.endMs = this.#cloud.scheduler.nowMs
    }
  }

  #call(kind: Call['kind']): Call {
    const id = `${this.#name}-${this.#count++}`
    const startMs = this.#cloud.scheduler.nowMs
    const call: Call = { kind, id, startMs, endMs: Infinity, outcome: 'unknown', saw: '' }
    this.#cloud.calls.push(call)
    return call
  }

  #moveOf(random: SeededRandom): Voters | undefined {
    if (!this.#cloud.faults.moves || !random.chance(0.3)) return undefined
    const voters = PEERS.filter(() => random.chance(0.6))
    return voters.length === 0 ? undefined : makeVoters(voters)
  }
}

/** The writes that took effect, in their order. */
async function chainOf(cloud: Cloud): Promise<readonly string[]> {
  cloud.heal()
  const reader = new Client(cloud, PEERS[0] as PeerId, 'reader')
  await cloud.scheduler.finish(reader.work(20))
  const last = cloud.calls.filter(
    ({ outcome, id }) => outcome === 'done' && id.startsWith('reader'),
  )
  assert.ok(last.length > 15, 'a healed register answers')
  return cloud.pastOf(last.at(-1)?.saw ?? '').toReversed()
}

/** A history of one register, in the sense of Herlihy and Wing (TOPLAS 1990): values are unique, so this is enough. */
function assertLinearizable(calls: readonly Call[], chain: readonly string[]): void {
  const place = new Map([['', 0], ...chain.map((id, at) => [id, at + 1] as const)])
  const writes = new Set(chain.map(callOf))
  assert.equal(writes.size, chain.length, 'a write took effect twice')
  for (const { kind, id, outcome, saw } of calls) {
    if (outcome === 'done') assert.ok(place.has(saw), `${id} saw ${saw}, which never was`)
    if (kind === 'write' && outcome === 'refused') assert.ok(!writes.has(id), `${id} was refused`)
  }
  const done = calls.filter(({ outcome }) => outcome === 'done')
  const ended = done.toSorted((a, b) => a.endMs - b.endMs)
  let at = 0
  let newest = 0
  for (const call of done.toSorted((a, b) => a.startMs - b.startMs)) {
    for (let next = ended[at]; next !== undefined && next.endMs < call.startMs; next = ended[++at])
      newest = Math.max(newest, place.get(next.saw) ?? 0)
    const mine = place.get(call.saw) ?? 0
    assert.ok(mine >= newest + (call.kind === 'write' ? 1 : 0), `${call.id} is out of date`)
  }
}

async function run(
  seed: number,
  faults: Faults,
): Promise<{ calls: readonly Call[]; chain: readonly string[] }> {
  const cloud = new Cloud(seed, faults)
  const { scheduler, random } = cloud
  const work: Promise<void>[] = []
  const clients = PEERS.map((peer, at) => ({
    peer,
    at,
    run: 0,
    client: undefined as Client | undefined,
  }))
  const start = (slot: (typeof clients)[number]): void => {
    slot.client?.kill()
    slot.client = new Client(cloud, slot.peer, `n${slot.at}.${slot.run++}`)
    work.push(slot.client.work(15))
  }
  clients.forEach(start)
  for (let step = 0; step < 150; step++) {
    await scheduler.run(scheduler.nowMs + 20)
    if (!random.chance(faults.crashRate)) continue
    const slot = random.pick(clients)
    cloud.crash(slot.peer)
    start(slot)
  }
  await scheduler.run()
  void work
  const calls = cloud.calls.slice()
  return { calls, chain: await chainOf(cloud) }
}

const MIXES: readonly (readonly [string, Faults])[] = [
  ['a calm network', { lossRate: 0, duplicateRate: 0, crashRate: 0, moves: false }],
  ['lost and doubled messages', { lossRate: 0.15, duplicateRate: 0.2, crashRate: 0, moves: false }],
  ['crashes', { lossRate: 0.05, duplicateRate: 0.05, crashRate: 0.2, moves: false }],
  ['voters that change', { lossRate: 0.05, duplicateRate: 0.1, crashRate: 0.1, moves: true }],
]

describe('a proposal that reached one voter only', () => {
  const [X, Y, Z] = PEERS as [PeerId, PeerId, PeerId]
  const groups: Groups = [[X, Y, Z]]
  const never = new AbortController().signal

  /** Registers of two proposers over voters of which only some are asked. */
  function registers(reach: (peer: PeerId, kind: string) => boolean): (self: PeerId) => Register {
    const votes = new Map<PeerId, Vote>()
    const scheduler = new Scheduler(1)
    const world = {
      clock: new VirtualClock(new SimulatedProcess(scheduler, 'p')),
      random: new SeededRandom(1, 'p'),
    }
    world.clock.sleep = async () => undefined
    return (self) =>
      new Register({
        world,
        self,
        ask: async (peer, request) => {
          if (!reach(peer, request.kind)) throw new ShoalError('unreachable', 'lost')
          const [after, reply] = vote(votes.get(peer) ?? NO_VOTE, request)
          votes.set(peer, after)
          return reply
        },
        makeReady: async () => undefined,
        known: () => undefined,
        nameOf: (peer) => peer,
        first: groups,
      })
  }
  const entry = (id: string): Uint8Array => encodeCbor({ id, before: '' })

  test('never takes effect once its proposer has decided against it', async () => {
    let reached = (_peer: PeerId, _kind: string): boolean => true
    const register = registers((peer, kind) => reached(peer, kind))
    const [one, two] = [register(X), register(Y)]
    await one.change(groups, async () => ({ groups, entry: entry('a') }), never)
    let tries = 0
    const change = async (): Promise<Value | undefined> => {
      // The first proposal comes to Z alone, and from then on Z is not heard.
      reached = (peer, kind) => (kind === 'accept' && tries === 1) === (peer === Z)
      return tries++ === 0 ? { groups, entry: entry('b') } : undefined
    }
    await one.change(groups, change, never)
    assert.equal(tries, 2)
    reached = (peer) => peer !== X
    assert.deepEqual((await two.read(groups, never))?.value.entry, entry('a'))
  })
})

describe('a register that voters hold together is linearizable', () => {
  for (const [name, faults] of MIXES) {
    test(`with ${name}`, async () => {
      let writeCount = 0
      for (let seed = 1; seed <= 2; seed++) {
        const { calls, chain } = await run(seed, faults)
        try {
          assertLinearizable(calls, chain)
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error })
        }
        writeCount += chain.length
      }
      assert.ok(writeCount > 20, `${writeCount} writes took effect`)
    })
  }
})
