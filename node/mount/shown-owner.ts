// The owner of everything shown in a mount, where the ids that other machines use mean nothing on
// this one: as the options uid, gid and umask of mount(8) for file systems without owners.
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import type { AttributeChange } from './file-system.ts'

/** Undefined: as it is stored. */
export interface ShownOwner {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits that nothing shows. */
  readonly umask?: number | undefined
}

export function shownAs<Shown extends NodeAttributes>(attributes: Shown, owner: ShownOwner): Shown {
  const { umask = 0 } = owner
  return { ...attributes, mode: attributes.mode & ~umask, ...ownerOf(owner) }
}

/** The given parts of it. */
export function ownerOf({ uid, gid }: ShownOwner): {
  readonly uid?: number
  readonly gid?: number
} {
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

/**
 * A change without what is shown anyway: what nothing shows nobody here can mean to take from
 * others.
 * throws ShoalError 'EPERM' for another owner than that.
 */
export function withoutShownOwner(
  change: AttributeChange,
  owner: ShownOwner,
  stored: Pick<NodeAttributes, 'mode'>,
): AttributeChange {
  const { uid, gid, mode, ...rest } = change
  const { umask = 0 } = owner
  if (!isShown(uid, owner.uid) || !isShown(gid, owner.gid))
    throw new ShoalError('EPERM', "this mount shows all files as one owner's (--uid, --gid)")
  return {
    ...rest,
    ...(mode === undefined ? {} : { mode: (mode & ~umask) | (stored.mode & umask) }),
    ...(uid === undefined || owner.uid !== undefined ? {} : { uid }),
    ...(gid === undefined || owner.gid !== undefined ? {} : { gid }),
  }
}

function isShown(asked: number | undefined, shown: number | undefined): boolean {
  return asked === undefined || shown === undefined || asked === shown
}
