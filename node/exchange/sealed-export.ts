// Files as the sealed chunks they are made of, and a sealed listing of them: what only members of
// the volume can open. Nothing is opened for it but manifests. The listing's pages are chunks like
// those of a file, cut where they are full.
import { cidOfBytes, sha256Cid } from '../../protocol/car/car.ts'
import { encodeEntry, sealRoot } from '../../protocol/car/sealed-tree.ts'
import { plainText } from '../../protocol/byte-text.ts'
import { concatBytes } from '../../protocol/bytes.ts'
import { sealChunk } from '../../protocol/chunk/seal.ts'
import { assert } from '../../protocol/errors.ts'
import { CODEC_DAG_CBOR, chunkIdBytes } from '../../protocol/ids.ts'
import { KIB } from '../../protocol/units.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import { contentSize } from '../content/content.ts'
import { ManifestBuilder } from '../content/manifest-builder.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { chunksOf } from '../content/manifest-walk.ts'
import { contentOf } from '../volume/file-contents.ts'
import { archivedText, unsupported } from './export-tally.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { SealedEntry } from '../../protocol/car/sealed-tree.ts'
import type { ChunkKeys, ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId } from '../../protocol/ids.ts'
import type { FileStat } from '../control/files.ts'
import type { ChunkWriter } from '../content/chunk-io.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { BlockSink } from './car-writer.ts'
import type { ExportTally } from './export-tally.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

const PAGE_BYTES: number = 256 * KIB
/** Chunks on their way at a time. */
const WINDOW = 8
const NODE_CACHE_ITEMS = 10_000

export interface SealedExportParts {
  readonly hosted: HostedVolume
  readonly blocks: BlockSink
  /** False: put the listing alone, which is all that the root depends on. */
  readonly withContent: boolean
  readonly tally: ExportTally
  readonly signal: AbortSignal
}

/** The root of what is at `path`; all blocks of the tree have been put by then. */
export async function exportSealed(
  parts: SealedExportParts,
  path: readonly string[],
): Promise<Cid> {
  return new SealedExport(parts).make(path)
}

class SealedExport {
  readonly #parts: SealedExportParts
  readonly #keys: ChunkKeys
  readonly #listing: ManifestBuilder
  readonly #writer: ChunkWriter
  #page: Uint8Array[] = []
  #pageBytes = 0

  constructor(parts: SealedExportParts) {
    this.#parts = parts
    this.#keys = parts.hosted.map.keys()
    this.#writer = {
      write: (plain) => this.#seal(plain),
      adopt: async () => assert(false, 'a listing has chunks of its own'),
    }
    this.#listing = new ManifestBuilder({ chunks: this.#writer })
  }

  async make(path: readonly string[]): Promise<Cid> {
    const { hosted, blocks, signal } = this.#parts
    await this.#entry(path, hosted.files.stat(path), 0)
    await this.#endPage()
    const { size, ...manifest } = await this.#listing.finish({ signal })
    const bytes = sealRoot(this.#keys, { size, content: { kind: 'chunks', ...manifest } })
    const cid = sha256Cid(CODEC_DAG_CBOR, bytes)
    await blocks.put({ cid, bytes })
    return cid
  }

  async #entry(path: readonly string[], stat: FileStat, depth: number): Promise<void> {
    const { tally, hosted, signal } = this.#parts
    signal.throwIfAborted()
    const { mode, modifiedNs } = stat
    // The root of a volume has no name of its own. What comes first is named by who imports it.
    const own = path.at(-1) ?? 'root'
    const name = depth === 0 ? (plainText(own) ?? 'root') : archivedText(path, own)
    const base = { depth, name, mode, modifiedNs }
    switch (stat.kind) {
      case 'folder':
        await this.#list({ ...base, kind: 'folder' })
        tally.folders++
        for await (const page of hosted.files.list(path))
          for (const child of page) {
            const below = [...path, child.name]
            await tally.unlessGone(below, child, () => this.#entry(below, child, depth + 1))
          }
        return
      case 'symlink': {
        const target = archivedText(path, stat.target ?? '')
        await this.#list({ ...base, kind: 'symlink', target })
        tally.symlinks++
        return
      }
      case 'file':
        return this.#file(path, base)
      default:
        throw unsupported(path, stat.kind)
    }
  }

  async #file(
    path: readonly string[],
    base: Pick<SealedEntry, 'depth' | 'name' | 'mode' | 'modifiedNs'>,
  ): Promise<void> {
    const { hosted, tally, withContent, signal } = this.#parts
    const target = hosted.namespace.resolvePath(path)
    const version = hosted.contents.version(target)
    const content = contentOf(version)
    const hints = version.author === undefined ? [] : [version.author]
    const lease = hosted.contents.hold(target.id, content)
    try {
      const { content: ref, size } = version
      await this.#list({ ...base, kind: 'file', content: ref, size })
      if (withContent && content.kind === 'chunks') {
        const chunks = hosted.chunks.reader(hints, { keeps: 'cached' })
        const nodes = nodeCache(NODE_CACHE_ITEMS)
        const tree = new ManifestTree(content.manifest, { chunks, nodes })
        await this.#putAll(chunksOf(tree, { signal }), hints)
      }
    } finally {
      lease.end()
    }
    tally.files++
    tally.bytes += contentSize(content)
  }

  /** In the order of `ids`, several on their way. */
  async #putAll(ids: AsyncIterable<ChunkId>, hints: readonly PeerId[]): Promise<void> {
    const { hosted, signal } = this.#parts
    const window: { readonly id: ChunkId; readonly sealed: Promise<Uint8Array> }[] = []
    const putFirst = async (): Promise<void> => {
      const first = window.shift()
      if (first !== undefined) await this.#put(first.id, await first.sealed)
    }
    for await (const id of ids) {
      const sealed = hosted.fetcher.fetch(id, { hints, keeps: true, signal })
      // It is awaited in its turn; until then a failure is nobody's.
      void ignoreFailure(sealed, 'it is thrown where it is awaited')
      window.push({ id, sealed })
      if (window.length === WINDOW) await putFirst()
    }
    while (window.length > 0) await putFirst()
  }

  async #list(entry: SealedEntry): Promise<void> {
    const bytes = encodeEntry(entry)
    if (this.#pageBytes + bytes.length > PAGE_BYTES) await this.#endPage()
    this.#page.push(bytes)
    this.#pageBytes += bytes.length
  }

  async #endPage(): Promise<void> {
    if (this.#page.length === 0) return
    const plain = concatBytes(this.#page)
    this.#page = []
    this.#pageBytes = 0
    const ref = await this.#seal(plain)
    await this.#listing.add({ kind: 'chunk', ref }, this.#parts)
  }

  async #seal(plain: Uint8Array): Promise<ChunkRef> {
    const { ref, bytes } = sealChunk(this.#keys, plain)
    await this.#put(ref.id, bytes)
    return ref
  }

  async #put(id: ChunkId, bytes: Uint8Array): Promise<void> {
    await this.#parts.blocks.put({ cid: cidOfBytes(chunkIdBytes(id)), bytes })
  }
}
