// Writes a folder with all below it to a backup place, and says how it is found there. Files of one
// folder are read several at a time, folders one after the other, so that memory is bounded by the
// depth. A file whose content is that of an earlier backup is not read again.
import { hasCode } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { Cutter, chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkSizeName } from '../../protocol/chunk/fastcdc.ts'
import { encodeEntry } from '../../protocol/backup/entry.ts'
import type { BackupContent, BackupEntry } from '../../protocol/backup/entry.ts'
import { toHex } from '../../protocol/bytes.ts'
import { INLINE_FILE_MAX } from '../../protocol/limits.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { MIB } from '../../protocol/units.ts'
import { DirtyBudget } from '../content/dirty-budget.ts'
import { writeContent } from '../content/file-writer.ts'
import type { EditorParts } from '../content/editor.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import { EarlierFolder } from './earlier-folder.ts'
import type { PackWriter } from './pack-writer.ts'
import type { TreeReader } from './tree-reader.ts'
import type { BackupSource, SourceItem } from './volume-source.ts'

const FILE_CHUNKS: ChunkSizeName = '256k'
const FOLDER_CHUNKS: ChunkSizeName = '64k'
/** Entries of a folder that are under way at a time, and files that are read. */
const AHEAD = 32
const DIRTY_BYTES: number = 32 * MIB
/** Files with several names of which the content is remembered. */
const LINKS_MAX = 4096

export interface TreeWriterComponents {
  readonly source: BackupSource
  readonly packs: PackWriter
  readonly tree: TreeReader
  readonly gearSecret: Uint8Array
  /** Told of what cannot be read, which is left out. */
  readonly onFailure: (path: string, error: ShoalError) => void
  readonly signal: AbortSignal
}

/** So much was done. */
export interface Tally {
  files: number
  folders: number
  specials: number
  bytes: number
  /** Bytes of these, and of files that are not read to their end yet. */
  doneBytes: number
  /** Files that were not read, as an earlier backup has their content. */
  unchanged: number
  failed: number
}

export class TreeWriter {
  readonly tally: Tally = {
    files: 0,
    folders: 0,
    specials: 0,
    bytes: 0,
    doneBytes: 0,
    unchanged: 0,
    failed: 0,
  }
  readonly #c: TreeWriterComponents
  readonly #files: EditorParts
  readonly #folders: EditorParts
  readonly #links = new Map<string, BackupContent>()

  constructor(components: TreeWriterComponents) {
    this.#c = components
    const { packs } = components
    this.#files = this.#parts(FILE_CHUNKS, packs.writer('data'), packs.writer('tree'))
    this.#folders = this.#parts(FOLDER_CHUNKS, packs.writer('tree'), packs.writer('tree'))
  }

  /** earlier: the folder in an earlier backup. throws what writing throws. */
  async write(folder: ViewTarget, earlier: BackupEntry | undefined): Promise<BackupEntry> {
    const { sizeBytes: _, ...described } = this.#c.source.describe(folder)
    const content = await this.#folder(folder, '/', earlier?.content)
    return { ...described, name: '', content }
  }

