// The members that people mean by a name. Members choose their names, so one may have the name of
// another, or its id: nobody is meant by what could mean somebody else as well.
import type { PeerId } from '../ids.ts'

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
  const named = among.filter(({ names }) => names.includes(text))
  if (text.length < ID_PART_LENGTH && named.length > 0) return named
  const isPart = ({ peer }: Some): boolean => peer.startsWith(text) || peer.endsWith(text)
  return among.filter((one) => named.includes(one) || isPart(one))
}
