// Reads what was in the folders of a volume at a moment: of its state in use, as far as that keeps
// what was replaced or removed since, or of a snapshot.
import { keptVersion } from '../../../protocol/tree/superseded.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Name } from '../../../protocol/op/names.ts'
import type { Inode } from '../../../protocol/tree/records.ts'
import type { Version } from '../../../protocol/tree/version-records.ts'
import { inodeAttributes } from '../../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../../protocol/tree/attributes.ts'
import type { ViewTarget } from '../../../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../../../protocol/tree/xattrs.ts'
import type { ReplicaView } from '../../state/state-view.ts'
import type { Namespace } from '../../tree/namespace.ts'
import { entriesAt, removedSince, stateBefore, statesOf } from '../../tree/past.ts'
import type { PastState, Placed } from '../../tree/past.ts'

/** A state of the tree other than the one in use. */
export interface Source {
  readonly view: ReplicaView
  readonly isThere: () => boolean
}

export class PastTree {
  /** Its records. */
  readonly view: ReplicaView
  readonly #namespace: Namespace
  readonly #at: Stamp
  readonly #from: Source | undefined

  constructor(namespace: Namespace, at: Stamp, from?: Source) {
    this.#namespace = namespace
    this.#at = at
    this.#from = from
    this.view = from?.view ?? namespace.volume.view
  }

  /** All that was in a folder, each under a name of its own. */
  async *childrenOf(dir: NodeId): AsyncGenerator<readonly [Name, Placed]> {
    const { authorName: author } = this.#namespace.volume
    const gone = await removedSince(this.view, dir, this.#at)
    const entries = entriesAt(this.view, dir, this.#at, { gone, author })
    for await (const { name, object } of entries) yield [name, object]
  }

  /** The state of a file then, or just before another moment; or else the nearest. */
  async stateOf(
    file: Placed,
    at: Stamp = this.#at,
  ): Promise<{ readonly state: PastState; readonly isExact: boolean } | undefined> {
    const found = stateBefore(await statesOf(this.view, file), at)
    const from = this.#from
    return found && from ? { ...found, state: { ...found.state, view: from.view } } : found
  }

  /** Is a state of it kept still? */
  isKept({ inode: id, version }: PastState): boolean {
    if (this.#from !== undefined) return this.#from.isThere()
    return version === undefined || keptVersion(this.view, id, version.dot) !== undefined
  }

  /** Give what was made in a volume all extended attributes of what it stands for. */
  copyXattrs(from: NodeId, to: ViewTarget, { xattrs }: Pick<Namespace, 'xattrs'>): void {
    for (const name of readXattrNames(this.view, from)) {
      const value = readXattr(this.view, from, name)
      if (value !== undefined) xattrs.set(to, name, value)
    }
  }
}

/** The attributes of a file with this version for its content. */
export function attributesAs(inode: Inode, version: Version | undefined): NodeAttributes {
  const { newest } = inode
  return inodeAttributes(inode, version?.dot === newest?.dot ? newest : version)
}

/** The attributes that come with what is brought back. */
export function kept({ mode, uid, gid, accessedNs, modifiedNs }: NodeAttributes): {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly accessedNs: bigint
  readonly modifiedNs: bigint
} {
  return { mode, uid, gid, accessedNs, modifiedNs }
}

/** Equal for states that are one file under several names. */
export function twinKey({ inode, version }: PastState): string {
  return `${inode} ${version?.dot ?? ''}`
}
