// Names for the ids in the log: see HistoryNames (protocol/tree/describe.ts). Nothing is kept for it: today's names come
// from the state, earlier ones from the ops that an op says its writer had seen.
import type { ActorId, NodeId, PeerId } from '../../protocol/ids.ts'
import type { Dot } from '../../protocol/log/dot.ts'
import { pathIn } from '../../protocol/tree/describe.ts'
import type { HistoryNames } from '../../protocol/tree/describe.ts'
import type { Op } from '../../protocol/tree/op.ts'
import { ROOT, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import { losingVersions } from '../../protocol/tree/view.ts'
import type { Volume } from './volume.ts'

/** Ops that are looked through for a former name, at most. */
const STEPS_MAX = 32

export class LogNames implements HistoryNames {
  readonly #volume: Volume

  constructor(volume: Volume) {
    this.#volume = volume
  }

  folder(id: NodeId): string {
    const { view } = this.#volume
    if (id === ROOT) return '/'
    const dir = readDir(view, id)
    return dir === undefined ? '…' : pathIn(this.folder(dir.parent), dir.name)
  }

  place(id: NodeId): string | undefined {
    const { view } = this.#volume
    const at = readLink(view, id) ?? readDir(view, id)
    return at === undefined ? undefined : pathIn(this.folder(at.parent), at.name)
  }

  before(id: NodeId, saw: readonly Dot[]): string | undefined {
    let dots = saw
    for (let step = 0; step < STEPS_MAX; step++) {
      const op = this.#op(dots[0])
      switch (op?.kind) {
        case 'mkdir':
        case 'create':
        case 'link':
        case 'move':
        case 'move-dir':
          return pathIn(this.folder(op.parent), op.name)
        case 'version':
          dots = op.touch.find(({ link }) => link === id)?.saw ?? []
          break
        default:
          return undefined
      }
    }
    return undefined
  }

  object(id: NodeId): string | undefined {
    const { view } = this.#volume
    const [link] = readInode(view, id)?.links ?? []
    if (link !== undefined) return this.place(link)
    return readDir(view, id) === undefined ? undefined : this.folder(id)
  }

  member(peer: PeerId): string {
    return this.#volume.membership.nameOf(peer)
  }

  inConflict(inode: NodeId, version: Dot): boolean {
    const versions = readInode(this.#volume.view, inode)?.versions ?? []
    const losing = losingVersions(versions)
    const sides = losing.length === 0 ? [] : [...losing, ...versions.slice(-1)]
    return sides.some(({ dot }) => dot === version)
  }

  #op(dot: Dot | undefined): Op | undefined {
    const [actor = '', seq = '', index = ''] = dot?.split(':') ?? []
    const entry = this.#volume.entry(actor as ActorId, Number(seq))
    const reading = entry === undefined ? undefined : this.#volume.replica.read(entry)
    return reading?.kind === 'ops' ? reading.ops[Number(index)] : undefined
  }
}
