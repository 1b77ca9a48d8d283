// Which ops a full node refuses to make: those that add to the tree. What removes, or says where
// data lies, goes on.
import type { Op } from '../op/op.ts'

/** Does the op make something, or say more of something? */
export function isGrowing(op: Op): boolean {
  switch (op.kind) {
    case 'mkdir':
    case 'create':
    case 'link':
    case 'move':
    case 'move-dir':
    case 'attributes':
    case 'pin':
    case 'pin-cold':
      return true
    case 'xattr':
      return op.value !== undefined
    case 'version':
      return op.size > 0
    default:
      return false
  }
}
