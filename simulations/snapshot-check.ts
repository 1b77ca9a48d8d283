// Are snapshots what they say? One whose making was acknowledged is there in the end on every
// member, unless somebody removed it; all have it alike; and what it names can be read on each.
import { CheckError } from './check-error.ts'
import { readAll } from './checkers.ts'
import type { ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { UserOp } from './script.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { Clock } from '../node/world/world.ts'

const INVARIANT = 'snapshots are kept, and the same everywhere'

interface Checking {
  readonly clock: Clock
  readonly isReadable: (size: number) => boolean
}

export class MadeSnapshots {
  /** By whom. */
  readonly #made = new Map<string, string>()
  /** Those that somebody removed, or tried to. */
  readonly #removed = new Set<string>()

  async perform(
    api: NodeApi,
    { name, removes }: Extract<UserOp, { kind: 'snapshot' }>,
    node: string,
  ): Promise<void> {
    if (removes) {
      this.#removed.add(name)
      await api.removeSnapshot(name)
    } else {
      await api.createSnapshot('/', { name })
      this.#made.set(name, node)
    }
  }

  /** throws CheckError. */
  async check(
    members: readonly ClusterNode[],
    contents: Contents,
    checking: Checking,
  ): Promise<void> {
    let told: string | undefined
    for (const node of members) {
      const names = await node.ask((api) => this.#names(api, node.name))
      const lines: string[] = []
      for (const name of names) {
        for (const [path, size] of await node.ask((api) => filesIn(api, name))) {
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

/** Paths and sizes of all files in a snapshot. */
async function filesIn(api: NodeApi, name: string): Promise<readonly [string, number][]> {
  const found: [string, number][] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const page of api.list(folder === '' ? '/' : folder, { version: `@${name}` }))
      for (const entry of page) {
        if (entry.kind === 'folder') folders.push(`${folder}/${entry.name}`)
        if (entry.kind === 'file') found.push([`${folder}/${entry.name}`, entry.sizeBytes])
      }
  }
  return found
}
