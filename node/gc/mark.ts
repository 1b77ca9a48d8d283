// Which chunks of a volume live: those that a content reaches which is referenced
// (node/tree/live-versions.ts), or one that is open on this node, their manifests too. What lives
// is always found in the set; a survey that cannot read a manifest, or over which the state was
// replaced, fails, so that nothing is given up on a guess. What nobody can ever read, since its
// writer lied of it, is passed by and told of. A version that is logged meanwhile may be missed:
// whoever acts on a survey asks Touched as well, and keeps beginWithOldest() from before it.
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { ChunkId, NodeId, PeerId } from '../../protocol/ids.ts'
import { dotActor } from '../../protocol/clock/dot.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { Content } from '../content/content.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { SeenNodes, chunksOf } from '../content/manifest-walk.ts'
import type { InFlightReferences } from '../content/in-flight-references.ts'
import { contentOf } from '../volume/file-contents.ts'
import { liveFiles } from '../tree/live-versions.ts'
import type { LiveFile } from '../tree/live-versions.ts'
import type { Volume } from '../log/volume.ts'
import type { Clock } from '../world/world.ts'
import { rootsOf } from './open-content.ts'
import { classText } from './repack-candidates.ts'
import type { ClassOf } from './repack-candidates.ts'

/** Inodes, or manifest nodes, after which others have their turn. */
const PACE = 256
/** Extents of manifest nodes kept, so that files that share them cost less. */
const NODE_CACHE_ITEMS = 50_000
/**
 * A file has more chunks than its size says where few bytes are cut often: keys for each that is
 * expected.
 */
const MARGIN = 1.5
/** The classes of data that no name tells a place of: that of the volume. */
const NO_PLACE: readonly ClassOf[] = [undefined]
/** Maximum of false files that are told of. */
const FALSE_FILES_MAX = 100

export interface MarkParts {
  readonly volume: Volume
  readonly inFlight: InFlightReferences
  readonly clock: Clock
  readonly sizes: ChunkSizes
  /** Reads manifests, and keeps what it fetched for the next survey. */
  readonly reader: (hints: readonly PeerId[]) => ChunkReader
  /**
   * The classes that a file's data is to be in: one, but for files with names in several places.
   */
  readonly classesOf: (file: NodeId) => readonly ClassOf[]
  /** Is told how many files were looked at, and how many there are. */
  readonly onFiles?: ((done: number, total: number) => void) | undefined
  /** The path of a file. */
  readonly pathOf: (file: NodeId) => string | undefined
}

/** A file with a version that nobody can read, whoever has which chunks of it. */
export interface FalseFile {
  readonly file: NodeId
  readonly path: string
  readonly author: PeerId | undefined
  readonly message: string
}

/** The result of a mark phase. */
export interface MarkResult {
  readonly live: LiveChunks
  /** The first of them. */
  readonly falseFiles: readonly FalseFile[]
}

/** The chunks that live. Also finds a few that don't. */
export class LiveChunks {
  readonly #filter: BloomFilter
  readonly #classes = new Map<string, ClassOf>()

  constructor(expectedCount: number) {
    this.#filter = new BloomFilter(expectedCount)
  }

  /** Chunks added, each as often as it is reached. */
  get count(): number {
    return this.#filter.count
  }

  add(chunk: ChunkId, cls: ClassOf): void {
    const text = classText(cls)
    if (!this.#classes.has(text)) this.#classes.set(text, cls)
    this.#filter.add(`${chunk}${text}`)
  }

  /** The classes it lives in. */
  classesOf(chunk: ChunkId): ClassOf[] {
    return [...this.#classes].flatMap(([text, cls]) =>
      this.#filter.has(`${chunk}${text}`) ? [cls] : [],
    )
  }

  has(chunk: ChunkId): boolean {
    return this.classesOf(chunk).length > 0
  }
}

/**
 * Look at every version of every file. throws 'chunk-unavailable' naming the file, 'aborted',
 * 'ESTALE' after a reset.
 */
export async function markLive(parts: MarkParts, signal: AbortSignal): Promise<MarkResult> {
  return overOneState(parts, signal, async (scope) => {
    const expected = await expectedCount(parts, scope)
    const live = new LiveChunks(expected.chunks)
    const add = (chunk: ChunkId, classes: readonly ClassOf[]): void => {
      for (const cls of classes) live.add(chunk, cls)
    }
    const falseFiles = await new Survey(parts, add, scope, expected.files).run()
    return { live, falseFiles }
  })
}

/**
 * Which of these chunks live, exactly, and of each a file that reaches it, if it has a name. throws
 * as survey().
 */
export async function references(
  parts: MarkParts,
  wanted: ReadonlySet<ChunkId>,
  signal: AbortSignal,
): Promise<ReadonlyMap<ChunkId, NodeId | undefined>> {
  return overOneState(parts, signal, async (scope) => {
    const found = new Map<ChunkId, NodeId | undefined>()
    const add = (chunk: ChunkId, _: unknown, file: NodeId | undefined): void => {
      if (wanted.has(chunk)) found.set(chunk, found.get(chunk) ?? file)
    }
    await new Survey(parts, add, scope).run()
    return found
  })
}

async function overOneState<Result>(
  { volume }: MarkParts,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const reset = new AbortController()
  const unlisten = volume.events.onReset(() => {
    reset.abort(new ShoalError('ESTALE', 'the state was replaced during the mark phase; try again'))
    return () => undefined
  })
  try {
    return await run(AbortSignal.any([signal, reset.signal]))
  } finally {
    unlisten()
  }
}

/** The files, and the chunks of all of them, by their sizes. */
async function expectedCount(
  { volume, sizes, clock }: MarkParts,
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly chunks: number }> {
  let count = 0
  let files = 0
  for await (const { versions } of liveFiles(volume)) {
    for (const { size, content } of versions) {
      if (content.kind !== 'chunks') continue
      count += 2 + (MARGIN * Math.min(size, content.allocated ?? size)) / sizes.averageBytes
    }
    if (++files % PACE === 0) await clock.sleep(1, { signal })
  }
  return { files, chunks: Math.ceil(count) }
}

type Found = (chunk: ChunkId, classes: readonly ClassOf[], file: NodeId | undefined) => void

class Survey {
  readonly #parts: MarkParts
  readonly #found: Found
  readonly #signal: AbortSignal
  readonly #nodes = nodeCache(NODE_CACHE_ITEMS)
  /** By the classes that their chunks are to be in. */
  readonly #seen = new Map<string, SeenNodes>()
  readonly #falseFiles = new Map<NodeId, FalseFile>()
  readonly #expectedFiles: number
  #files = 0
  #steps = 0

