// Attacks of a member on the locks of others: it speaks for their sessions, or takes more than its
// share.
import { toHex } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { SHORT_ID_BYTES, hexId } from '../../../protocol/ids.ts'
import { LEASE_MS } from '../../../protocol/locks/claim.ts'
import type { FileLocks } from '../../../protocol/locks/claim.ts'
import { LOCK_END } from '../../../protocol/locks/held-locks.ts'
import type { LockKind } from '../../../protocol/locks/held-locks.ts'
import type { Office } from '../../../protocol/strong/office.ts'
import { formatVoters } from '../../../protocol/strong/voters.ts'
import { LOCK_PROTOCOL, decodeLockAnswer, encodeLockRequest } from '../../../protocol/wire/lock.ts'
import type { LockRequest } from '../../../protocol/wire/lock.ts'
import type { Channel } from '../../../node/world/world.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Stage } from '../attack.ts'
import { Outsider } from '../outsider.ts'
import { codeOf, named } from '../voting.ts'

/** Far more than are granted to one member. */
const SESSIONS = 12

/** One who claims locks, or asks about them, at one voter. */
class Locker {
  readonly #stage: Stage
  readonly #channel: Channel
  readonly #office: Office
  #number = 1

  constructor(stage: Stage, channel: Channel, office: Office) {
    this.#stage = stage
    this.#channel = channel
    this.#office = office
  }

  /** Claim all that a session is to hold from now on. returns what became of it. */
  claim(session: string, locks: readonly FileLocks[]): Promise<string> {
    const number = this.#number++
    const voters = formatVoters(this.#office.voters)
    const how = { wanted: undefined, isFirst: true, isPatient: false }
    return this.#ask({ kind: 'claim', claim: { session, number, voters, locks, ...how } })
  }

  /** Is anybody in the way? */
  test(session: string, wanted: FileLocks): Promise<string> {
    return this.#ask({ kind: 'test', session, wanted })
  }

  /** Speak from now on with greater numbers than another. */
  passOver(): void {
    this.#number += 2 ** 20
  }

  async #ask(request: LockRequest): Promise<string> {
    const { liar } = this.#stage
    const signal = liar.deadline()
    await this.#channel.send([encodeLockRequest(liar.volume.id, request)], { signal })
    const frame = await this.#channel.receive({ signal })
    return frame === undefined ? 'ended' : codeOf(decodeLockAnswer(frame))
  }
}

/** All of some file. */
function lockOf({ random }: Stage, kind: LockKind): FileLocks {
  const file = hexId<NodeId>(random.bytes(SHORT_ID_BYTES), SHORT_ID_BYTES, 'file')
  return { file, family: 'flock', held: [{ start: 0, end: LOCK_END, kind }] }
}

function sessionOf({ random }: Stage): string {
  return toHex(random.bytes(SHORT_ID_BYTES))
}

/**
 * The liar, at the victim, which votes, after the lease for which voters in office anew are silent.
 */
async function lockerOf(stage: Stage, office: Office): Promise<Locker> {
  const channel = await stage.liar.channel(stage.victim.peer, LOCK_PROTOCOL)
  const locker = new Locker(stage, channel, office)
  await locker.claim(sessionOf(stage), [])
  await stage.wait(2 * LEASE_MS)
  return locker
}

export const LOCK_ATTACKS: readonly Attack[] = [
  {
    name: 'it gives up what another holds, as the session of that one',
    rule: 'lock-sessions-by-member',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { victim } = stage
      const guest = await Outsider.guest(stage, { role: 'writer' })
      const take = async (): Promise<{ granted: string; found: string }> => {
        const office = await named(stage, stage.honest)
        const liar = await lockerOf(stage, office)
        const held = lockOf(stage, 'exclusive')
        const session = sessionOf(stage)
        const holder = new Locker(stage, await guest.open(victim, LOCK_PROTOCOL), office)
        const granted = await holder.claim(session, [held])
        liar.passOver()
        await liar.claim(session, [])
        return { granted, found: await liar.test(sessionOf(stage), held) }
      }
      const { granted, found } = await take().finally(async () => {
        guest.end()
        await stage.founder.ask((api) => api.removePeer(guest.peer, { now: true }))
      })
      return async () =>
        disbelieved(
          granted !== 'granted' || found === 'held',
          `${victim.name} takes a lock from its holder: ${found}`,
        )
    },
  },
  {
    name: 'it locks others out as who may only read',
    rule: 'locks-within-share',
    kind: 'lie',
    roles: ['reader'],
    async run(stage) {
      const liar = await lockerOf(stage, await named(stage, stage.honest))
      const answer = await liar.claim(sessionOf(stage), [lockOf(stage, 'exclusive')])
      return async () => disbelieved(answer !== 'granted', 'a reader holds an exclusive lock')
    },
  },
  {
    name: 'it opens session after session',
    rule: 'locks-within-share',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const liar = await lockerOf(stage, await named(stage, stage.honest))
      let granted = 0
      for (let n = 0; n < SESSIONS; n++)
        if ((await liar.claim(sessionOf(stage), [lockOf(stage, 'exclusive')])) === 'granted')
          granted++
      return async () => disbelieved(granted < SESSIONS, `${granted} sessions belong to one member`)
    },
  },
]
