// The names of members: each says how it is called, and two may say the same, by chance or to be
// taken for another. Names that are shown are unique, and follow from the members of a volume and
// what they say alone, so all nodes that know the same show the same. Invariants:
//   of those that say one name the first to have said so has it, the others get numbers: vm, vm-2
//   a number is no name that anybody says
//   nobody is meant by what could mean somebody else as well, shown or said
import type { Stamp } from '../clock/dot.ts'
import { ShoalError } from '../errors.ts'
import { HIDDEN_CHARS } from '../hidden-chars.ts'
import type { PeerId } from '../ids.ts'

/** Longest name that a node takes for itself, or that is given it, in characters. */
export const MEMBER_NAME_MAX = 64
/** Text that a node takes for a name. What a member says of itself may be anything. */
export const MEMBER_NAME: RegExp = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u
const MEMBER_NAME_RULE = 'letters, digits, ".", "_" and "-", at most 64'

/**
 * Length from which a part of an id names its peer, even if another peer has that as its name: as
 * `shoal peer ls` shows.
 */
const ID_PART_LENGTH = 8

/** A peer, and what it is called. */
export interface Nameable {
  readonly peer: PeerId
  readonly names: readonly string[]
}

/** A member, and what it says its name is. */
export interface SayingMember {
  readonly peer: PeerId
  readonly said: string
  /** When that was said last. */
  readonly described: Stamp
}

/**
 * Text that is the same for names that people could take for each other: those that differ in case,
 * in spaces, or in what does not show.
 */
export function nameKey(name: string): string {
  return name
    .normalize('NFKC')
    .replace(HIDDEN_CHARS, '?')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
    .toLowerCase()
}

/** The name of a member that says none. */
export function blankName(peer: PeerId): string {
  return peer.slice(-6)
}

/**
 * The names that these members are shown by, no two with one key. cost: O(members log members).
 */
export function shownNames(members: readonly SayingMember[]): ReadonlyMap<PeerId, string> {
  const shown = new Map<PeerId, string>()
  const taken = new Set<string>()
  const losers: { readonly peer: PeerId; readonly name: string }[] = []
  for (const { peer, said } of [...members].sort(byAge)) {
    const name = nameKey(said) === '' ? blankName(peer) : said
    const key = nameKey(name)
    if (taken.has(key)) losers.push({ peer, name })
    else shown.set(peer, name)
    taken.add(key)
  }
  /** By key, the number that is tried next. */
  const next = new Map<string, number>()
  for (const { peer, name } of losers) {
    const key = nameKey(name)
    const free = numbered(name, next.get(key) ?? 2, taken)
    next.set(key, free.number + 1)
    taken.add(nameKey(free.name))
    shown.set(peer, free.name)
  }
  return shown
}

/** A name, or the first of NAME-2, NAME-3, ... that is none of the keys that are taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  return taken.has(nameKey(name)) ? numbered(name, 2, taken).name : name
}

/** The first free name with a number from this one on; what is too long is cut before it. */
function numbered(
  name: string,
  from: number,
  taken: ReadonlySet<string>,
): { readonly name: string; readonly number: number } {
  for (let number = from; ; number++) {
    const suffix = `-${number}`
    const stem = Array.from(name).slice(0, MEMBER_NAME_MAX - suffix.length)
    const free = stem.join('') + suffix
    if (!taken.has(nameKey(free))) return { name: free, number }
  }
}

function byAge(a: SayingMember, b: SayingMember): number {
  if (a.described !== b.described) return a.described < b.described ? -1 : 1
  return a.peer < b.peer ? -1 : 1
}

/**
 * Finds those that a text may mean: by id, name, or the beginning or end of an id. Somebody is
 * meant only if there is one.
 */
export function meantBy<Some extends Nameable>(
  text: string,
  among: readonly Some[],
): readonly Some[] {
  const exact = among.filter(({ peer }) => peer === text)
  if (exact.length > 0) return exact
  const key = nameKey(text)
  const named = among.filter(({ names }) => names.some((name) => nameKey(name) === key))
  if (text.length < ID_PART_LENGTH && named.length > 0) return named
  return among.filter((one) => named.includes(one) || isPartOf(text, one.peer))
}

/**
 * Checks a name that somebody is to have whose fellow members are these. throws ShoalError 'usage'
 * for what is no name, 'EEXIST' for the name of another, or what means its id.
 */
export function checkName(name: string, others: readonly Nameable[]): void {
  if (!MEMBER_NAME.test(name))
    throw new ShoalError('usage', `"${name}" cannot name a member; a name has ${MEMBER_NAME_RULE}`)
  const key = nameKey(name)
  const isMeant = ({ peer, names }: Nameable): boolean =>
    names.some((other) => nameKey(other) === key) ||
    (name.length >= ID_PART_LENGTH && isPartOf(name, peer))
  const other = others.find(isMeant)
  if (other === undefined) return
  const who = `${other.names[0] ?? 'another member'} (${other.peer})`
  throw new ShoalError('EEXIST', `"${name}" may mean ${who} already; choose another name`)
}

function isPartOf(text: string, peer: PeerId): boolean {
  return peer.startsWith(text) || peer.endsWith(text)
}