  /**
   * found: told of each chunk, as often as a file that was not seen before reaches it.
   * expectedFiles: where progress is told.
   */
  constructor(parts: MarkParts, found: Found, signal: AbortSignal, expectedFiles = 0) {
    this.#expectedFiles = expectedFiles
    this.#parts = parts
    this.#found = found
    this.#signal = signal
  }

  /** returns files that nobody can read. */
  async run(): Promise<readonly FalseFile[]> {
    const { volume, classesOf, inFlight, onFiles } = this.#parts
    for await (const file of liveFiles(volume)) {
      onFiles?.(this.#files++, this.#expectedFiles)
      const versions = Array.from(file.versions).filter(isInChunks)
      if (versions.length > 0)
        await this.#addFile(file, versions, file.isNamed ? classesOf(file.id) : NO_PLACE)
      await this.#pace()
    }
    const onFalse = (): void => undefined
    for (const file of inFlight.held()) {
      for (const manifest of rootsOf(volume.view, file))
        await this.#addContent(undefined, { kind: 'chunks', manifest }, [], NO_PLACE, onFalse)
    }
    return [...this.#falseFiles.values()]
  }

  async #addFile(
    { id, isPast }: LiveFile,
    versions: readonly Version[],
    classes: readonly ClassOf[],
  ): Promise<void> {
    for (const version of versions) {
      const author = this.#parts.volume.actors.get(dotActor(version.dot))?.peer
      const hints = author === undefined ? [] : [author]
      const onFalse = ({ message }: ShoalError): void => this.#tell(id, author, message)
      try {
        await this.#addContent(id, contentOf(version), hints, classes, onFalse)
      } catch (error) {
        throw this.#naming(id, isPast, error)
      }
    }
  }

  async #addContent(
    file: NodeId | undefined,
    content: Content,
    hints: readonly PeerId[],
    classes: readonly ClassOf[],
    onFalse: (error: ShoalError) => void,
  ): Promise<void> {
    if (content.kind !== 'chunks') return
    const chunks = this.#parts.reader(hints)
    const tree = new ManifestTree(content.manifest, { chunks, nodes: this.#nodes })
    const seen = this.#seenIn(classes)
    for await (const chunk of chunksOf(tree, { signal: this.#signal, seen, onFalse })) {
      this.#found(chunk, classes, file)
      await this.#pace()
    }
  }

  #seenIn(classes: readonly ClassOf[]): SeenNodes {
    const key = classes.map(classText).join()
    const seen = this.#seen.get(key) ?? new SeenNodes()
    this.#seen.set(key, seen)
    return seen
  }

  #tell(file: NodeId, author: PeerId | undefined, message: string): void {
    if (this.#falseFiles.size >= FALSE_FILES_MAX) return
    const path = this.#parts.pathOf(file) ?? file
    this.#falseFiles.set(file, { file, path, author, message })
  }

  /**
   * A file that cannot be read now holds all collection up until somebody repairs or removes it:
   * say which.
   */
  #naming(file: NodeId, isPast: boolean, error: unknown): unknown {
    const path = this.#parts.pathOf(file) ?? (isPast ? `file ${file}` : undefined)
    if (path === undefined || !(error instanceof ShoalError) || this.#signal.aborted) return error
    const { code, message } = asShoalError(error)
    return new ShoalError(
      code,
      isPast
        ? `${path}: the chunk list of a former version cannot be read, and nothing is deleted ` +
            'until it is known; if it is lost for good, set versions=off for a while: ' +
            message
        : `${path}: its chunk list cannot be read, and nothing is deleted until it is known; ` +
            `if it is lost for good, remove the file: ${message}`,
      { cause: error },
    )
  }

  async #pace(): Promise<void> {
    this.#signal.throwIfAborted()
    if (++this.#steps % PACE === 0) await this.#parts.clock.sleep(1, { signal: this.#signal })
  }
}

function isInChunks({ content }: Version): boolean {
  return content.kind === 'chunks'
}
