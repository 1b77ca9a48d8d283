// A pass in the background over what lies at a place of the namespace and below: its files, and the
// chunks of these. Others have their turn while it goes on. In memory: the folders that it has not
// come to, and some nodes of manifests.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { readInode } from '../../protocol/tree/records.ts'
import type { ChunkId, NodeId, StripeId } from '../../protocol/ids.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { chunksOf } from '../content/manifest-walk.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Clock } from '../world/world.ts'
import { contentOf } from './file-contents.ts'
import { pathOf } from './paths.ts'
import type { HostedVolume } from './hosted-volume.ts'

/** Files or chunks looked at before others have their turn. */
const PACE = 256
const NODE_CACHE_ITEMS = 10_000

export interface WalkParts {
  readonly namespace: Namespace
  readonly reader: ChunkReader
  readonly clock: Clock
}

export class Walk {
  readonly #parts: WalkParts
  readonly #signal: AbortSignal
  readonly #nodes = nodeCache(NODE_CACHE_ITEMS)
  #steps = 0

  constructor(parts: WalkParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /** The files, each as often as it has names there. */
  async *filesBelow(
    target: Pick<ViewTarget, 'kind' | 'id'>,
  ): AsyncGenerator<NodeId, void, undefined> {
    if (target.kind !== 'dir') return yield target.id
    const folders = [target.id]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      try {
        for await (const { target: found } of this.#parts.namespace.list(folder)) {
          await this.#pace()
          if (found.kind === 'dir') folders.push(found.id)
          else yield found.id
        }
      } catch (error) {
        // Removed meanwhile.
        if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ESTALE')) throw error
      }
    }
  }

  /**
   * The chunks of all versions of a file, and of the nodes that list them. What nobody can read,
   * since its writer lied of it, is left out: the survey (gc/mark.ts) tells of it. throws
   * ShoalError 'chunk-unavailable', 'cold-archived', naming the file.
   */
  async *chunksOfFile(file: NodeId): AsyncGenerator<ChunkId, void, undefined> {
    const onFalse = (): void => undefined
    const { view } = this.#parts.namespace.volume
    const inode = readInode(view, file)
    for (const version of inode === undefined ? [] : versionsOf(view, file, inode)) {
      const tree = this.treeOf(version)
      if (tree === undefined) continue
      try {
        for await (const chunk of chunksOf(tree, { signal: this.#signal, onFalse })) {
          await this.#pace()
          yield chunk
        }
      } catch (error) {
        throw this.#naming(file, error)
      }
    }
  }

  /** The manifest tree of a version; undefined where it has none. */
  treeOf(version: Pick<Version, 'content' | 'size'>): ManifestTree | undefined {
    const content = contentOf(version)
    if (content.kind !== 'chunks') return undefined
    return new ManifestTree(content.manifest, { chunks: this.#parts.reader, nodes: this.#nodes })
  }

  #naming(file: NodeId, error: unknown): unknown {
    const path = pathOf(this.#parts.namespace, file)
    if (path === undefined || !(error instanceof ShoalError)) return error
    const { code, message, permanent } = error
    const shown = this.#parts.namespace.shownPath(path)
    return new ShoalError(code, `${shown}: ${message}`, { cause: error, permanent })
  }

  async #pace(): Promise<void> {
    if (++this.#steps % PACE === 0) await this.#parts.clock.sleep(1, { signal: this.#signal })
  }
}

/**
 * In memory: the ids. isLeftOut: files whose stripes are none of them, whoever else has a part
 * there.
 * throws ShoalError 'chunk-unavailable' where a list of chunks cannot be read.
 */
/**
 * The stripes in which the files at a path and below lie, each once: of all versions, and of what
 * lists their chunks.
 */
export async function stripesBelow(
  { namespace, map, chunks }: Pick<HostedVolume, 'namespace' | 'map' | 'chunks'>,
  target: ViewTarget,
  {
    clock,
    signal,
    isLeftOut = () => false,
  }: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly isLeftOut?: (file: NodeId) => boolean
  },
): Promise<readonly StripeId[]> {
  const stripes = new Set<StripeId>()
  const leftOut = new Set<StripeId>()
  const walk = new Walk({ namespace, reader: chunks.reader([]), clock }, signal)
  for await (const file of walk.filesBelow(target)) {
    const found = isLeftOut(file) ? leftOut : stripes
    for await (const chunk of walk.chunksOfFile(file)) {
      const stripe = map.locations(chunk)[0]?.stripe
      if (stripe !== undefined) found.add(stripe)
    }
  }
  return [...stripes.difference(leftOut)]
}
