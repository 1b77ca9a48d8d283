// The checks of a cluster that was left alone with all its nodes up and connected: every node has
// the same log and shows the same tree, all stripes are full, and every content can be read, and is
// as it was written.
import { toHex, utf8 } from '../protocol/bytes.ts'
import { hasCode } from '../protocol/errors.ts'
import { blake3 } from '../protocol/hash.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { CheckError } from './check-error.ts'
import { contentsBelow } from './shown.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { FileStat } from '../node/control/files.ts'
import type { VolumeInfo } from '../node/control/volumes.ts'
import type { Clock } from '../node/world/world.ts'

/** Equal logs at so many looks in a row are quiet. */
const LOOKS_QUIET = 3
/** How long an archived object takes to be restored, and how often more of them may have to be. */
const RESTORED_MS: number = 13 * HOUR_MS
const ARCHIVED_MAX = 5

interface Patience {
  /** After this much time without faults the nodes must be equal. */
  readonly limitMs: number
  /** Between two looks. */
  readonly lookMs: number
}

/** Looks at logs that are still to agree when all else has taken the time that there was. */
const AGREE_LOOKS = 30
const PATIENCE: Patience = { limitMs: 5 * MINUTE_MS, lookMs: 2 * SECOND_MS }

/**
 * Wait until all that the members wrote is placed, as each of them sees it, and all their logs are
 * equal and stay so. throws CheckError when that takes too long.
 */
export async function quiesce(cluster: Cluster, patience: Patience = PATIENCE): Promise<void> {
  const deadlineMs = cluster.scheduler.nowMs + patience.limitMs
  const isOver = (): boolean => cluster.scheduler.nowMs >= deadlineMs
  const { members, clock } = cluster
  for (const node of members) {
    while (!(await isPlaced(node, isOver))) await clock.sleep(patience.lookMs)
  }
  // A peer that was away may be dialled after its pause only; checkStripes() names what stays.
  for (const node of members) {
    while (!(await seesAllFull(node)) && !isOver()) await clock.sleep(patience.lookMs)
  }
  // What waited for stripes in vain has taken nothing from the logs.
  const agreedMs = Math.max(deadlineMs, cluster.scheduler.nowMs + AGREE_LOOKS * patience.lookMs)
  let quietLooks = 0
  let before = ''
  while (quietLooks < LOOKS_QUIET) {
    await clock.sleep(patience.lookMs)
    const heads = await Promise.all(members.map(headsOf))
    const [first = ''] = heads
    const isQuiet = heads.every((other) => other === first) && first === before
    quietLooks = isQuiet ? quietLooks + 1 : 0
    before = first
    if (cluster.scheduler.nowMs < agreedMs) continue
    const shown = members.map(({ name }, index) => `${name} ${heads[index] ?? ''}`)
    throw new CheckError(
      '30 nodes agree in the end',
      `logs differ ${patience.limitMs} ms after the last fault:\n${shown.join('\n')}`,
    )
  }
}

/**
 * Compare the trees of nodes. returns one hash of them. throws CheckError naming the first
 * difference.
 */
export async function checkTrees(nodes: readonly ClusterNode[]): Promise<string> {
  const [first, ...others] = nodes
  if (first === undefined) return ''
  const expected = await treeOf(first)
  for (const other of others) {
    checkSame([first.name, expected], [other.name, await treeOf(other)])
  }
  return toHex(blake3(utf8(expected.join('\n'))))
}

/** throws CheckError naming the first line in which they differ. */
export function checkSame(
  a: readonly [name: string, lines: readonly string[]],
  b: readonly [name: string, lines: readonly string[]],
  invariant: CheckError['invariant'] = '1 equal logs make equal trees',
): void {
  const [expected, found] = [a[1], b[1]]
  const at = expected.findIndex((line, index) => line !== found[index])
  if (at < 0 && found.length === expected.length) return
  const index = at < 0 ? expected.length : at
  const shown = [a, b].map(([name, lines]) => `${name}: ${lines[index] ?? '(nothing)'}`)
  throw new CheckError(invariant, `the trees differ:\n${shown.join('\n')}`)
}

