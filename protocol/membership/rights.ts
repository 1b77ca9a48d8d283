// Which ops a member may make in a role. Told by the entry and the grant it was written under
// alone, so all replicas agree.
import { hlcMillis } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { assertNever } from '../errors.ts'
import type { PeerId, StripeId, VolumeId } from '../ids.ts'
import { CLOCK_AHEAD_MS, RECEIPT_AGE_MS } from '../limits.ts'
import { isReceiptOf } from '../stripe/receipt.ts'
import { stripeIdOf } from '../stripe/stripe.ts'
import type { Holding, Op } from '../op/op.ts'
import { enforces } from '../trust.ts'
import { mayAdminister, mayGiveUp, mayLeave, mayRead, mayWrite } from '../roles.ts'
import type { Role } from '../roles.ts'

/**
 * May `author`, in this role, make the op? An op that it may not make has no effect, on any
 * replica.
 */
export function mayMake(op: Op, author: PeerId, role: Role): boolean {
  if (!enforces('op-by-role')) return true
  switch (op.kind) {
    case 'member-info':
      return op.peer === author || mayAdminister(role)
    case 'backup':
      return mayGiveUp(role) && (op.peer === author || !enforces('backup-word-own'))
    // Only the newest of a member count, so making many would let go of older ones.
    case 'snapshot':
      return mayGiveUp(role) && op.peer === author
    case 'snapshot-rm':
      return mayAdminister(role) || (mayGiveUp(role) && op.peer === author && !op.forced)
    case 'snapshot-hold':
      return mayAdminister(role)
    case 'shards':
      return role !== 'reader'
    case 'read':
      return mayRead(role)
    case 'remove-member':
      return mayAdminister(role) || (op.peer === author && mayLeave(role))
    case 'member':
    case 'epoch':
    case 'policy':
    case 'dismiss-loss':
    case 'purge-versions':
      return mayAdminister(role)
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
    case 'mass-loss':
    // Every writer of placements may, since it also recodes.
    case 'stripe':
    case 'doubt':
      return mayWrite(role)
    case 'checkpoint':
    // Nothing of what it names is said again by its own writer.
    case 'restated':
    case 'pin':
    case 'pin-cold':
    // Members that cannot read the tree cannot tell that nothing refers to a chunk.
    case 'condemn':
    case 'sweep':
    case 'cold':
      return mayGiveUp(role)
    default:
      return assertNever(op)
  }
}

/**
 * Whether an op reports holders with authority: its author about itself, or about others by the
 * receipts that they signed. hlc: clock of the entry.
 */
export function areHoldersHeard(
  op: Op,
  author: PeerId,
  { volume, hlc }: { readonly volume: VolumeId; readonly hlc: Hlc },
): boolean {
  if (!enforces('holders-speak')) return true
  const isSaid = (stripe: StripeId, { index, peer, receipt }: Holding): boolean => {
    if (receipt === undefined) return peer === author
    // One from the future could not be taken back, and what was taken back is forgotten after a
    // while.
    const ageMs = hlcMillis(hlc) - hlcMillis(receipt.hlc)
    const isFresh = ageMs >= -CLOCK_AHEAD_MS && ageMs < RECEIPT_AGE_MS
    return isFresh && isReceiptOf(receipt, { volume, peer, stripe, index })
  }
  switch (op.kind) {
    case 'stripe': {
      const stripe = stripeIdOf(op.header)
      return op.holders.every((holding) => isSaid(stripe, holding))
    }
    case 'shards':
      return op.changes.every((change) =>
        change.isHeld ? isSaid(op.stripe, change) : change.peer === author,
      )
    default:
      return true
  }
}
