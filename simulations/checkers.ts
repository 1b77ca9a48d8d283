// What must be true of a cluster that was left alone with all its nodes up and connected (MEMO §6.3): every node has the
// same log and shows the same tree, byte for byte, and everything acknowledged as durable is in it.
import { toHex, utf8 } from '../protocol/bytes.ts'
import { hasCode } from '../protocol/errors.ts'
import { blake3, blake3Concat } from '../protocol/hash.ts'
import { MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import type { Tally } from './workload.ts'
import type { FileStat, NodeApi, VolumeInfo } from '../node/control/api.ts'

/** After this much time without faults the nodes must be equal. */
const QUIET_LIMIT_MS: number = 5 * MINUTE_MS
const LOOK_MS: number = 2 * SECOND_MS
/** Equal logs at so many looks in a row are quiet. */
const LOOKS_QUIET = 3

/** What a check found wrong. */
export class CheckError extends Error {
  override readonly name: string = 'CheckError'
}

/**
 * Wait until all that was written is placed, and all logs are equal and stay so.
 * throws CheckError when that takes too long.
 */
export async function quiesce(cluster: Cluster): Promise<void> {
  const deadlineMs = cluster.scheduler.nowMs + QUIET_LIMIT_MS
  for (const node of cluster.nodes) await placeAll(node, cluster, deadlineMs)
  let quietLooks = 0
  let before = ''
  while (quietLooks < LOOKS_QUIET) {
    await cluster.clock.sleep(LOOK_MS)
    const heads = await Promise.all(cluster.nodes.map(headsOf))
    const [first = ''] = heads
    const isQuiet = heads.every((other) => other === first) && first === before
    quietLooks = isQuiet ? quietLooks + 1 : 0
    before = first
    if (cluster.scheduler.nowMs < deadlineMs) continue
    const shown = cluster.nodes.map(({ name }, index) => `${name} ${heads[index] ?? ''}`)
    throw new CheckError(
      `the logs are not equal ${QUIET_LIMIT_MS} ms after the last fault:\n${shown.join('\n')}`,
    )
  }
}

/** Compare the trees of nodes. returns one hash of them. throws CheckError naming the first difference. */
export async function checkTrees(nodes: readonly ClusterNode[]): Promise<string> {
  const [first, ...others] = nodes
  if (first === undefined) return ''
  const expected = await treeOf(first)
  for (const other of others) {
    const found = await treeOf(other)
    const at = expected.findIndex((line, index) => line !== found[index])
    if (at < 0 && found.length === expected.length) continue
    const index = at < 0 ? expected.length : at
    const shown = [first, other].map(
      ({ name }, side) => `${name}: ${[expected, found][side]?.[index] ?? '(nothing)'}`,
    )
    throw new CheckError(`the trees differ:\n${shown.join('\n')}`)
  }
  return toHex(blake3(utf8(expected.join('\n'))))
}

/** Every file that was acknowledged and never touched again is there as it was written. throws CheckError. */
export async function checkAcknowledged(node: ClusterNode, tally: Tally): Promise<void> {
  for (const [path, hash] of tally.acknowledged) {
    const found = await node.ask((api) => hashAt(api, path))
    if (found !== hash) throw new CheckError(`${path} was acknowledged and is ${found}`)
  }
}

/** Every stripe has all of its shards, as each node sees it. throws CheckError. */
export async function checkStripes(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    const { full, ...rest } = (await statusOf(node)).stripes
    const others = Object.values(rest).reduce((sum, count) => sum + count, 0)
    if (others === 0) continue
    throw new CheckError(`${node.name}: ${full} stripes are full, and ${JSON.stringify(rest)}`)
  }
}

/** What a node says of the volume. */
export async function statusOf(node: ClusterNode): Promise<VolumeInfo> {
  return await node.ask(async (api) => {
    const [volume] = await api.listVolumes()
    if (volume === undefined) throw new CheckError(`${node.name} has no volume`)
    return await api.volumeInfo(volume.id)
  })
}

async function placeAll(node: ClusterNode, cluster: Cluster, deadlineMs: number): Promise<void> {
  for (;;) {
    try {
      return await node.ask((api) => api.settle('placed'))
    } catch (error) {
      if (!hasCode(error, 'not-placed')) throw error
      if (cluster.scheduler.nowMs < deadlineMs) await cluster.clock.sleep(LOOK_MS)
      else throw new CheckError(`${node.name} cannot place what it has`, { cause: error })
    }
  }
}

async function headsOf(node: ClusterNode): Promise<string> {
  const { heads, entries } = await statusOf(node)
  return `${entries} entries, heads ${heads.join(' ')}`
}

/** A line a name, sorted: its path and all that a reader can see of it. */
async function treeOf(node: ClusterNode): Promise<readonly string[]> {
  return await node.ask(async (api) => {
    const lines = [describe('/', await api.stat('/'))]
    await walk(api, '', lines)
    return lines.sort()
  })
}

async function walk(api: NodeApi, folder: string, lines: string[]): Promise<void> {
  const folders: string[] = []
  for await (const page of api.list(folder === '' ? '/' : folder)) {
    for (const stat of page) {
      const path = `${folder}/${stat.name}`
      const hash = stat.kind === 'file' ? await hashAt(api, path) : ''
      lines.push(`${describe(path, stat)} ${hash}`)
      if (stat.kind === 'folder') folders.push(path)
    }
  }
  for (const path of folders) await walk(api, path, lines)
}

function describe(path: string, stat: FileStat): string {
  const { kind, mode, uid, gid, linkCount, sizeBytes, modifiedNs, changedNs, target = '' } = stat
  const numbers = [uid, gid, linkCount, sizeBytes, modifiedNs, changedNs]
  return `${path} ${kind} ${mode.toString(8)} ${numbers.join(' ')} ${target}`
}

/** Hash of the content of a file. throws CheckError if it cannot be read. */
async function hashAt(api: NodeApi, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  try {
    const { content } = await api.readFile(path)
    for await (const part of content) parts.push(part.slice())
  } catch (cause) {
    throw new CheckError(`${path} cannot be read: ${String(cause)}`, { cause })
  }
  return toHex(blake3Concat(...parts))
}
