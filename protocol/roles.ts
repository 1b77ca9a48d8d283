// The rights of roles in a volume. A role is granted by an entry of an admin; the volume's creator
// is its first admin.
import { ShoalError } from './errors.ts'

/**
 * Roles that a ticket can grant: admin ⊃ writer ⊃ reader; a keeper stores shards and the encrypted
 * log and can read nothing.
 */
export type NodeRole = 'admin' | 'writer' | 'reader' | 'keeper'
/**
 * Also that of a recovery key: it is given all keys and may make somebody an admin, but no node
 * ever runs with it.
 */
export type Role = NodeRole | 'recovery'

export const ROLES: readonly NodeRole[] = ['admin', 'writer', 'reader', 'keeper']

export function parseRole(text: string): Role {
  const role = [...ROLES, 'recovery' as const].find((known) => known === text)
  if (role === undefined) {
    throw new ShoalError('malformed', `"${text}" is not a role; roles are ${ROLES.join(', ')}`)
  }
  return role
}

/** May author ops on the tree. */
export function mayWrite(role: Role): boolean {
  return role === 'admin' || role === 'writer'
}

/** May add and remove members, and set policies. */
export function mayAdminister(role: Role): boolean {
  return role === 'admin' || role === 'recovery'
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
  return role === 'admin' || role === 'writer' || role === 'keeper'
}

/** May one do in a role all that is allowed in the other? */
export function includesRole(role: Role, other: Role): boolean {
  if (role === other || role === 'admin') return true
  return role === 'writer' && (other === 'reader' || other === 'keeper')
}
