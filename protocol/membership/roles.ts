// Who may do what in a volume. A role is granted by an entry of an admin; the volume's creator is its first admin.
import { ShoalError } from '../errors.ts'

/** admin ⊃ writer ⊃ reader; a keeper stores shards and the encrypted log and can read nothing. */
export type Role = 'admin' | 'writer' | 'reader' | 'keeper'

export const ROLES: readonly Role[] = ['admin', 'writer', 'reader', 'keeper']

export function parseRole(text: string): Role {
  const role = ROLES.find((known) => known === text)
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
  return role === 'admin'
}

/** Holds the keys of the volume. */
export function mayRead(role: Role): boolean {
  return role !== 'keeper'
}

/** Is offered shards to hold. */
export function mayStore(role: Role): boolean {
  return role === 'admin' || role === 'writer' || role === 'keeper'
}
