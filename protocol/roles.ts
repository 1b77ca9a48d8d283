// The rights of roles in a volume. A role is granted by an entry of an admin; the volume's creator
// is its first admin.
import { ShoalError } from './errors.ts'

/**
 * Roles that a ticket can grant: admin ⊃ writer ⊃ appender ⊃ reader; what an appender replaces or
 * removes is kept all the same; a keeper stores shards and the encrypted log and can read nothing.
 */
export type NodeRole = 'admin' | 'writer' | 'appender' | 'reader' | 'keeper'
/**
 * Also that of a recovery key: it is given all keys and may make somebody an admin, but no node
 * ever runs with it.
 */
export type Role = NodeRole | 'recovery'

export const ROLES: readonly NodeRole[] = ['admin', 'writer', 'appender', 'reader', 'keeper']

export function parseRole(text: string): Role {
  const role = [...ROLES, 'recovery' as const].find((known) => known === text)
  if (role === undefined) {
    throw new ShoalError('malformed', `"${text}" is not a role; roles are ${ROLES.join(', ')}`)
  }
  return role
}

/** Says what a member is, in a sentence. */
export function aRole(role: Role): string {
  return `${role.startsWith('a') ? 'an' : 'a'} ${role}`
}

/** May author ops on the tree. */
export function mayWrite(role: Role): boolean {
  return mayGiveUp(role) || role === 'appender'
}

/**
 * May give up data, or decide for others what becomes of it: cuts of the log, garbage, tiers,
 * classes, snapshots, votes, the time.
 */
export function mayGiveUp(role: Role): boolean {
  return role === 'admin' || role === 'writer'
}

/** Is what its ops replace or remove kept, whatever the rule of the volume? */
export function isAppender(role: Role | undefined): boolean {
  return role === 'appender'
}

/** May add and remove members, and set policies. */
export function mayAdminister(role: Role): boolean {
  return role === 'admin' || role === 'recovery'
}

/**
 * May end its own membership. What a member wrote and its removal had not in its past is void: so
 * an appender, whose chain somebody forked, would take back what it had added.
 */
export function mayLeave(role: Role): boolean {
  return role !== 'appender'
}

/** Is a node, which comes and goes, and not a key that lies in a drawer. */
export function isNode(role: Role): boolean {
  return role !== 'recovery'
}

/** Holds the keys of the volume. */
export function mayRead(role: Role): boolean {
  return role !== 'keeper'
}

/** Is offered shards to hold. */
export function mayStore(role: Role): boolean {
  return mayWrite(role) || role === 'keeper'
}

/** May one do in a role all that is allowed in the other? */
export function includesRole(role: Role, other: Role): boolean {
  if (role === other || role === 'admin') return true
  if (other === 'reader' || other === 'keeper') return mayWrite(role)
  return role === 'writer' && other === 'appender'
}
