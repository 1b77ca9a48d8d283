// Files without a name, known to this mount alone. Those of O_TMPFILE, until link(2) gives them
// one: only then they are logged, made and written at once; those that never get one leave nothing.
// They have no extended attributes. And those whose last name was removed through this mount while
// they were open: they live until they are closed, though the log forgets them, and what is done to
// them is not logged.
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import type { AttributeValues } from '../../protocol/op/op.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import type { Maker } from './file-system.ts'
import type { RemoteChanges } from './remote-changes.ts'
import type { FileTarget, OpenFiles } from './open-files.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

interface UnlinkedInode {
  /** By whom, and how, if it never had a name. */
  readonly made: { readonly mode: number; readonly maker: Maker } | undefined
  /** Its attributes, without its content. */
  attributes: NodeAttributes
  /** The attributes that were set since it was made. */
  changed: AttributeValues
}

export interface UnlinkedInodesComponents {
  readonly namespace: Pick<Namespace, 'attributes' | 'freshId' | 'nowNs' | 'volume'>
  readonly files: OpenFiles
  readonly cache: RemoteChanges
}

export class UnlinkedInodes {
  readonly #c: UnlinkedInodesComponents
  readonly #byId = new Map<NodeId, UnlinkedInode>()

  constructor(components: UnlinkedInodesComponents) {
    this.#c = components
  }

  make(mode: number, maker: Maker): FileTarget {
    const id = this.#c.namespace.freshId()
    const now = this.#c.namespace.nowNs()
    const attributes: NodeAttributes = {
      kind: 'file',
      mode: mode & 0o7777 & ~maker.umask,
      uid: maker.uid,
      gid: maker.gid,
      linkCount: 0,
      sizeBytes: 0,
      allocatedBytes: 0,
      accessedNs: now,
      modifiedNs: now,
      changedNs: now,
    }
    this.#byId.set(id, { made: { mode, maker }, attributes, changed: {} })
    return { kind: 'inode', id, link: ROOT, version: undefined }
  }

  /**
   * A name of it was removed here: if that was the last, it lives on for who has it open, or is
   * about to.
   */
  removed(target: ViewTarget | undefined): void {
    if (target?.kind !== 'inode' || target.version !== undefined) return
    const { files, namespace } = this.#c
    if (namespace.attributes(target).linkCount > 0) return
    const keep = (): void => {
      const attributes = namespace.attributes(target)
      this.#byId.set(target.id, { made: undefined, attributes, changed: {} })
    }
    // Whoever removed it does not wait for that.
    void ignoreFailure(files.remove(target, keep), 'the next start of the node removes it')
  }

  /**
   * It shows under some name: one that was removed does so again if somebody changed it elsewhere
   * meanwhile.
   */
  found(target: ViewTarget): ViewTarget {
    if (this.#byId.get(target.id)?.made !== undefined) return target
    this.#byId.delete(target.id)
    this.#c.files.found(target)
    return target
  }

  get({ id }: ViewTarget): Readonly<UnlinkedInode> | undefined {
    return this.#byId.get(id)
  }

  /** The attributes, also of objects that have a name. */
  attributes(target: ViewTarget): NodeAttributes {
    return this.get(target)?.attributes ?? this.#c.namespace.attributes(target)
  }

  /** returns false, with nothing done, for what has a name. */
  change({ id }: ViewTarget, values: AttributeValues): boolean {
    const file = this.#byId.get(id)
    if (file === undefined) return false
    const changedNs = this.#c.namespace.nowNs()
    file.attributes = { ...file.attributes, ...values, changedNs }
    file.changed = { ...file.changed, ...values }
    return true
  }

  /**
   * Give a file a name, which `create` does: it is made and what was written to it is logged in one
   * step. returns false, with nothing done, for what has one.
   */
  async name(
    target: ViewTarget,
    create: (made: { mode: number; maker: Maker; changed: AttributeValues }) => void,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { files, cache, namespace } = this.#c
    if (this.#byId.get(target.id)?.made === undefined) return false
    const open = files.get(target)
    if (open === undefined) throw new ShoalError('ENOENT', 'a file without a name was closed')
    return files.inOrder(open, async () => {
      const file = this.#byId.get(target.id)
      if (file?.made === undefined) return false
      const { made, changed } = file
      const make = (put: () => FileVersion | undefined): FileVersion | undefined =>
        namespace.volume.atomically(() => {
          create({ ...made, changed })
          return put()
        })
      await files.name(open, (put) => cache.making(() => make(put)), signal)
      this.#byId.delete(target.id)
      return true
    })
  }

  /** The kernel has let go of it. */
  forget(target: ViewTarget): void {
    this.#byId.delete(target.id)
    const open = this.#c.files.get(target)
    if (open !== undefined) this.#c.files.end(open)
  }
}