  async #folder(
    { id }: ViewTarget,
    path: string,
    earlier: BackupContent | undefined,
  ): Promise<BackupContent> {
    const { signal, source, tree } = this.#c
    this.tally.folders++
    const before =
      earlier === undefined ? undefined : new EarlierFolder(tree.entries(earlier, { signal }))
    const entries = inOrder(source.list(id), AHEAD, (item) => this.#begin(item, path, before))
    const encode = async function* (): AsyncGenerator<Uint8Array> {
      for await (const entry of entries) if (entry !== undefined) yield encodeEntry(entry)
    }
    try {
      return await writeContent(encode(), this.#folders, { signal })
    } finally {
      await before?.end()
    }
  }

  /** Begin what may be done beside others; the rest when it is its turn. */
  async #begin(
    item: SourceItem,
    folder: string,
    before: EarlierFolder | undefined,
  ): Promise<() => Promise<BackupEntry | undefined>> {
    const path = `${folder === '/' ? '' : folder}/${nameText(item.name)}`
    const earlier = await this.#findEarlier(item, before)
    const work = (): Promise<BackupEntry | undefined> =>
      this.#attempt(path, () => this.#entry(item, path, earlier))
    if (item.target.kind === 'dir') return work
    const begun = work()
    void ignoreFailure(begun, 'it is thrown where it is awaited')
    return () => begun
  }

  /** An earlier entry; what cannot be read of an earlier backup is written again. */
  async #findEarlier(
    { name, key }: SourceItem,
    before: EarlierFolder | undefined,
  ): Promise<BackupEntry | undefined> {
    try {
      return await before?.find(name, key)
    } catch (error) {
      this.#c.signal.throwIfAborted()
      if (asShoalError(error).code.startsWith('cold-')) throw error
      await before?.end()
      return undefined
    }
  }

  async #entry(
    { name, target }: SourceItem,
    path: string,
    earlier: BackupEntry | undefined,
  ): Promise<BackupEntry> {
    const { sizeBytes, ...described } = this.#c.source.describe(target)
    if (described.kind === 'folder') {
      const content = await this.#folder(target, path, earlier?.content)
      return { ...described, name, content }
    }
    if (described.kind !== 'file') {
      this.tally.specials++
      return { ...described, name }
    }
    const version = this.#c.source.version(target)
    const mark = this.#c.source.markOf(version)
    const content = await this.#content(target, version, { mark, earlier, link: described.link })
    this.tally.files++
    this.tally.bytes += sizeBytes
    return { ...described, name, content, ...(mark !== undefined && { mark }) }
  }

  async #content(
    target: ViewTarget,
    version: FileVersion,
    known: {
      readonly mark: Uint8Array | undefined
      readonly earlier: BackupEntry | undefined
      readonly link: Uint8Array | undefined
    },
  ): Promise<BackupContent> {
    const { mark, earlier, link } = known
    if (mark !== undefined && earlier?.mark !== undefined && earlier.content !== undefined) {
      if (toHex(mark) === toHex(earlier.mark)) {
        this.tally.unchanged++
        this.tally.doneBytes += version.size
        return earlier.content
      }
    }
    const linked = link && mark && `${toHex(link)} ${toHex(mark)}`
    const before = linked === undefined ? undefined : this.#links.get(linked)
    const content = before ?? (await this.#write(target, version))
    if (linked !== undefined && this.#links.size < LINKS_MAX) this.#links.set(linked, content)
    return content
  }

  async #write(target: ViewTarget, version: FileVersion): Promise<BackupContent> {
    const { signal, source } = this.#c
    const { minBytes } = this.#files.writer.sizes
    const pieces = this.#counted(source.read(target, version, { signal }))
    if (version.size >= minBytes) return writeContent(pieces, this.#files, { signal })
    const bytes = new Uint8Array(version.size)
    let at = 0
    for await (const piece of pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    // Small ones are part of the entry.
    if (bytes.length <= INLINE_FILE_MAX) return { kind: 'inline', bytes }
    return { kind: 'chunk', ref: await this.#files.writer.chunks.write(bytes, { signal }) }
  }

  async *#counted(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of unreadable(pieces)) {
      yield piece
      this.tally.doneBytes += piece.length
    }
  }

  /** Undefined for what is gone, or cannot be read, of which is told. */
  async #attempt(path: string, run: () => Promise<BackupEntry>): Promise<BackupEntry | undefined> {
    try {
      return await run()
    } catch (error) {
      this.#c.signal.throwIfAborted()
      // Removed meanwhile.
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ESTALE')) return undefined
      if (!(error instanceof Unreadable)) throw error
      this.tally.failed++
      this.#c.onFailure(path, asShoalError(error.cause))
      return undefined
    }
  }

  #parts(
    name: ChunkSizeName,
    chunks: EditorParts['writer']['chunks'],
    nodes: EditorParts['writer']['chunks'],
  ): EditorParts {
    const sizes = chunkSizes(name)
    const cutter = new Cutter(sizes, this.#c.gearSecret)
    const writer = { chunks, nodes, sizes, cutter }
    return { reader: this.#c.tree.parts, writer, dirty: new DirtyBudget(DIRTY_BYTES) }
  }
}

/** The source of a file failed, and not the place that it is written to. */
class Unreadable extends Error {}

async function* unreadable(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } catch (cause) {
    throw new Unreadable('a file cannot be read', { cause })
  }
}

/**
 * The results of all items, in their order. `begin` is called for some of them ahead, one after the
 * other; what it returns is called when it is the item's turn.
 */
async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  ahead: number,
  begin: (item: Item) => Promise<() => Promise<Result>>,
): AsyncGenerator<Result, void, undefined> {
  const begun: (() => Promise<Result>)[] = []
  for await (const item of items) {
    begun.push(await begin(item))
    while (begun.length >= ahead) {
      const next = begun.shift()
      if (next !== undefined) yield await next()
    }
  }
  for (const next of begun) yield await next()
}
