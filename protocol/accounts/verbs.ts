// The verbs of accounts: what one may do at a path and below it, and the role that a machine must
// have to be trusted with a secret that opens so much.
import { includesRole } from '../roles.ts'
import type { NodeRole, Role } from '../roles.ts'

/** read: look and read. add: make what was not there. write: replace and remove, too. */
export type Verb = 'read' | 'add' | 'write'

export const VERBS: readonly Verb[] = ['read', 'add', 'write']

/** The least role in which a machine could do the same by itself. */
const ROLE_OF: Readonly<Record<Verb, NodeRole>> = {
  read: 'reader',
  add: 'appender',
  write: 'writer',
}

export function isVerb(text: string): text is Verb {
  return VERBS.some((verb) => verb === text)
}

/** Replacing includes making anew; writing does not include reading. */
export function includesVerb(verbs: readonly Verb[], wanted: Verb): boolean {
  return verbs.includes(wanted) || (wanted === 'add' && verbs.includes('write'))
}

/** May a machine in this role hold a secret that opens so much? */
export function mayServe(role: Role | undefined, verbs: Iterable<Verb>): boolean {
  if (role === undefined || !includesRole(role, 'reader')) return false
  return [...verbs].every((verb) => includesRole(role, ROLE_OF[verb]))
}
