// The extended attributes of a volume's files and directories. What setxattr(2) and removexattr(2)
// refuse is refused here, where the call is made; elsewhere an op is only applied.
import { ShoalError } from '../../protocol/errors.ts'
import { XATTRS_MAX, XATTR_VALUE_MAX } from '../../protocol/limits.ts'
import { countXattrs, readXattr, readXattrNames } from '../../protocol/tree/xattrs.ts'
import type { XattrName } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Volume } from '../log/volume.ts'

/** Flags of setxattr(2). */
const CREATE = 1
const REPLACE = 2

export class Xattrs {
  readonly #volume: Volume

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /** Undefined if it is not set. cost: one read. */
  get({ id }: Pick<ViewTarget, 'id'>, name: XattrName): Uint8Array | undefined {
    return readXattr(this.#volume.view, id, name)
  }

  /** Names of those that are set, in the order of their bytes. cost: one read. */
  list({ id }: Pick<ViewTarget, 'id'>): readonly XattrName[] {
    return readXattrNames(this.#volume.view, id)
  }

  /**
   * As setxattr(2), with its flags, of what is there. throws 'E2BIG', 'ENOSPC', 'EEXIST',
   * 'ENODATA'.
   */
  set(target: Pick<ViewTarget, 'id'>, name: XattrName, value: Uint8Array, flags = 0): void {
    if (value.length > XATTR_VALUE_MAX)
      throw new ShoalError('E2BIG', `an extended attribute has at most ${XATTR_VALUE_MAX} bytes`)
    const isSet = this.get(target, name) !== undefined
    if (isSet && (flags & CREATE) !== 0) throw new ShoalError('EEXIST', `${name} is set already`)
    if (!isSet && (flags & REPLACE) !== 0) throw notSet(name)
    if (!isSet && countXattrs(this.#volume.view, target.id) >= XATTRS_MAX)
      throw new ShoalError('ENOSPC', `the file has ${XATTRS_MAX} extended attributes already`)
    this.#volume.submit({ kind: 'xattr', id: target.id, name, value })
  }

  /** throws 'ENODATA' if it is not set. */
  remove(target: Pick<ViewTarget, 'id'>, name: XattrName): void {
    if (this.get(target, name) === undefined) throw notSet(name)
    this.#volume.submit({ kind: 'xattr', id: target.id, name, value: undefined })
  }
}

function notSet(name: XattrName): ShoalError {
  return new ShoalError('ENODATA', `${name} is not set`)
}
