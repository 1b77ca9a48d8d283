// Nodes of checkpoints' trees that the checkpoint kept does not reach: what a fetch that was broken
// off has left, or the computing of a checkpoint that failed. A durable mark tells that there may
// be some. They stay for a while, since a fetch goes on with them, and are swept when nobody has
// stored nodes for long. Invariants:
//   no node goes while another is here that has it below it, so who finds a node finds all below it
//   nothing goes while a checkpoint is being fetched: the fetch counts on all that is here
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { levelOf } from '../../protocol/prolly/node.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Clock } from '../world/world.ts'
import { PARTS, TreeNodes, dropNodes } from '../state/checkpoint-view.ts'
import type { Part, Roots, Trees } from '../state/checkpoint-view.ts'
import { snapshotRoots } from '../state/snapshot-trees.ts'
import type { StateView } from '../state/state-view.ts'

/** There while nodes are being stored, and when some were left. */
const MARK: ByteString = STATE_PREFIXES.orphanNode
const QUIET_MS: number = 10 * MINUTE_MS
/** Nodes read, or deleted, before others get their turn. */
const NODES_AT_ONCE = 64

export interface Sweeping {
  readonly trees: Trees
  /** The roots of the checkpoints that are kept; those of snapshots are, too. */
  readonly kept: readonly Roots[]
  readonly commit: () => Promise<void>
  readonly clock: Clock
  readonly signal: AbortSignal
}

export class OrphanNodes {
  readonly #view: StateView
  readonly #clock: Pick<Clock, 'now'>
  #areLeft: boolean
  #quietSinceMs: number
  /** Works that store nodes: that run, that were begun, and fetches that run. */
  #running = 0
  #begun = 0
  #fetching = 0

  constructor(view: StateView, clock: Pick<Clock, 'now'>) {
    this.#view = view
    this.#clock = clock
    this.#areLeft = view.get(MARK) !== undefined
    this.#quietSinceMs = clock.now()
  }

  /** A tree is needed no more: what only that reaches is for the sweep. */
  leave(): void {
    if (this.#view.get(MARK) === undefined) this.#view.put(MARK, Uint8Array.of(1))
    this.#areLeft = true
    this.#quietSinceMs = this.#clock.now()
  }

  /** Compute a checkpoint and keep it. */
  compute<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#during(work, () => true)
  }

  /** Fetch a checkpoint and take it up. returns what `work` does: false if it was not taken up. */
  async fetch(work: () => Promise<boolean>): Promise<boolean> {
    this.#fetching++
    try {
      return await this.#during(work, (isTaken) => isTaken)
    } finally {
      this.#fetching--
    }
  }

  /** Delete what only an old checkpoint reaches; if one is being fetched, that is for the sweep. */
  drop(trees: Trees, old: Roots, kept: Roots): void {
    if (this.#fetching === 0) return dropNodes(trees, old, kept, snapshotRoots(this.#view))
    this.#areLeft = true
  }

  /**
   * Delete what is left, if nobody has stored nodes for a while; it ends early when somebody does.
   * Not while the checkpoint kept becomes another. cost: O(nodes), in slices.
   */
  async sweep(sweeping: Sweeping): Promise<void> {
    if (!this.#areLeft || this.#running > 0) return
    if (this.#clock.now() - this.#quietSinceMs < QUIET_MS) return
    const begun = this.#begun
    for (const part of PARTS) {
      const nodes = new TreeNodes(this.#view, part)
      const snapshots = part === 'clear' ? [] : snapshotRoots(this.#view)
      const orphans = await orphansOf(part, nodes, snapshots, sweeping)
      while (orphans.length > 0) {
        if (this.#begun !== begun) return
        for (const id of orphans.splice(0, NODES_AT_ONCE)) nodes.delete(id)
        await sweeping.commit()
      }
    }
    if (this.#begun !== begun) return
    this.#areLeft = false
    this.#view.delete(MARK)
    await sweeping.commit()
  }

  async #during<Result>(
    work: () => Promise<Result>,
    isReached: (result: Result) => boolean,
  ): Promise<Result> {
    // Durable together with the first node.
    if (this.#view.get(MARK) === undefined) this.#view.put(MARK, Uint8Array.of(1))
    this.#begun++
    this.#running++
    let isStray = true
    try {
      const result = await work()
      isStray = !isReached(result)
      return result
    } finally {
      this.#running--
      this.#areLeft ||= isStray
      this.#quietSinceMs = this.#clock.now()
      if (this.#running === 0 && !this.#areLeft) this.#view.delete(MARK)
    }
  }
}

/** Parents before children. */
async function orphansOf(
  part: Part,
  nodes: TreeNodes,
  snapshots: readonly NodeHash[],
  { trees, kept, clock, signal }: Sweeping,
): Promise<NodeHash[]> {
  let count = 0
  const pause = async (): Promise<void> => {
    if (++count % NODES_AT_ONCE === 0) await clock.sleep(1, { signal })
  }
  const reached = new Set<NodeHash>()
  let known: NodeHash | undefined
  for (const root of [...kept.map((roots) => roots[part]), ...snapshots]) {
    for (const id of trees[part].newNodes(known, root)) {
      reached.add(id)
      await pause()
    }
    known = root
  }
  const orphans: { readonly id: NodeHash; readonly level: number }[] = []
  for await (const [id, bytes] of nodes.all()) {
    if (!reached.has(id)) orphans.push({ id, level: levelOf(bytes) })
    await pause()
  }
  return orphans.sort((a, b) => b.level - a.level).map(({ id }) => id)
}
