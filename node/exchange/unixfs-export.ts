// Files as UnixFS, laid out as `ipfs add -r --cid-version 1 --raw-leaves` does: leaves of 256 KiB,
// balanced trees of 174 links, folders of more than 256 KiB as HAMT shards, SHA2-256; by
// ipfs-unixfs-importer, which makes one file or folder of known entries at a time, so that in
// memory are the entries of the folders on one path, and the open nodes of one file.
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CODEC_DAG_PB, sha256Cid } from '../../protocol/car/car.ts'
import { mtimeOf, withAttributes } from '../../protocol/car/unixfs.ts'
import { assert } from '../../protocol/errors.ts'
import { KIB } from '../../protocol/units.ts'
import { archivedText, unsupported } from './export-tally.ts'
import type {
  ImportCandidate,
  ImporterOptions,
  InProgressImportResult,
  WritableStorage,
} from 'ipfs-unixfs-importer'
import type { FileLayout } from 'ipfs-unixfs-importer/layout'
import type { Block, Cid } from '../../protocol/car/car.ts'
import type { FileStat } from '../control/files.ts'
import type { Files } from '../volume/files.ts'
import type { BlockSink } from './car-writer.ts'
import type { ExportTally } from './export-tally.ts'

const LEAF_BYTES: number = 256 * KIB
const LINKS_MAX = 174

export interface UnixfsExportParts {
  readonly files: Files
  readonly blocks: BlockSink
  readonly tally: ExportTally
  /** Store mode and time too. */
  readonly withAttributes: boolean
  readonly signal: AbortSignal
}

/** A node, and the bytes of all blocks below it and its own. */
interface Made {
  readonly cid: Cid
  readonly size: bigint
}

/** The root of what is at `path`; all blocks of the tree have been put by then. */
export async function exportUnixfs(
  parts: UnixfsExportParts,
  path: readonly string[],
): Promise<Cid> {
  return (await new UnixfsExport(parts).make(path, parts.files.stat(path))).cid
}

class UnixfsExport {
  readonly #parts: UnixfsExportParts
  readonly #store: WritableStorage

  constructor(parts: UnixfsExportParts) {
    this.#parts = parts
    this.#store = storeTo((block) => parts.blocks.put(block))
  }

  async make(path: readonly string[], stat: FileStat): Promise<Made> {
    const { tally, files, signal } = this.#parts
    signal.throwIfAborted()
    switch (stat.kind) {
      case 'folder':
        return this.#folder(path, stat)
      case 'symlink':
        return this.#symlink(path, stat)
      case 'file': {
        const { content } = files.readFile(path, {}, signal)
        const made = await this.#one({ content: tally.counted(content), ...this.#attributes(stat) })
        tally.files++
        return made
      }
      default:
        throw unsupported(path, stat.kind)
    }
  }

  async #symlink(path: readonly string[], stat: FileStat): Promise<Made> {
    const link = archivedText(path, stat.target ?? '')
    this.#parts.tally.symlinks++
    return this.#one({ path: '', link, ...this.#attributes(stat) })
  }

  /** A file or symlink. */
  async #one(candidate: ImportCandidate): Promise<Made> {
    let made: Made | undefined
    for await (const { cid, size = 0n } of importer([candidate], this.#store, OPTIONS))
      made = { cid, size }
    assert(made !== undefined, 'a candidate becomes a node')
    return made
  }

  async #folder(path: readonly string[], stat: FileStat): Promise<Made> {
    let last: Block | undefined
    // The folder's own node comes last, and is held back until it is known to be that.
    const put = async (block: Block): Promise<void> => {
      if (last !== undefined) await this.#parts.blocks.put(last)
      last = block
    }
    const options = { ...OPTIONS, wrapWithDirectory: true, dagBuilder: () => this.#children(path) }
    let size = 0n
    for await (const made of importer([], storeTo(put), options)) size = made.size ?? 0n
    assert(last !== undefined, 'a folder becomes a node')
    this.#parts.tally.folders++
    const root = this.#parts.withAttributes ? marked(last, stat) : last
    await this.#parts.blocks.put(root)
    return { cid: root.cid, size: size + BigInt(root.bytes.length - last.bytes.length) }
  }

  async *#children(path: readonly string[]): AsyncGenerator<() => Promise<InProgressImportResult>> {
    const { files, tally } = this.#parts
    for await (const page of files.list(path)) {
      for (const stat of page) {
        const child = [...path, stat.name]
        const made = await tally.unlessGone(child, stat, async () => ({
          path: archivedText(child, stat.name),
          ...(await this.make(child, stat)),
        }))
        if (made !== undefined) yield async () => made
      }
    }
  }

  #attributes({ mode, modifiedNs }: FileStat): object {
    return this.#parts.withAttributes ? { mode, mtime: mtimeOf(modifiedNs) } : {}
  }
}

function marked({ bytes }: Block, { mode, modifiedNs }: FileStat): Block {
  const changed = withAttributes(bytes, { mode, modifiedNs })
  return { cid: sha256Cid(CODEC_DAG_PB, changed), bytes: changed }
}

function storeTo(put: (block: Block) => Promise<void>): WritableStorage {
  return {
    put: async (cid, bytes) => {
      assert(bytes instanceof Uint8Array, 'blocks come whole')
      await put({ cid, bytes })
      return cid
    },
  }
}

/**
 * As the importer's own layout makes it, but each node as soon as it is full, so that few are in
 * memory.
 */
const balanced: FileLayout = async (leaves, reduce) => {
  const levels: InProgressImportResult[][] = []
  const add = async (level: number, node: InProgressImportResult): Promise<void> => {
    const open = (levels[level] ??= [])
    open.push(node)
    if (open.length === LINKS_MAX) await add(level + 1, await reduce(open.splice(0)))
  }
  for await (const leaf of leaves) await add(0, leaf)
  for (let level = 0; ; level++) {
    const open = levels[level] ?? []
    const [only] = open
    if (level > 0 && level === levels.length - 1 && open.length === 1 && only !== undefined)
      return only
    if (open.length > 0) await add(level + 1, await reduce(open.splice(0)))
  }
}

const OPTIONS: ImporterOptions = {
  cidVersion: 1,
  rawLeaves: true,
  chunker: fixedSize({ chunkSize: LEAF_BYTES }),
  layout: balanced,
  // Folders: their children are made one by one.
  fileImportConcurrency: 1,
}
