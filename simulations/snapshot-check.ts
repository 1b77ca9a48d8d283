// Are snapshots what they say? One whose making was acknowledged is there in the end on every
// member, unless somebody removed it; all have it alike; and what it names can be read on each.
import { CheckError } from './check-error.ts'
import { readAll } from './checkers.ts'
import type { ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { UserOp } from './script.ts'
import type { NodeApi } from '../node/control/api.ts'
import { MadeClones } from './clone-check.ts'
import { filesBelow } from './shown.ts'
import type { Clock } from '../node/world/world.ts'

const INVARIANT = 'snapshots are kept, and the same everywhere'

interface Checking {
  readonly clock: Clock
  readonly isReadable: (size: number) => boolean
}

export class MadeSnapshots {
  readonly clones: MadeClones = new MadeClones()
  /** By whom. */
  readonly #made = new Map<string, string>()
  /** Those that somebody removed, or tried to. */
  readonly #removed = new Set<string>()

  async perform(
    api: NodeApi,
    op: Extract<UserOp, { kind: 'snapshot' | 'clone' }>,
    by: { readonly node: string; readonly clock: Clock },
  ): Promise<void> {
    if (op.kind === 'clone') return this.clones.perform(api, op, by)
    const { name, removes } = op
    if (removes) {
      this.#removed.add(name)
      await api.removeSnapshot(name)
    } else {
      await api.createSnapshot('/', { name })
      this.#made.set(name, by.node)
    }
  }

  /** throws CheckError. */
  async check(
    members: readonly ClusterNode[],
    contents: Contents,
    checking: Checking,
  ): Promise<void> {
    await this.clones.check(members, contents, checking)
    let told: string | undefined
    for (const node of members) {
      const names = await node.ask((api) => this.#names(api, node.name))
      const lines: string[] = []
      for (const name of names) {
        for (const [path, size] of await node.ask((api) =>
          filesBelow(api, '/', { version: `@${name}` }),
        )) {
          lines.push(`${name} ${path} ${size}`)
          if (size === 0 || !checking.isReadable(size)) continue
          const parts = await node.ask((api) => readAll(api, path, checking.clock, `@${name}`))
          if (contents.isContent(size, parts)) continue
          throw new CheckError(INVARIANT, `${node.name} reads other bytes as ${path} in ${name}`)
        }
      }
      const text = [...names, ...lines].sort().join('\n')
      told ??= text
      if (told !== text)
        throw new CheckError(INVARIANT, `${node.name} has\n${text}\n, and another has\n${told}`)
    }
  }

  async #names(api: NodeApi, node: string): Promise<readonly string[]> {
    const listed = await api.listSnapshots()
    for (const { name, state } of listed) {
      if (state === 'same' || state === 'taken') continue
      throw new CheckError(INVARIANT, `${node} has the snapshot ${name} as ${state}`)
    }
    const names = listed.map(({ name }) => name)
    for (const [name, by] of this.#made) {
      if (this.#removed.has(name) || names.includes(name)) continue
      throw new CheckError(INVARIANT, `${node} lacks the snapshot ${name} of ${by}`)
    }
    return names.sort()
  }
}
