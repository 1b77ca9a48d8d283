// Invalidates the kernel's caches of a volume when a change comes from elsewhere (another node, or
// this node's other doors). What the mount itself changes the kernel knows of.
import { emptyChanges } from '../../protocol/tree/apply.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { isIndexed } from '../../protocol/tree/conflict-counts.ts'
import { collisionKey, plainNameOf } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Invalidator } from './file-system.ts'
import type { InodeTable } from './inode-table.ts'

export class RemoteChanges {
  readonly #c: { readonly namespace: Namespace; readonly inodes: InodeTable }
  /** True while a call of this mount makes ops. */
  #own = false
  #invalidator: Invalidator | undefined
  #unlisten: (() => void) | undefined

  constructor(components: { readonly namespace: Namespace; readonly inodes: InodeTable }) {
    this.#c = components
  }

  listen(invalidator: Invalidator): void {
    this.#invalidator = invalidator
    const { events } = this.#c.namespace.volume
    const unlisten = events.change.add((changes) => {
      if (!this.#own) this.#forget(changes)
      else this.#forgetNames(changes.names.filter(([, name]) => collisionKey(name) !== name))
    })
    const unlistenReset = events.onReset(() => {
      const before = this.#known()
      return () => {
        this.#forget(before)
        this.#forget(this.#known())
      }
    })
    this.#unlisten = () => {
      unlisten()
      unlistenReset()
    }
  }

  unlisten(): void {
    this.#unlisten?.()
  }

  /** Make ops that the kernel knows of, as it asked for them. */
  making<Result>(make: () => Result): Result {
    this.#own = true
    try {
      return make()
    } finally {
      this.#own = false
    }
  }

  /**
   * Make the ops of what the kernel wrote to a file: it has the content, and knows the names, but
   * those that are in a conflict before or after it, or are there only since.
   */
  logging<Result>(target: ViewTarget, make: () => Result): Result {
    const before = new Set(this.#plainNames(target).map(String))
    const result = this.making(make)
    const after = new Set(this.#plainNames(target).map(String))
    const names = this.#c.namespace.placesOf(target)
    this.#forget({
      ...emptyChanges(),
      names: names.filter((name) => !before.has(String(name)) || !after.has(String(name))),
    })
    return result
  }

  /** The places where a file shows under its own name, alone. */
  #plainNames(target: ViewTarget): [NodeId, Name][] {
    const { namespace } = this.#c
    const { view } = namespace.volume
    return namespace.placesOf(target).filter(([dir, name]) => !isIndexed(view, dir, name))
  }

  /** A write of the kernel's was refused: it is to forget what it wrote. Resolves when it has. */
  async forget(target: ViewTarget): Promise<void> {
    const number = this.#c.inodes.numberOf(target)
    if (number === undefined) return
    this.#invalidator?.inode(number)
    await this.#invalidator?.settled()
  }

  /** All that the kernel knows, where it is now. */
  #known(): ChangeSet {
    const changes = emptyChanges()
    for (const target of this.#c.inodes.targets()) {
      if (target.kind === 'dir') changes.dirs.add(target.id)
      else changes.inodes.add(target.id)
      changes.names.push(...this.#c.namespace.placesOf(target))
    }
    return changes
  }

  #forget(changes: ChangeSet): void {
    const { inodes } = this.#c
    const invalidator = this.#invalidator
    if (invalidator === undefined) return
    for (const id of changes.inodes) {
      const number = inodes.numberOf({ kind: 'inode', id, link: ROOT, version: undefined })
      if (number !== undefined) invalidator.inode(number)
    }
    for (const id of changes.dirs) {
      const number = inodes.numberOf({ kind: 'dir', id })
      if (number !== undefined) invalidator.inode(number)
    }
    this.#forgetNames(changes.names)
  }

  /** A name was made, moved or removed as it is spelled, and means the same in the normal form. */
  #forgetNames(names: ChangeSet['names']): void {
    for (const [dir, name] of names) {
      const number = this.#c.inodes.numberOf({ kind: 'dir', id: dir })
      if (number === undefined) continue
      for (const spelled of new Set([name, collisionKey(name)]))
        this.#invalidator?.entry(number, spelled)
    }
  }
}

/**
 * Is the kernel told whenever what a name means changes? Not of other spellings than the normal
 * form, since there are many, nor of what shows as a conflict copy, since changes do not name it.
 */
export function keepsName(name: string): boolean {
  return collisionKey(name as Name) === name && plainNameOf(name as Name) === undefined
}
