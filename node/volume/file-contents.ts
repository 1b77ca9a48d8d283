// Connects names and bytes: the contents of a volume's files, read and written through the data
// paths, versions logged through the namespace.
import { Cutter } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import { INLINE_FILE_MAX } from '../../protocol/limits.ts'
import type { ChunkId, NodeId, PeerId } from '../../protocol/ids.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { ContentRef } from '../../protocol/op/op.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { NodeCache } from '../content/decoded-cache.ts'
import type { AdoptOptions, ChunkIo, ChunkReader } from '../content/chunk-io.ts'
import type { ChunkState } from '../stripes/chunk-fetcher.ts'
import { contentSize } from '../content/content.ts'
import { patientReader } from '../content/read-timeouts.ts'
import type { ReadTimeouts } from '../content/read-timeouts.ts'
import type { Content } from '../content/content.ts'
import type { DirtyBudget } from '../content/dirty-budget.ts'
import { ContentEditor } from '../content/editor.ts'
import type { CopySource, EditorParts } from '../content/editor.ts'
import { ContentReader } from '../content/read-pipeline.ts'
import type { ReaderParts } from '../content/read-pipeline.ts'
import type { ReadAheadBudget } from '../content/read-ahead.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Lease, InFlightReferences } from '../content/in-flight-references.ts'
import { writeBytes, writeContent } from '../content/file-writer.ts'
import type { WriterParts } from '../content/file-writer.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import type { PinnedClasses } from './pinned-classes.ts'
import { joinContents } from '../content/join-contents.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { chunksOf, walk } from '../content/manifest-walk.ts'

/** Chunks that are looked at: of a larger file, the first. */
const CHUNKS_MAX = 4096
/** The worst counts. */
const ORDER: readonly ChunkState[] = ['local', 'placed', 'cold', 'archived']

/** The place of new content. */
export interface ContentPlace {
  readonly folder: NodeId
  /** The file that it becomes a version of. */
  readonly replaced: NodeId | undefined
}

export interface FileContentsComponents {
  readonly namespace: Namespace
  readonly map: StripeMap
  readonly chunks: ChunkIo
  readonly nodes: NodeCache
  readonly ahead: ReadAheadBudget
  readonly dirty: DirtyBudget
  readonly inFlight: InFlightReferences
  readonly classes: PinnedClasses
  readonly stateOf: (chunk: ChunkId) => ChunkState
  /** The timeouts of the reader; without, as the peers that are asked answer. */
  readonly readTimeouts?: ReadTimeouts
}

export class FileContents {
  readonly #c: FileContentsComponents
  #cutter: { readonly keys: ChunkKeys; readonly cutter: Cutter } | undefined

  constructor(components: FileContentsComponents) {
    this.#c = components
  }

