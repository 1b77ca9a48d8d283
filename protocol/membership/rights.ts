// Which ops a member may make in a role. Told by the op and the grant it was written under alone, so all replicas agree.
import { assertNever } from '../errors.ts'
import { enforces } from '../trust.ts'
import type { PeerId } from '../ids.ts'
import type { Op } from '../tree/op.ts'
import { mayAdminister, mayRead, mayWrite } from './roles.ts'
import type { Role } from './roles.ts'

/** May `author`, in this role, make the op? An op that it may not make has no effect, on any replica. */
export function mayMake(op: Op, author: PeerId, role: Role): boolean {
  if (!enforces('op-by-role')) return true
  switch (op.kind) {
    case 'member-info':
      return op.peer === author || mayAdminister(role)
    case 'stripe':
    case 'shards':
      return role !== 'reader'
    case 'read':
      return mayRead(role)
    case 'member':
    case 'remove-member':
    case 'epoch':
    case 'policy':
      return mayAdminister(role)
    case 'checkpoint':
    case 'mkdir':
    case 'create':
    case 'link':
    case 'move':
    case 'move-dir':
    case 'unlink':
    case 'rmdir':
    case 'attributes':
    case 'xattr':
    case 'version':
    case 'drop-version':
    case 'restated':
    case 'pin':
    case 'pin-cold':
    // Who can't read what reaches a chunk can't tell that nothing does.
    case 'condemn':
    case 'sweep':
    case 'cold':
      return mayWrite(role)
    default:
      return assertNever(op)
  }
}
