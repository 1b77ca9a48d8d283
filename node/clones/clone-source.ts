// The state that a clone is made of: that of a snapshot, or of now, whose records do not change; or
// a former one, as far as it is kept.
import { entriesIn } from '../tree/tree-reading.ts'
import { STAMP_ZERO } from '../../protocol/clock/dot.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Inode } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { ReplicaView } from '../state/state-view.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { PastState } from '../tree/past.ts'
import type { FoundPast } from '../volume/bring-back.ts'
import { PastTree } from '../volume/past/tree.ts'
import { stateOf } from '../volume/snapshot-files.ts'

/** A folder, or a file; isExact: false if its state then is not kept, but one near to it. */
export type CloneChild =
  | { readonly kind: 'dir'; readonly id: NodeId }
  | { readonly kind: 'file'; readonly state: PastState; readonly isExact: boolean }

/** As Snapshots.withPresent. */
export type WithPresent = <Result>(
  run: (root: NodeHash | undefined) => Promise<Result>,
) => Promise<Result>

/** The object that is copied, and the state that it is in. */
export interface Origin {
  readonly child: CloneChild
  readonly source: CloneSource
}

export class CloneSource {
  readonly tree: PastTree
  readonly #namespace: Namespace
  readonly #isWhole: boolean

  constructor(namespace: Namespace, { at, from }: Pick<FoundPast, 'at' | 'from'>) {
    this.tree = new PastTree(namespace, at, from)
    this.#namespace = namespace
    this.#isWhole = from !== undefined
  }

  /** All in a folder, each under a name of its own: of a whole state conflict copies, too. */
  async *childrenOf(dir: NodeId): AsyncGenerator<readonly [name: Name, child: CloneChild]> {
    if (this.#isWhole) return yield* this.#entriesOf(dir)
    for await (const [name, child] of this.tree.childrenOf(dir)) {
      if (child.kind === 'dir') {
        yield [name, { kind: 'dir', id: child.id }]
        continue
      }
      const found = await this.tree.stateOf(child)
      if (found !== undefined) yield [name, { kind: 'file', ...found }]
    }
  }

  async *#entriesOf(dir: NodeId): AsyncGenerator<readonly [name: Name, child: CloneChild]> {
    const { volume } = this.#namespace
    for await (const { name, target } of entriesIn(volume, this.tree.view, dir))
      yield [name, childIn(this.tree.view, target)]
  }

  /** False also where that is not known: names may have been removed since. */
  hasOneName({ links }: Inode): boolean {
    return this.#isWhole && links.length === 1
  }
}

/** A place in a state that stays for as long as it is there. */
export function originIn(
  namespace: Namespace,
  view: ReplicaView,
  target: ViewTarget,
  isThere: () => boolean = () => true,
): Origin {
  const source = new CloneSource(namespace, { at: STAMP_ZERO, from: { view, isThere } })
  return { child: childIn(view, target), source }
}

/** The same of what was found of the past. */
export function pastOrigin(namespace: Namespace, { found, ...state }: FoundPast): Origin {
  const source = new CloneSource(namespace, state)
  if (found.kind === 'dir') return { child: { kind: 'dir', id: found.id }, source }
  return { child: { kind: 'file', state: found.state, isExact: found.state.isExact }, source }
}

function childIn(view: ReplicaView, target: ViewTarget): CloneChild {
  if (target.kind === 'dir') return { kind: 'dir', id: target.id }
  return { kind: 'file', state: stateOf(view, target), isExact: true }
}