  /** The same contents, for readers that wait so long for peers. */
  patient(readTimeouts: ReadTimeouts): FileContents {
    return new FileContents({ ...this.#c, readTimeouts })
  }

  /** The version a reader sees now. throws 'EISDIR', 'ESTALE'. */
  version(target: ViewTarget): FileVersion {
    return this.#c.namespace.fileVersion(target)
  }

  reader(version: FileVersion): ContentReader {
    return new ContentReader(contentOf(version), this.#readerParts(hintsOf(version)))
  }

  /** From where a version would be read here. */
  state(version: FileVersion, signal: AbortSignal): Promise<ChunkState> {
    const { chunks, nodes, stateOf } = this.#c
    const parts = { chunks: chunks.reader([]), nodes }
    return contentState(contentOf(version), stateOf, parts, signal)
  }

  /** Edit a version of a file, within edit(). Whoever asks ends the editor. */
  editor(inode: NodeId, version: FileVersion): ContentEditor {
    const cls = this.#c.classes.ofFile(inode)[0]
    return new ContentEditor(contentOf(version), this.#editorParts(hintsOf(version), cls))
  }

  /**
   * Store what `source` gives, for a file in this folder or in place of one that is there, within
   * begin(); durable after the volume's next commit. throws 'ENOSPC', and what the source throws.
   */
  write(
    source: AsyncIterable<Uint8Array>,
    at: ContentPlace,
    signal: AbortSignal,
  ): Promise<Content> {
    return writeContent(source, this.#editorParts([], this.#classAt(at)), { signal })
  }

  /** The same of bytes that are all there, which are not written to meanwhile. */
  writeSmall(bytes: Uint8Array, at: ContentPlace, signal: AbortSignal): Promise<Content> {
    return writeBytes(bytes, this.#editorParts([], this.#classAt(at)), { signal })
  }

  /**
   * Reference what a version holds as if it were written again, for a file in this place, within
   * begin(). throws 'ENOSPC', 'chunk-unavailable'.
   */
  async adopt(version: FileVersion, at: ContentPlace, options: AdoptOptions): Promise<void> {
    const { signal } = options
    const content = contentOf(version)
    if (content.kind !== 'chunks') return
    const { chunks, nodes } = this.#c
    const tree = new ManifestTree(content.manifest, {
      chunks: chunks.reader(hintsOf(version)),
      nodes,
    })
    const refs = async function* (): AsyncGenerator<{ readonly id: ChunkId }> {
      for await (const id of chunksOf(tree, { signal })) yield { id }
    }
    await chunks.writer(this.#classAt(at)).adopt(refs(), options)
  }

  /**
   * Join what versions hold, by reference, for a file in this place, within begin(). throws
   * 'ENOSPC', 'chunk-unavailable'.
   */
  async join(
    sources: readonly { readonly inode: NodeId; readonly version: FileVersion }[],
    at: ContentPlace,
    signal: AbortSignal,
  ): Promise<Content> {
    const { chunks, nodes } = this.#c
    const held = sources.map(({ inode, version }) => this.hold(inode, contentOf(version)))
    try {
      for (const { version } of sources) await this.adopt(version, at, { isShared: true, signal })
      const contents = sources.map(({ version }) => ({
        content: contentOf(version),
        chunks: chunks.reader(hintsOf(version)),
      }))
      const writer = chunks.writer(this.#classAt(at))
      return await joinContents(contents, { writer, nodes }, { signal })
    } finally {
      held.forEach((lease) => lease.end())
    }
  }

  /**
   * Until the lease ends, no chunk goes that is written or referenced meanwhile: it ends when its
   * version is logged.
   */
  begin(): Lease {
    return this.#c.inFlight.begin()
  }

  /** The same for who edits a version. */
  edit(inode: NodeId, version: FileVersion): Lease {
    const leases = [this.begin(), this.hold(inode, contentOf(version))]
    return { end: () => leases.forEach((lease) => lease.end()) }
  }

  /**
   * Until the lease ends, what a file holds stays readable here after its last name is gone; or
   * this content of it.
   */
  hold(inode: NodeId, content?: Content): Lease {
    const manifest = content?.kind === 'chunks' ? content.manifest : undefined
    return this.#c.inFlight.hold({ inode, manifest })
  }

  /** To copy from a version, or what it was edited to be, until the lease ends. */
  copySource(
    inode: NodeId,
    version: FileVersion,
    edited: Content | undefined,
  ): CopySource & { readonly lease: Lease } {
    const content = edited ?? contentOf(version)
    const reader = this.#readerParts(hintsOf(version))
    return { content, reader, lease: this.hold(inode, content) }
  }

  /**
   * Log a version of a file. returns it; its dot is the base of the next. goesOn: the base was made
   * through the handle that goes on.
   */
  putVersion(
    inode: NodeId,
    content: Content,
    base: readonly Dot[],
    modifiedNs: bigint,
    goesOn = false,
  ): FileVersion {
    const written = { content: refOf(content), size: contentSize(content) }
    const version = { ...written, base, modifiedNs, ...(goesOn && { goesOn }) }
    const dot = this.#c.namespace.putVersion(inode, version)
    return { ...written, base: [dot], author: undefined }
  }

  nowNs(): bigint {
    return this.#c.namespace.nowNs()
  }

  #classAt(at: ContentPlace): RedundancyClass | undefined {
    const { classes } = this.#c
    return at.replaced === undefined ? classes.ofFolder(at.folder) : classes.ofFile(at.replaced)[0]
  }

  #editorParts(hints: readonly PeerId[], cls: RedundancyClass | undefined): EditorParts {
    const { dirty } = this.#c
    return { reader: this.#readerParts(hints), writer: this.#writerParts(cls), dirty }
  }

  #readerParts(hints: readonly PeerId[]): ReaderParts {
    const { chunks, nodes, ahead, readTimeouts } = this.#c
    const reader = chunks.reader(hints, { keeps: 'cached' })
    return { chunks: readTimeouts ? patientReader(reader, readTimeouts) : reader, nodes, ahead }
  }

  /**
   * Deriving a cutter's table costs more than cutting a small file: kept while the keys are the
   * same.
   */
  #writerParts(cls: RedundancyClass | undefined): WriterParts {
    const { map, chunks } = this.#c
    const keys = map.keys()
    const sizes = map.chunkSizes()
    if (this.#cutter?.keys !== keys)
      this.#cutter = { keys, cutter: new Cutter(sizes, keys.chunkSecret) }
    return { chunks: chunks.writer(cls), sizes, cutter: this.#cutter.cutter }
  }
}

/** The peers that surely have data that is in no stripe yet. */
function hintsOf({ author }: FileVersion): readonly PeerId[] {
  return author === undefined ? [] : [author]
}

/** The content of a version. */
export function contentOf({ content, size }: Pick<FileVersion, 'content' | 'size'>): Content {
  if (content.kind === 'inline') return content
  const { root, depth, allocated } = content
  const manifest = { size, root, depth }
  return {
    kind: 'chunks',
    manifest: allocated === undefined ? manifest : { ...manifest, allocated },
  }
}

/** How a version names its content. */
export function refOf(content: Content): ContentRef {
  if (content.kind === 'chunks') {
    const { root, depth, allocated } = content.manifest
    const ref = { kind: 'chunks' as const, root, depth }
    return allocated === undefined ? ref : { ...ref, allocated }
  }
  // A copy: small bytes may be a view of a big buffer, which the log would keep.
  return { kind: 'inline', bytes: new Uint8Array(content.bytes.subarray(0, INLINE_FILE_MAX)) }
}

/**
 * That of the chunk that is farthest, of those whose names are here. Lists of chunks that are not
 * here are not fetched.
 */
/**
 * From where a content would be read here, told from what this node knows, without asking any peer
 * or tier.
 */
async function contentState(
  content: Content,
  stateOf: (chunk: ChunkId) => ChunkState,
  { chunks, nodes }: { readonly chunks: ChunkReader; readonly nodes: NodeCache },
  signal: AbortSignal,
): Promise<ChunkState> {
  if (content.kind === 'inline') return 'local'
  let worst = 0
  let left = CHUNKS_MAX
  const see = (chunk: ChunkId): void => {
    left--
    worst = Math.max(worst, ORDER.indexOf(stateOf(chunk)))
  }
  const tree = new ManifestTree(content.manifest, { chunks, nodes })
  for await (const step of walk(tree, { signal })) {
    if (step.kind === 'node') {
      see(step.node.ref.id)
      step.isLeftOut = !chunks.isNear(step.node.ref.id)
    } else for (const { extent } of step.extents) if (extent.kind === 'chunk') see(extent.ref.id)
    if (left <= 0) break
  }
  return ORDER[worst] ?? 'placed'
}
