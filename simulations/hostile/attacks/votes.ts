// Attacks of a member on strong calls: it asks voters for promises, has them accept values, or is a
// voter that lies. After each of these the voters still make one sequence.
import { ShoalError } from '../../../protocol/errors.ts'
import { BALLOT_MAX } from '../../../protocol/limits.ts'
import { encodeEntry } from '../../../protocol/log/entry.ts'
import type { Report, StrongReply } from '../../../protocol/strong/acceptor.ts'
import type { Grounds } from '../../../protocol/strong/grounds.ts'
import { signStatement } from '../../../protocol/strong/statement.ts'
import type { Mark, Statement } from '../../../protocol/strong/statement.ts'
import { digestOf } from '../../../protocol/strong/value.ts'
import type { Value } from '../../../protocol/strong/value.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { ClusterNode } from '../../cluster.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import { Asker, codeOf, heardOffice, named } from '../voting.ts'

/** In which a strong call has an end, whatever others do. */
const CALL_MS: number = MINUTE_MS
/** Channels by which it asks each voter without end. */
const CHANNELS = 3
/** Names that two make, one after the other; and while a call takes all the time that it has. */
const TRIES = 12
const LONG_TRIES = 4
/** Above what has been promised, and not too far. */
const STEP = 2 ** 20

type State = Extract<StrongReply, { kind: 'state' }>

/** A promise of a voter, and the newest value that it told of. */
interface Promised {
  readonly asker: Asker
  readonly counter: number
  readonly statement: Statement
  readonly newest: Report & { readonly entry: Uint8Array }
}

/**
 * Two make one name at once, strongly: one of them may. Where answers were lost for too long, they
 * make another.
 */
async function decide(
  stage: Stage,
  most: number = TRIES,
  isEnough: (answer: string) => boolean = isHeardByBoth,
): Promise<string> {
  for (let tries = 1; ; tries++) {
    const answer = await decideOnce(stage)
    if (tries === most || isEnough(answer)) return answer
  }
}

function isHeardByBoth(answer: string): boolean {
  return !/NO_QUORUM|timeout/.test(answer)
}

/** Was a call agreed to, whether or not the other one heard of it? */
function isAgreed(answer: string): boolean {
  return /EEXIST|made/.test(answer)
}

async function decideOnce(stage: Stage): Promise<string> {
  const { founder, victim, honest, random, wait } = stage
  const other = victim === founder ? honest.at(-1) : victim
  const path = `/decided-${random.word()}`
  const calls = [founder, other ?? founder].map(async (node) => makeStrongly(node, path))
  const answers = await Promise.race([Promise.all(calls), wait(CALL_MS).then(() => ['no answer'])])
  return answers.toSorted().join()
}

async function makeStrongly(node: ClusterNode, path: string): Promise<string> {
  try {
    await node.ask((api) => api.makeFolder(path, { consistency: 'strong' }))
    return 'made'
  } catch (error) {
    if (error instanceof ShoalError) return error.code
    throw error
  }
}

/** Those who vote go on as one. */
async function checkDecided(stage: Stage): Promise<void> {
  const answer = await decide(stage)
  disbelieved(answer === 'EEXIST,made', `two strong creates of one name: ${answer}`)
}

/** Ask the honest, who vote, one after the other. returns codes of what they answered. */
async function askAll(
  stage: Stage,
  ask: (asker: Asker, voter: ClusterNode) => Promise<string>,
): Promise<readonly string[]> {
  const codes: string[] = []
  for (const voter of stage.honest) {
    const asker = await Asker.strong(stage, voter.peer)
    codes.push(await ask(asker, voter))
    asker.end()
  }
  return codes
}

/** Have a voter promise a ballot: this one, or one above all that it has promised. */
async function promisedBy(
  stage: Stage,
  voter: ClusterNode,
  wanted?: number,
): Promise<Promised | undefined> {
  const { terms } = await heardOffice(stage)
  const asker = await Asker.strong(stage, voter.peer)
  const term = terms.get(voter.peer) ?? 0
  const least = await asker.ask({ kind: 'prepare', counter: 1, term })
  const above = least.kind === 'refused' ? least.promised.counter + STEP : STEP
  const counter = wanted ?? above
  const answer = await asker.ask({ kind: 'prepare', counter, term })
  const { accepted, statement }: Partial<State> = answer.kind === 'state' ? answer : {}
  if (statement === undefined || accepted?.entry === undefined) return undefined
  return { asker, counter, statement, newest: { ...accepted, entry: accepted.entry } }
}

/** Ask who has promised a ballot to accept a value at it. */
async function accepted(promised: Promised, value: Value, grounds: Grounds): Promise<boolean> {
  const { asker, counter } = promised
  const code = codeOf(await asker.ask({ kind: 'accept', counter, value, grounds }))
  return code === 'accepted'
}

async function lookAt(stage: Stage, isBelieved: boolean, what: string): Promise<Look> {
  return async () => {
    disbelieved(!isBelieved, what)
    await checkDecided(stage)
  }
}

