// Members of one volume on simulated machines, asked through their API as any door would.
import assert from 'node:assert/strict'
import type { ErrorCode } from '../../../protocol/errors.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { Cluster } from '../../../simulations/cluster.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { FileCallOptions, WriteOptions } from '../../../node/control/files.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

const RUN_LIMIT_MS = 1000 * MINUTE_MS

export interface Members extends Cluster {
  readonly nodes: readonly [ClusterNode, ClusterNode, ClusterNode, ...ClusterNode[]]
}

/**
 * Start as many members, connected, let `run` do what it wants with them, and stop them. members:
 * how many of them have joined; the others run, without a volume.
 */
export async function withMembers(
  nodeCount: number,
  seed: number,
  run: (members: Members, scheduler: Scheduler) => Promise<void>,
  { members = nodeCount }: { readonly members?: number } = {},
): Promise<void> {
  const scheduler = new Scheduler(seed)
  const cluster = new Cluster(scheduler, { nodeCount })
  const conduct = async (): Promise<void> => {
    await Promise.all(cluster.nodes.map((node) => node.start()))
    const [founder, ...others] = cluster.nodes as Members['nodes']
    const { ticket } = await founder.ask((api) => api.invite({ uses: nodeCount }))
    for (const node of others.slice(0, members - 1)) await node.ask((api) => api.join(ticket))
    await cluster.clock.sleep(MINUTE_MS)
    await run(cluster as unknown as Members, scheduler)
    await cluster.stop()
  }
  await scheduler.finish(conduct(), RUN_LIMIT_MS)
}

export function put(
  api: NodeApi,
  path: string,
  text: string,
  options?: FileCallOptions & WriteOptions,
): Promise<void> {
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    yield utf8(text)
  }
  return api.writeFile(path, parts(), {}, options)
}

export async function textOf(
  api: NodeApi,
  path: string,
  options?: FileCallOptions,
): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of (await api.readFile(path, options)).content) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

export async function namesIn(
  api: NodeApi,
  path: string,
  options?: FileCallOptions,
): Promise<string[]> {
  const names: string[] = []
  for await (const page of api.list(path, options)) names.push(...page.map(({ name }) => name))
  return names
}

/** A question that a node refuses with a code. */
export async function refused(
  node: ClusterNode,
  run: (api: NodeApi) => Promise<unknown>,
  code: ErrorCode,
): Promise<void> {
  await assert.rejects(node.ask(run), (error) => hasCode(error, code))
}
