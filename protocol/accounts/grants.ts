// Grants of accounts: verbs at paths, each for all below it, too. It needs nothing of keys, so that
// the page of the console can ask it what it may show.
import { isPathWithin } from '../path-within.ts'
import { VERBS, includesVerb } from './verbs.ts'
import type { Verb } from './verbs.ts'

export interface Grant {
  /** As a volume's paths are, from '/'. */
  readonly path: string
  readonly verbs: readonly Verb[]
}

/** The verbs of all its grants. */
export function verbsOf(grants: readonly Grant[]): readonly Verb[] {
  return VERBS.filter((verb) => grants.some(({ verbs }) => verbs.includes(verb)))
}

/** May one with these grants do this at a path? Paths are compared part by part. */
export function isGranted(grants: readonly Grant[], verb: Verb, path: string): boolean {
  return grants.some((grant) => includesVerb(grant.verbs, verb) && isPathWithin(path, grant.path))
}

/** Does a path lead to something that is granted, though it is not itself? */
export function leadsToGrant(grants: readonly Grant[], path: string): boolean {
  return grants.some((grant) => isPathWithin(grant.path, path))
}

/** The part of grants that is within a bound: its path and below, and verbs that it includes. */
export function boundGrants(grants: readonly Grant[], bound: Grant): readonly Grant[] {
  return grants.flatMap((grant) => {
    const path = isPathWithin(grant.path, bound.path)
      ? grant.path
      : isPathWithin(bound.path, grant.path)
        ? bound.path
        : undefined
    const verbs = VERBS.filter(
      (verb) => includesVerb(grant.verbs, verb) && includesVerb(bound.verbs, verb),
    )
    return path === undefined || verbs.length === 0 ? [] : [{ path, verbs }]
  })
}
