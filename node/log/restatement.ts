// Ops of entries that say nothing, made once more as a user could make them now: they came too late
// for a cut, or their writer had no right to them and has one now. Where what an op spoke of is
// gone for good, its content goes to /lost+found. What two say again at once is there twice, as a
// conflict copy.
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { hasCode } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { OP_SHARDS_MAX, RECEIPT_AGE_MS } from '../../protocol/limits.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import { freshFileId } from '../../protocol/tree/file-ids.ts'
import { ROOT, isDirVisible, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { parseName } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import type { Holding, Op } from '../../protocol/op/op.ts'
import { isSnapshotOp } from '../../protocol/op/snapshot-op.ts'
import { lookupName } from '../../protocol/tree/view.ts'
import { freshDirId, isIdOf } from '../../protocol/tree/dir-ids.ts'
import { isSameContent } from '../../protocol/op/same-content.ts'
import type { Random } from '../world/world.ts'
import { isPinSaid } from '../state/pins.ts'
import type { Volume } from './volume.ts'

const LOST_AND_FOUND: Name = parseName(toByteString(utf8('lost+found')))

type OpOf<Kind extends Op['kind']> = Extract<Op, { kind: Kind }>

export interface UnsaidOp {
  readonly op: Op
  readonly dot: Dot
  /** For a `version`, the place of its file as this node last saw it. */
  readonly place: { readonly parent: NodeId; readonly name: Name } | undefined
}

export class Restatement {
  readonly #volume: Volume
  readonly #random: Pick<Random, 'bytes'>
  /** The dots of restated ops, by the dots that now stand for them. */
  readonly #dots = new Map<Dot, Dot>()
  readonly #dirs = new Map<NodeId, NodeId>()
  readonly #inodes = new Map<NodeId, NodeId>()
  readonly #links = new Map<NodeId, NodeId>()

  constructor(volume: Volume, random: Pick<Random, 'bytes'>) {
    this.#volume = volume
    this.#random = random
  }

  /**
   * Make an op once more, after those it goes on from. One that this node may not make any more is
   * left out.
   */
  say(unsaid: UnsaidOp): void {
    try {
      const dot = this.#again(unsaid)
      if (dot !== undefined) this.#dots.set(unsaid.dot, dot)
    } catch (error) {
      // A role that was taken away meanwhile: nothing more can be said in it.
      if (!hasCode(error, 'EACCES')) throw error
    }
  }

  /**
   * Make an op once more. returns the dot of what stands for it; undefined where nothing needs to.
   */
  #again({ op, place }: UnsaidOp): Dot | undefined {
    const { view } = this.#volume
    switch (op.kind) {
      case 'mkdir':
        return this.#makeDir(op)
      case 'create': {
        if (readInode(view, op.inode) !== undefined) return undefined
        const { parent, inode, link } = op
        const fresh = { inode: this.#freshInode(inode), link: this.#freshLink(link) }
        return this.#volume.submit({ ...op, ...fresh, parent: this.#parent(parent) })
      }
      case 'link': {
        const inode = this.#inodes.get(op.inode) ?? op.inode
        if (readInode(view, inode) === undefined || readLink(view, op.link) !== undefined)
          return undefined
        const link = this.#freshLink(op.link)
        return this.#volume.submit({ ...op, link, inode, parent: this.#parent(op.parent) })
      }
      case 'move': {
        const link = this.#linkOf(op.link)
        if ((readLink(view, link)?.live ?? []).length === 0) return undefined
        const inode = this.#inodes.get(op.inode) ?? op.inode
        const parent = this.#parent(op.parent)
        return this.#volume.submit({ ...op, link, inode, parent, saw: this.#seen(op.saw) })
      }
      case 'move-dir': {
        const id = this.#dirs.get(op.id) ?? op.id
        if (!this.#isDir(id)) return undefined
        const parent = this.#parent(op.parent)
        return this.#volume.submit({ ...op, id, parent, saw: this.#seen(op.saw) })
      }
      case 'unlink':
        return this.#unlink(op)
      case 'rmdir': {
        const id = this.#dirs.get(op.id) ?? op.id
        if (readDir(view, id) === undefined) return undefined
        return this.#volume.submit({ ...op, id, saw: this.#seen(op.saw) })
      }
      case 'attributes':
      case 'xattr': {
        const id = this.#dirs.get(op.id) ?? this.#inodes.get(op.id) ?? op.id
        return this.#volume.submit({ ...op, id })
      }
      case 'version':
        return this.#writeVersion(op, place)
      case 'purge-versions': {
        const inode = this.#inodes.get(op.inode) ?? op.inode
        return this.#volume.submit({ ...op, inode, versions: this.#seen(op.versions) })
      }
      case 'drop-version': {
        const inode = this.#inodes.get(op.inode) ?? op.inode
        return this.#volume.submit({ ...op, inode, saw: this.#seen(op.saw) })
      }
      case 'stripe':
        return this.#placeAgain(op)
      case 'shards':
        return this.#holdAgain(op)
      case 'cold':
        return this.#coldAgain(op)
      case 'pin':
      case 'pin-cold': {
        const id = this.#dirs.get(op.id) ?? this.#inodes.get(op.id) ?? op.id
        return isPinSaid(view, id, op.kind) ? undefined : this.#volume.submit({ ...op, id })
      }
      case 'member-info':
        return this.#volume.submit(op)
      // Decisions of others about members, settings and garbage stand, taken meanwhile.
      default:
        return isSnapshotOp(op) ? this.#volume.submit(op) : undefined
    }
  }

  /** A stripe that nobody knows, with its holders. */
  #placeAgain(op: OpOf<'stripe'>): Dot | undefined {
    const { stripes } = this.#volume
    const stripe = stripeIdOf(op.header)
    const holders = op.holders.filter((holding) => this.#maySay(holding))
    if (stripes.get(stripe) === undefined) return this.#volume.submit({ ...op, holders })
    const changes = holders.map((holding) => ({ ...holding, isHeld: true }))
    return this.#holdAgain({ kind: 'shards', stripe, changes })
  }

  /** Restates the holders of shards, unless somebody has reported on them since. */
  #holdAgain(op: OpOf<'shards'>): Dot | undefined {
    const changes = this.#volume.stripes
      .unsaid(op.stripe, op.changes)
      .filter((change) => this.#maySay(change))
      .slice(0, OP_SHARDS_MAX)
    return changes.length === 0 ? undefined : this.#volume.submit({ ...op, changes })
  }

  /**
   * Whether this node can report a holding: its own, or with a receipt that others still accept; a
   * holder whose receipt is too old reports itself.
   */
  #maySay({ peer, receipt }: Holding): boolean {
    if (receipt === undefined) return peer === this.#volume.identity.peer
    return this.#volume.time.now() - hlcMillis(receipt.hlc) < RECEIPT_AGE_MS / 2
  }

  /** Restates the copies in a tier, unless somebody has reported on them since. */
  #coldAgain(op: OpOf<'cold'>): Dot | undefined {
    const places = op.stripes.filter(({ stripe }) => this.#volume.stripes.isUnsaid(stripe, op.tier))
    const isMade = op.pack !== undefined && places.length > 0
    return isMade ? this.#volume.submit({ ...op, stripes: places }) : undefined
  }

  #makeDir(op: OpOf<'mkdir'>): Dot {
    const { view } = this.#volume
    const parent = this.#parent(op.parent)
    const shown = lookupName(view, parent, op.name, this.#volume.authorName)
    const known = shown?.target.kind === 'dir' ? shown.target.id : undefined
    const id = known ?? freshDirId(view, parent, op.name)
    this.#dirs.set(op.id, id)
    if (isIdOf(id, parent, op.name)) return this.#volume.submit({ ...op, id, parent })
    // It was made elsewhere, and moved here.
    const { name, attributes } = op
    this.#volume.submit({ kind: 'attributes', id, attributes })
    return this.#volume.submit({ kind: 'move-dir', id, from: parent, parent, name, saw: [] })
  }

  #unlink({ versions = [], ...op }: OpOf<'unlink'>): Dot | undefined {
    const link = this.#linkOf(op.link)
    if (readLink(this.#volume.view, link) === undefined) return undefined
    const inode = this.#inodes.get(op.inode) ?? op.inode
    const contents = versions.length === 0 ? {} : { versions: this.#seen(versions) }
    return this.#volume.submit({ ...op, ...contents, link, inode, saw: this.#seen(op.saw) })
  }

  #writeVersion(op: OpOf<'version'>, place: UnsaidOp['place']): Dot | undefined {
    const { view } = this.#volume
    const inode = this.#inodes.get(op.inode) ?? op.inode
    const known = readInode(view, inode)
    if (known !== undefined) {
      for (const version of versionsOf(view, inode, known))
        if (isSameContent(version, op)) return undefined
      const touch = op.touch.map(({ link, saw }) => {
        return { link: this.#linkOf(link), saw: this.#seen(saw) }
      })
      return this.#volume.submit({ ...op, inode, base: this.#seen(op.base), touch })
    }
    // Its file was removed, and forgotten since: what was written to it is a file again.
    const fresh = { inode: this.#freshInode(op.inode), link: this.#freshLink(op.inode) }
    const name = place?.name ?? parseName(toByteString(utf8(`file-${op.inode.slice(0, 8)}`)))
    const parent = this.#parent(place?.parent)
    const attributes = { modifiedNs: op.modifiedNs }
    this.#volume.submit({ kind: 'create', ...fresh, parent, name, attributes, target: undefined })
    return this.#volume.submit({ ...op, inode: fresh.inode, base: [], touch: [] })
  }

  /** The directory that stands for this one now. */
  #parent(id: NodeId | undefined): NodeId {
    const known = id === undefined ? undefined : (this.#dirs.get(id) ?? id)
    return known !== undefined && this.#isDir(known) ? known : this.#lostAndFound()
  }

  #isDir(id: NodeId): boolean {
    const dir = readDir(this.#volume.view, id)
    return dir !== undefined && isDirVisible(id, dir)
  }

  #lostAndFound(): NodeId {
    const { view, authorName } = this.#volume
    const shown = lookupName(view, ROOT, LOST_AND_FOUND, authorName)
    if (shown?.target.kind === 'dir') return shown.target.id
    const id = freshDirId(view, ROOT, LOST_AND_FOUND)
    const made = { id, parent: ROOT, name: LOST_AND_FOUND, attributes: {} }
    this.#volume.submit({ kind: 'mkdir', ...made })
    return id
  }

  #seen(dots: readonly Dot[]): readonly Dot[] {
    return dots.map((dot) => this.#dots.get(dot) ?? dot)
  }

  #freshInode(inode: NodeId): NodeId {
    const fresh = this.#freshId()
    this.#inodes.set(inode, fresh)
    return fresh
  }

  #freshLink(link: NodeId): NodeId {
    const fresh = this.#freshId()
    this.#links.set(link, fresh)
    return fresh
  }

  #freshId(): NodeId {
    return freshFileId(this.#random, this.#volume.time.wall())
  }

  /** The name that stands for this one now. */
  #linkOf(link: NodeId): NodeId {
    return this.#links.get(link) ?? link
  }
}
