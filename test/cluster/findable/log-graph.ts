// The entries of the log of a round, and how many of each member a machine had applied when these
// were its heads.
import type { EntryHash } from '../../../protocol/ids.ts'
import type { LogEntry } from '../../../node/control/history.ts'
import type { TestNode } from '../cluster.ts'
import { MACHINES } from './acts.ts'
import type { Heads } from './acts.ts'

/** How many entries of each machine. */
export type Past = readonly number[]

/** The past of a machine that may have had everything. */
const EVERYTHING: Past = Array<number>(MACHINES).fill(Infinity)
const NOTHING: Past = Array<number>(MACHINES).fill(0)

export class LogGraph {
  readonly #entries: ReadonlyMap<EntryHash, { readonly by: number; readonly parents: Heads }>
  readonly #pasts = new Map<EntryHash, Past>()

  constructor(
    entries: readonly Pick<LogEntry, 'id' | 'author' | 'parents'>[],
    names: readonly string[],
  ) {
    this.#entries = new Map(
      entries.map(({ id, author, parents }) => [id, { by: names.indexOf(author), parents }]),
    )
    // The oldest first, so that none goes deep.
    for (const { id } of entries.toReversed()) this.#pastOf(id)
  }

  /** The entries since a time, of a node that has all of them. */
  static async read(node: TestNode, names: readonly string[], sinceMs: number): Promise<LogGraph> {
    const entries: LogEntry[] = []
    await node.ask(async (client) => {
      for await (const page of client.readLog('/', { all: true }))
        for (const item of page) {
          if (item.kind === 'dropped' || item.timeMs < sinceMs) return
          entries.push(item)
        }
    })
    return new LogGraph(entries, names)
  }

  /** Entries at or before these heads; of what is older than the graph none counts. */
  past(heads: Heads | undefined): Past {
    if (heads === undefined) return EVERYTHING
    return heads.map((head) => this.#pastOf(head)).reduce(most, NOTHING)
  }

  #pastOf(id: EntryHash): Past {
    const known = this.#pasts.get(id)
    if (known !== undefined) return known
    const entry = this.#entries.get(id)
    if (entry === undefined) return NOTHING
    const before = entry.parents.map((parent) => this.#pastOf(parent)).reduce(most, NOTHING)
    const past = before.map((count, by) => (by === entry.by ? count + 1 : count))
    this.#pasts.set(id, past)
    return past
  }
}

function most(one: Past, other: Past): Past {
  return one.map((count, by) => Math.max(count, other[by] ?? 0))
}
