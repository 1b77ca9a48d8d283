// From a seed to a liar: what it is to the others, how it tampers with what its node says, and
// which attacks it makes.
import type { Role } from '../../protocol/roles.ts'
import type { TrustRule } from '../../protocol/trust.ts'
import { SeededRandom } from '../random.ts'
import type { Attack } from './attack.ts'
import { ATTACKS } from './attacks.ts'
import type { TamperRates } from './tampering.ts'

export const CHARACTERS = [
  'liar-writer',
  'liar-appender',
  'liar-keeper',
  'liar-reader',
  'bomber',
  'rewinder',
] as const
export type Character = (typeof CHARACTERS)[number]

export interface HostilePlan {
  readonly seed: string
  readonly nodeCount: number
  readonly character: Character
  readonly role: Role
  /** Redundancy of the volume: with 'auto' every member holds a shard of most stripes. */
  readonly class: string
  readonly rates: TamperRates
  /** Names of attacks, in their order. */
  readonly attacks: readonly string[]
  /** The check that is not made: the run must fail. */
  readonly planted?: TrustRule | undefined
}

const HONEST = 3
const CLASSES = ['auto', 'rs2+1', 'copies2']
const ATTACKS_MIN = 5
const ATTACKS_MORE = 6
/** A kind of tampering that a seed does not leave out comes to up to this share of messages. */
const RATE_MAX = 0.1

/** planted: with attacks on this rule first, in a role that can make them. */
export function planOf(seed: string, planted?: TrustRule): HostilePlan {
  const random = new SeededRandom(seed, 'hostile plan')
  const aimed = planted === undefined ? [] : ATTACKS.filter(({ rule }) => rule === planted)
  const drawn = random.pick(CHARACTERS)
  const role = roleOf(drawn, aimed, random)
  const fitting = ATTACKS.filter(({ roles }) => roles.includes(role))
  const character = aimed.length === 0 ? drawn : characterOf(role)
  const favourite = character === 'bomber' ? 'bomb' : 'lie'
  const attacks = aimed.filter(({ roles }) => roles.includes(role))
  const count = planted === undefined ? ATTACKS_MIN + random.below(ATTACKS_MORE) : attacks.length
  while (attacks.length < count) {
    const attack = random.pick(fitting)
    if (attack.kind === favourite || random.chance(0.5)) attacks.push(attack)
  }
  const rate = (): number =>
    planted !== undefined || random.chance(0.3) ? 0 : random.number() * RATE_MAX
  return {
    seed,
    nodeCount: HONEST + 1,
    character,
    role,
    rates: { withhold: rate(), replay: rate(), reorder: rate(), mutate: rate() },
    class: random.pick(CLASSES),
    attacks: attacks.map(({ name }) => name),
    planted,
  }
}

function roleOf(character: Character, aimed: readonly Attack[], random: SeededRandom): Role {
  if (aimed.length > 0) return random.pick(aimed.flatMap(({ roles }) => roles))
  switch (character) {
    case 'liar-keeper':
      return 'keeper'
    case 'liar-reader':
      return 'reader'
    case 'liar-appender':
      return 'appender'
    case 'bomber':
      return random.pick(['writer', 'keeper', 'reader'])
    default:
      return 'writer'
  }
}

function characterOf(role: Role): Character {
  if (role === 'keeper') return 'liar-keeper'
  if (role === 'appender') return 'liar-appender'
  return role === 'reader' ? 'liar-reader' : 'liar-writer'
}