/** Outbid all others at all voters until told to end. returns how often it was given a promise. */
async function outbid(stage: Stage, isOver: () => boolean): Promise<number> {
  const { terms } = await heardOffice(stage)
  let given = 0
  const askOne = async (voter: ClusterNode): Promise<void> => {
    const asker = await Asker.strong(stage, voter.peer)
    const term = terms.get(voter.peer) ?? 0
    for (let counter = 1; !isOver(); counter++) {
      const answer = await asker.ask({ kind: 'prepare', counter, term })
      if (answer.kind === 'state') given++
      if (answer.kind === 'refused') counter = Math.max(counter, answer.promised.counter)
    }
    asker.end()
  }
  const channels = stage.honest.flatMap((voter) => Array<ClusterNode>(CHANNELS).fill(voter))
  await Promise.all(channels.map(askOne))
  return given
}

export const VOTE_ATTACKS: readonly Attack[] = [
  {
    name: 'it asks voters for promises as who may only read',
    rule: 'votes-for-writers',
    kind: 'lie',
    roles: ['reader'],
    async run(stage) {
      const { terms } = await named(stage, stage.honest)
      const codes = await askAll(stage, async (asker, { peer }) => {
        const term = terms.get(peer) ?? 0
        return codeOf(await asker.ask({ kind: 'prepare', counter: STEP, term }))
      })
      const isBelieved = codes.includes('state')
      return lookAt(stage, isBelieved, `a voter has promised to a reader: ${codes.join()}`)
    },
  },
  {
    name: 'it asks voters for the last ballot that there is',
    rule: 'ballots-in-steps',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { terms } = await named(stage, stage.honest)
      const codes = await askAll(stage, async (asker, { peer }) => {
        const term = terms.get(peer) ?? 0
        return codeOf(await asker.ask({ kind: 'prepare', counter: BALLOT_MAX, term }))
      })
      const isBelieved = codes.includes('state')
      return lookAt(stage, isBelieved, `no ballot is left: ${codes.join()}`)
    },
  },
  {
    name: 'it outbids all others without end',
    rule: 'turns-to-propose',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      await named(stage, stage.honest)
      let isOver = false
      const attack = outbid(stage, () => isOver)
      await stage.wait(SECOND_MS)
      const answer = await decide(stage, LONG_TRIES, isAgreed)
      isOver = true
      const given = await attack
      const what = `of two that make one name strongly: ${answer}, while another is promised ${given} ballots`
      return lookAt(stage, !isAgreed(answer) || answer === 'made,made', what)
    },
  },
  {
    name: 'it has a value accepted that nobody has promised',
    rule: 'votes-have-grounds',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      await named(stage, stage.honest)
      const promised = await promisedBy(stage, stage.victim)
      if (promised === undefined) return undefined
      const { peer } = stage.liar.identity
      const op = { kind: 'member-info', peer, name: 'liar', zone: '', capacityBytes: 1 } as const
      const entry = stage.liar.entry([op])
      const { actor, seq } = entry.header
      const name = { actor, seq, hash: entry.hash }
      const value = { groups: promised.newest.groups, name, entry: encodeEntry(entry) }
      const isBelieved = await accepted(promised, value, [])
      promised.asker.end()
      return lookAt(stage, isBelieved, 'a value was accepted without grounds')
    },
  },
  {
    name: 'it has voters agree that it alone decides from now on',
    rule: 'voters-are-named',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      await named(stage, stage.honest)
      // What is promised at once by all, with nothing in between that would be newer.
      const all: Promised[] = []
      for (const voter of stage.honest) {
        const promised = await promisedBy(stage, voter, all[0]?.counter)
        if (promised !== undefined) all.push(promised)
      }
      const { peer } = stage.liar.identity
      let isBelieved = false
      const promises = all.map(({ statement }) => statement)
      for (const promised of all) {
        const { newest, asker } = promised
        const value = { ...newest, groups: [[peer]] } as const
        isBelieved ||= await accepted(promised, value, [{ promises, base: newest }])
        asker.end()
      }
      return lookAt(stage, isBelieved, 'a voter lets one decide alone whom nobody has named')
    },
  },
  {
    name: 'it votes, and contradicts itself',
    rule: 'liars-do-not-count',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { founder, victim, honest, liar, machine, random } = stage
      const other = victim === founder ? honest.at(-1) : victim
      if (other === undefined) return undefined
      const { terms } = await named(stage, [founder, other, machine])
      await makeStrongly(founder, `/before-${random.word()}`)
      const { identity, volume } = liar
      const term = terms.get(identity.peer) ?? 0
      const say = (counter: number, accepted?: Mark): Statement => {
        const promised = { counter, peer: identity.peer }
        return signStatement(identity, volume.id, { term, promised, accepted })
      }
      const promised = await promisedBy(stage, other)
      if (promised === undefined) return undefined
      const { asker, counter, newest, statement } = promised
      const mark = { ballot: newest.ballot, digest: digestOf(newest) }
      const proof = [say(counter, mark), say(counter + 1)] as const
      await asker.ask({ kind: 'proofs', proofs: [proof] })
      const grounds = [{ promises: [statement, say(counter, mark)], base: newest }]
      const isBelieved = await accepted(promised, newest, grounds)
      asker.end()
      await named(stage, honest)
      return lookAt(stage, isBelieved, 'what a voter promises counts that contradicts itself')
    },
  },
]
