// Archives made and taken by nodes on simulated machines, and by Helia, the IPFS implementation
// that reads what we write.
import assert from 'node:assert/strict'
import { car } from '@helia/car'
import { unixfs } from '@helia/unixfs'
import { MemoryBlockstore } from 'blockstore-core'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import { CarReader, CarWriter } from '@ipld/car'
import { concatBytes, equalBytes, toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { withMembers } from '../handlers/members.ts'
import type { Car, CarComponents } from '@helia/car'
import type { AddOptions, UnixFS } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { ExportOptions, Exported, ImportEvent } from '../../../node/control/exchange.ts'

/** As `ipfs add -r --cid-version 1 --raw-leaves` adds. */
export const KUBO: AddOptions = {
  cidVersion: 1,
  rawLeaves: true,
  chunker: fixedSize({ chunkSize: 262_144 }),
  layout: balanced({ maxChildrenPerNode: 174 }),
}

export interface Archive extends Exported {
  readonly car: Uint8Array
}

/** Files, folders and symlinks by path, as a test names them. */
export type Tree = Readonly<Record<string, Uint8Array | { readonly target: string } | 'folder'>>

/** A node with a volume, for as long as `run` takes. */
export async function withNode(
  run: (api: NodeApi, node: ClusterNode) => Promise<void>,
): Promise<void> {
  await withMembers(1, 1, async ({ nodes: [node] }) => node.ask((api) => run(api, node)))
}

export async function* inParts(bytes: Uint8Array, length = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

export async function collect(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return concatBytes(all)
}

export async function exported(
  api: NodeApi,
  path: string,
  options: ExportOptions = {},
): Promise<Archive> {
  let told: Exported | undefined
  const onExported = (one: Exported): void => void (told = one)
  const car = await collect(api.exportCar(path, { ...options, onExported }))
  if (told === undefined) throw new Error('an export tells of itself')
  return { ...told, car }
}

/** The events of an import. */
export async function imported(
  api: NodeApi,
  path: string,
  car: Uint8Array,
): Promise<readonly ImportEvent[]> {
  const all: ImportEvent[] = []
  for await (const events of api.importCar(path, inParts(car))) all.push(...events)
  return all
}

/** Put a tree at a path that is a folder already, or is made. */
export async function putTree(api: NodeApi, at: string, tree: Tree): Promise<void> {
  const made = new Set<string>()
  const makeFolder = async (path: string): Promise<void> => {
    if (!made.has(path)) await api.makeFolder(path, { parents: true })
    made.add(path)
  }
  await makeFolder(at)
  for (const [path, what] of Object.entries(tree)) {
    const full = `${at}/${path}`
    if (what === 'folder') {
      await makeFolder(full)
      continue
    }
    await makeFolder(full.replace(/\/[^/]*$/, ''))
    if (what instanceof Uint8Array) await api.writeFile(full, inParts(what), {}, { ack: 'none' })
    else await api.makeSymlink(full, what.target, { ack: 'none' })
  }
}

/** The entries below a path, a line each. */
export async function listing(api: NodeApi, at: string): Promise<readonly string[]> {
  const lines: string[] = []
  const visit = async (folder: string): Promise<void> => {
    for await (const page of api.list(`${at}${folder}/`)) {
      for (const { name, kind, target, sizeBytes } of page) {
        const path = `${folder}/${name}`
        const content = kind === 'file' ? toHex(sha256(await contentAt(api, at + path))) : target
        lines.push(`${path} ${kind} ${kind === 'file' ? sizeBytes : ''} ${content ?? ''}`)
        if (kind === 'folder') await visit(path)
      }
    }
  }
  await visit('')
  return lines
}

export async function contentAt(api: NodeApi, path: string): Promise<Uint8Array> {
  return collect((await api.readFile(path)).content)
}

/** Helia's UnixFS over blocks in memory. */
export function helia(): { fs: UnixFS; blocks: MemoryBlockstore } {
  const blocks = new MemoryBlockstore()
  return { fs: unixfs({ blockstore: blocks }), blocks }
}

/** Helia's archives in and out of blocks in memory. */
export function heliaCar(blockstore: MemoryBlockstore): Car {
  const log = Object.assign(() => undefined, { error: () => undefined, trace: () => undefined })
  const components = {
    blockstore,
    logger: { forComponent: () => log },
    getCodec: (code: number) => (code === dagPb.code ? dagPb : raw),
  }
  return car(components as unknown as CarComponents)
}

/** Load an archive as any tool would. */
export async function loadCar(blocks: MemoryBlockstore, bytes: Uint8Array): Promise<CID> {
  const reader = await CarReader.fromBytes(bytes)
  await heliaCar(blocks).import(reader)
  const [root] = await reader.getRoots()
  if (root === undefined) throw new Error('an archive has a root')
  return root
}

/** An archive of these blocks, in this order. */
export async function carOf(
  roots: readonly CID[],
  blocks: Iterable<{ readonly cid: CID; readonly bytes: Uint8Array }>,
): Promise<Uint8Array> {
  const { writer, out } = CarWriter.create([...roots])
  const all = collect(out)
  for (const block of blocks) await writer.put(block)
  await writer.close()
  return all
}

/** Bytes that repeat after a million or so, which no leaf does. */
export function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const fresh = Math.min(length, 1_000_003)
  for (let at = 0, x = 1; at < fresh; at++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[at] = x
  }
  for (let at = fresh; at < length; at += at) bytes.copyWithin(at, 0, Math.min(at, length - at))
  return bytes
}

/** Without a dump of what differs, which is large. */
export function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert(equalBytes(actual, expected), `${actual.length} other bytes than ${expected.length}`)
}

/** Nothing is at a path, nor is anything of an import left beside it or in the home. */
export async function assertNothingLeft(api: NodeApi, node: ClusterNode): Promise<void> {
  assert.deepEqual(await listing(api, ''), [])
  assert.deepEqual(await node.machine.world.disk.list('exchange'), [])
}