/**
 * Every file that a node shows, and that should be readable, can be read there, and holds what was
 * written with its size; what is archived, when it is back. throws CheckError.
 */
export async function checkContents(
  node: ClusterNode,
  contents: Contents,
  isReadable: (size: number) => boolean,
  clock: Clock,
): Promise<void> {
  const shown = await node.ask((api) => contentsBelow(api, '/'))
  for (const [size, paths] of shown) {
    if (!isReadable(size)) continue
    for (const path of paths) {
      const parts = await node.ask((api) => readAll(api, path, clock))
      if (contents.isContent(size, parts)) continue
      throw new CheckError('contents are true', `${node.name} reads other bytes at ${path}`)
    }
  }
}

/**
 * No node has found its state at a cut to be other than what a member announced. throws CheckError.
 */
export async function checkCuts(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    const { differsMs } = await statusOf(node)
    if (differsMs === undefined) continue
    const what = `${node.name} has another state at ${new Date(differsMs).toISOString()} than was announced`
    throw new CheckError('2 equal cuts make equal roots', what)
  }
}

async function awayOf(node: ClusterNode): Promise<string> {
  const peers = await node.ask((api) => api.listPeers())
  return peers.flatMap(({ isConnected, name }) => (isConnected ? [] : [name])).join(', ')
}

/** Every stripe has all of its shards, as each node sees it. throws CheckError. */
export async function checkStripes(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    if (await seesAllFull(node)) continue
    const { full, ...rest } = (await statusOf(node)).stripes
    throw new CheckError(
      '23 stripes are full in the end',
      `${node.name}: ${full} stripes are full, and ${JSON.stringify(rest)}; away: ${await awayOf(node)}`,
    )
  }
}

async function seesAllFull(node: ClusterNode): Promise<boolean> {
  const { full: _, ...rest } = (await statusOf(node)).stripes
  return Object.values(rest).every((count) => count === 0)
}

/** The status of the volume at a node. */
export async function statusOf(node: ClusterNode): Promise<VolumeInfo> {
  return await node.ask(async (api) => {
    const [volume] = await api.listVolumes()
    if (volume === undefined)
      throw new CheckError('nothing else fails', `${node.name} has no volume`)
    return await api.volumeInfo(volume.id)
  })
}

async function isPlaced(node: ClusterNode, isOver: () => boolean): Promise<boolean> {
  try {
    await node.ask((api) => api.settle('placed'))
    return true
  } catch (cause) {
    if (!hasCode(cause, 'not-placed')) throw cause
    if (!isOver()) return false
    const what = `${node.name} cannot place what it has: ${cause.message}`
    throw new CheckError('23 stripes are full in the end', what, { cause })
  }
}

async function headsOf(node: ClusterNode): Promise<string> {
  return (await statusOf(node)).heads.join(' ')
}

/** A line a name, sorted: its path and all that a user can see of it but its content. */
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
      lines.push(describe(path, stat))
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

/** version: of a former one, its id. throws CheckError if it cannot be read. */
export async function readAll(
  api: NodeApi,
  path: string,
  clock: Clock,
  version?: string,
): Promise<readonly Uint8Array[]> {
  for (let time = 1; ; time++) {
    const parts: Uint8Array[] = []
    try {
      const { content } = await api.readFile(path, { version })
      for await (const part of content) parts.push(part.slice())
      return parts
    } catch (cause) {
      if (!hasCode(cause, 'cold-archived') || time === ARCHIVED_MAX) {
        const what = `${path} cannot be read: ${String(cause)}`
        throw new CheckError('contents are true', what, { cause })
      }
    }
    await clock.sleep(RESTORED_MS)
  }
}
