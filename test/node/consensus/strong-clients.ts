// Nodes that read and write a register of a cloud of voters (strong-cloud.ts), and what they saw.
import assert from 'node:assert/strict'
import { Register } from '../../../node/consensus/strong-register.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { groupsAfter } from '../../../protocol/strong/grounds.ts'
import { isSigned } from '../../../protocol/strong/statement.ts'
import { makeVoters } from '../../../protocol/strong/voters.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { FIRST, FIRST_OFFICE, PEERS, VOLUME, callOf, readEntry, valueOf } from './strong-cloud.ts'
import type { Chosen } from '../../../node/consensus/strong-register.ts'
import type { Grounded } from '../../../node/consensus/strong-search.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Newest } from '../../../protocol/strong/round.ts'
import type { Value } from '../../../protocol/strong/value.ts'
import type { Voters } from '../../../protocol/strong/voters.ts'
import type { Call, Cloud } from './strong-cloud.ts'

/** The parts of a node that the register needs, over a cloud. */
export function registerOf(
  cloud: Cloud,
  self: PeerId,
  clock: VirtualClock,
  name: string,
): {
  readonly register: Register
  readonly voters: () => Voters
  readonly learn: (chosen: Chosen | undefined) => string
} {
  const random = new SeededRandom(cloud.scheduler.seed, name)
  let office = FIRST_OFFICE
  const account = async ({ claim, reports }: Newest): Promise<Grounded | undefined> => {
    for (const { entry, grounds } of reports) {
      if (entry === undefined || grounds === undefined) continue
      try {
        cloud.check(claim, grounds, readEntry(entry), self)
        const { terms } = cloud.officeAfter(readEntry(entry))
        // To tell, a node gets all that came before.
        const past = cloud.entries.get(readEntry(entry).before)
        if (past !== undefined) office = cloud.officeAfter(past)
        return { value: { groups: claim.groups, name: claim.name, entry }, grounds, terms }
      } catch (error) {
        assert.ok(error instanceof ShoalError, String(error))
      }
    }
    return undefined
  }
  const register = new Register({
    world: { clock, random },
    self,
    ask: (peer, request, signal) => cloud.ask(clock, self, peer, request, signal),
    account,
    entryOf: ({ entries }) => entries[0],
    office: () => office,
    accepted: () => cloud.acceptedBy(self)?.value.groups,
    mayPropose: () => true,
    heard: (statement) => cloud.said.push(statement),
    isOut: () => undefined,
    isRight: (statement) => isSigned(VOLUME, statement),
    onDoubted: async () => undefined,
    nameOf: (peer) => peer.slice(-4),
    first: [FIRST],
  })
  const learn = (chosen: Chosen | undefined): string => {
    const [bytes] = chosen?.entries ?? []
    if (bytes === undefined) return ''
    const entry = readEntry(bytes)
    office = cloud.officeAfter(entry)
    return entry.id
  }
  return { register, voters: () => office.voters, learn }
}

/**
 * One node that reads and writes until its time is over, or it is killed and another run takes its
 * place.
 */
export class Client {
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

  async work(callCount: number, callMs = 2000): Promise<void> {
    const clock = new VirtualClock(this.#process)
    const random = new SeededRandom(this.#cloud.scheduler.seed, this.#name)
    const { register, voters, learn } = registerOf(this.#cloud, this.#peer, clock, this.#name)
    for (let n = 0; n < callCount; n++) {
      await clock.sleep(random.number() * 50)
      const call = this.#call(random.chance(0.5) ? 'write' : 'read')
      const signal = clock.timeout(callMs)
      let tries = 0
      let declined = false
      let mine: string | undefined
      try {
        if (call.kind === 'read') call.saw = learn(await register.read([voters()], signal))
        else {
          const names = this.#moveOf(random)
          const change = async (base: Chosen | undefined): Promise<Value | undefined> => {
            const before = learn(base)
            mine = this.#cloud.pastOf(before).find((id) => callOf(id) === call.id)
            // Or it decides against it, as one that finds the name taken.
            const mayDecline = base !== undefined && tries > 0
            declined = mine === undefined && mayDecline && random.chance(0.3)
            if (mine !== undefined || declined) return undefined
            const isMove = names !== undefined && base?.groups.length === 1
            const id = `${call.id}#${tries++}`
            const entry = { id, before, ...(isMove ? { names } : {}) }
            return valueOf(entry, groupsAfter(base, FIRST, this.#cloud.officeAfter(entry)))
          }
          const newest = learn(await register.change([voters()], change, signal))
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
