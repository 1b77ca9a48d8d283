// Are clones what they say? One whose making was acknowledged is there in the end on every member,
// with all that it held then, whatever became of what it was made of; and all of it can be read.
import { MINUTE_MS } from '../protocol/units.ts'
import { CheckError } from './check-error.ts'
import { readAll } from './checkers.ts'
import type { ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { UserOp } from './script.ts'
import { CLONES_FOLDER, filesBelow } from './shown.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { Clock } from '../node/world/world.ts'

const INVARIANT = 'a clone outlives its source'
/** After which a user breaks it off. */
const PATIENCE_MS: number = 5 * MINUTE_MS

interface Checking {
  readonly clock: Clock
  readonly isReadable: (size: number) => boolean
}

interface MadeClone {
  /** By whom. */
  readonly node: string
  readonly lines: readonly string[]
}

export class MadeClones {
  readonly #made = new Map<string, MadeClone>()

  /** How many were acknowledged. */
  get count(): number {
    return this.#made.size
  }

  async perform(
    api: NodeApi,
    { path, snapshot, name }: Extract<UserOp, { kind: 'clone' }>,
    { node, clock }: { readonly node: string; readonly clock: Clock },
  ): Promise<void> {
    await api.makeFolder(`/${CLONES_FOLDER}`, { parents: true })
    const to = `/${CLONES_FOLDER}/${name}`
    const version = snapshot && `@${snapshot}`
    const was = version === undefined ? undefined : await linesBelow(api, path, { version })
    const signal = clock.timeout(PATIENCE_MS)
    for await (const page of api.clone(path, to, { version, signal })) void page
    const lines = await linesBelow(api, to)
    if (was !== undefined && was.join('\n') !== lines.join('\n'))
      throw new CheckError(INVARIANT, `${to} of ${node} lacks some of what is in ${snapshot ?? ''}`)
    this.#made.set(to, { node, lines })
  }

  /** throws CheckError. */
  async check(
    members: readonly ClusterNode[],
    contents: Contents,
    { clock, isReadable }: Checking,
  ): Promise<void> {
    for (const node of members) {
      for (const [to, { node: by, lines }] of this.#made) {
        const shown = await node.ask((api) => linesBelow(api, to))
        if (shown.join('\n') !== lines.join('\n')) {
          const what = `${node.name} shows in ${to} of ${by}\n${shown.join('\n')}\nand not\n`
          throw new CheckError(INVARIANT, what + lines.join('\n'))
        }
        for (const [path, size] of await node.ask((api) => filesBelow(api, to))) {
          if (size === 0 || !isReadable(size)) continue
          const parts = await node.ask((api) => readAll(api, path, clock))
          if (contents.isContent(size, parts)) continue
          throw new CheckError(INVARIANT, `${node.name} reads other bytes as ${path}`)
        }
      }
    }
  }
}

/** Paths within and sizes of all files below a folder, or of the file that it is. */
async function linesBelow(
  api: NodeApi,
  path: string,
  options: { readonly version?: string } = {},
): Promise<readonly string[]> {
  const files = await filesBelow(api, path, options)
  const length = path === '/' ? 0 : path.length
  return files.map(([at, size]) => `${at.slice(length)} ${size}`).sort()
}
