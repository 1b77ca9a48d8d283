// The actions in tests of garbage collection on simulated machines. The content of a file tells how
// it was made, so that every read can be checked.
import assert from 'node:assert/strict'
import { LRUCache } from 'lru-cache'
import { CHUNK_PREFIX, prefixRange } from '../../../node/store/keys.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { withMembers } from '../handlers/members.ts'
import { CID_BYTES } from '../../../protocol/ids.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { GarbageReport } from '../../../node/control/garbage.ts'
import type { VolumeStatus } from '../../../node/control/status.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

const TAG_BYTES = 8
/** Contents are made as they are written, and for each read. */
const contents = new LRUCache<string, Uint8Array>({ max: 32 })

/** The same for the same arguments, so that it is stored once. */
export function contentOf(seed: number, length: number): Uint8Array {
  const name = `${seed} ${length}`
  const content = contents.get(name) ?? makeContent(seed, length)
  contents.set(name, content)
  return content
}

function makeContent(seed: number, length: number): Uint8Array {
  const bytes = new SeededRandom(seed, 'content').bytes(length)
  const tag = new DataView(bytes.buffer, bytes.byteOffset)
  tag.setUint32(0, seed)
  tag.setUint32(TAG_BYTES / 2, length)
  return bytes
}

/** throws if it is not whole. */
export function checkContent(path: string, bytes: Uint8Array): void {
  const tag = new DataView(bytes.buffer, bytes.byteOffset)
  const length = tag.getUint32(TAG_BYTES / 2)
  const isRight = Buffer.compare(bytes, contentOf(tag.getUint32(0), length)) === 0
  assert.ok(isRight, `${path} is as it was written`)
}

export function put(api: NodeApi, path: string, content: Uint8Array): Promise<void> {
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    yield content
  }
  return api.writeFile(path, parts(), {}, { ack: 'local' })
}

export async function readFile(api: NodeApi, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of (await api.readFile(path)).content) parts.push(part)
  return Uint8Array.from(Buffer.concat(parts))
}

/** All files in a folder, whose path ends in a slash, and below. */
export async function filesIn(api: NodeApi, folder: string): Promise<string[]> {
  const paths: string[] = []
  for await (const page of api.list(folder)) {
    for (const { name, kind } of page) {
      const path = `${folder}${name}`
      if (kind === 'folder') paths.push(...(await filesIn(api, `${path}/`)))
      else paths.push(path)
    }
  }
  return paths
}

/** As withMembers(), in a volume that keeps nothing of what is replaced or removed. */
export function withoutHistory(
  ...[nodeCount, seed, run]: Parameters<typeof withMembers>
): Promise<void> {
  return withMembers(nodeCount, seed, async (members, scheduler) => {
    await members.nodes[0].ask((api) => api.setVolume('main', { versions: 'off' }))
    await members.clock.sleep(MINUTE_MS)
    await run(members, scheduler)
  })
}

/** Collects now, to the end. */
export async function collectGarbage(api: NodeApi): Promise<GarbageReport> {
  for await (const page of api.collectGarbage())
    for (const event of page) if (event.kind === 'done') return event
  throw new Error('a collection ended without a report')
}

/** Read every file on every node. */
export async function checkAll(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    for (const path of await node.ask((api) => filesIn(api, '/')))
      checkContent(`${path} on ${node.name}`, await node.ask((api) => readFile(api, path)))
  }
}

export async function volumeOf(node: ClusterNode): Promise<VolumeStatus> {
  const { volumes } = await node.ask((api) => api.status())
  assert.ok(volumes[0] !== undefined)
  return volumes[0]
}

/** Bytes that a node's store holds, those that compaction can give back left out. */
export async function heldBytes(node: ClusterNode): Promise<number> {
  const { usedBytes, reclaimableBytes } = (await node.ask((api) => api.status())).node
  return usedBytes - reclaimableBytes
}

/** Chunks in a node's own store. */
export async function chunkCount({ machine }: ClusterNode): Promise<number> {
  let count = 0
  for await (const _ of machine.kv.scan(prefixRange(CHUNK_PREFIX))) count++
  return count
}

/** Delete what a node has of chunks that are in stripes, as it does itself when space is short. */
export async function dropCopies({ machine }: ClusterNode): Promise<void> {
  const marked = new Set<ByteString>()
  for await (const [key] of machine.kv.scan({ from: 'n', to: 'o' })) {
    const [, cid] = /^n..uc(.*)$/s.exec(key) ?? []
    if (cid !== undefined) marked.add(cid.slice(0, CID_BYTES))
  }
  const keys: ByteString[] = []
  for await (const [key] of machine.kv.scan(prefixRange(CHUNK_PREFIX)))
    if (!marked.has(key.slice(CHUNK_PREFIX.length))) keys.push(key)
  const deletes = keys.map((key) => ({ kind: 'delete', key }) as const)
  await machine.kv.write(deletes, { sync: true })
}
