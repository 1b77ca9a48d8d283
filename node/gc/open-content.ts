// Collects references of open files of this node that named files may lack: contents that are being
// read or edited, and those of files without a name. It is looked up when a condemned stripe asks
// for it, once for each open file; until then nobody knows what it reaches.
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { readInode } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { SeenNodes, chunksOf } from '../content/manifest-walk.ts'
import type { HeldFile, InFlightReferences } from '../content/in-flight-references.ts'
import { contentOf } from '../volume/file-contents.ts'

const NODE_CACHE_ITEMS = 10_000
/** In a file of unknown shape, one key is expected for so many bytes. */
const BYTES_PER_KEY = 16_384

export interface OpenContentParts {
  readonly inFlight: Pick<InFlightReferences, 'held'>
  readonly view: StateStore
  readonly reader: () => ChunkReader
}

export class OpenContent {
  readonly #parts: OpenContentParts
  readonly #reached = new WeakMap<HeldFile, BloomFilter>()

  constructor(parts: OpenContentParts) {
    this.#parts = parts
  }

  /**
   * Tells of a chunk whether a file that is open now reaches it; also true while that is not known
   * of one.
   */
  reach(): (chunk: ChunkId) => boolean {
    const reached = this.#heldApart().map((file) => this.#reached.get(file))
    return (chunk) => reached.some((chunks) => chunks?.has(chunk) ?? true)
  }

  /** Find out what open files reach of which that is not known. throws 'chunk-unavailable'. */
  async learn(signal: AbortSignal): Promise<void> {
    // Unreadable content is not kept for whoever has it open.
    const onFalse = (): void => undefined
    for (const file of this.#heldApart()) {
      if (this.#reached.has(file)) continue
      const manifests = rootsOf(this.#parts.view, file)
      const bytes = manifests.reduce((sum, { size }) => sum + size, 0)
      const reached = new BloomFilter(Math.ceil(bytes / BYTES_PER_KEY) + manifests.length)
      const seen = new SeenNodes()
      for (const manifest of manifests) {
        const nodes = nodeCache(NODE_CACHE_ITEMS)
        const tree = new ManifestTree(manifest, { chunks: this.#parts.reader(), nodes })
        for await (const chunk of chunksOf(tree, { signal, seen, onFalse })) reached.add(chunk)
      }
      this.#reached.set(file, reached)
    }
  }

  #heldApart(): HeldFile[] {
    const { inFlight, view } = this.#parts
    return inFlight.held().filter((file) => rootsOf(view, file).length > 0)
  }
}

/**
 * The contents that an open file keeps and no named file does. What a named file has is none,
 * though somebody else may just have removed it: who condemns it had not seen that it is there, and
 * sees it before he sweeps.
 */
export function rootsOf(view: StateStore, { inode: id, manifest }: HeldFile): readonly Manifest[] {
  const inode = readInode(view, id)
  const versions = inode === undefined ? [] : versionsOf(view, id, inode)
  const contents = Array.from(versions).flatMap((version) => {
    const content = contentOf(version)
    return content.kind === 'chunks' ? [content.manifest] : []
  })
  const isNamed = inode !== undefined && inode.links.length > 0
  if (manifest === undefined) return isNamed ? [] : contents
  const isKept = isNamed && contents.some(({ root }) => root.id === manifest.root.id)
  return isKept ? [] : [manifest]
}
