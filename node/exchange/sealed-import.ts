// A sealed export, opened with the keys of its volume and made into files again. The listing is
// read twice: once to see that it makes sense and that every chunk is there, once to make what it
// says. In memory are the names of the folders on one path.
import { cidOfBytes } from '../../protocol/car/car.ts'
import { decodeEntry, decodeRoot, openRoot } from '../../protocol/car/sealed-tree.ts'
import { openChunk } from '../../protocol/chunk/seal.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { chunkIdBytes } from '../../protocol/ids.ts'
import {
  IMPORT_BYTES_MAX,
  IMPORT_NAMES_MAX,
  PATH_MAX,
  SEALED_ENTRY_MAX,
} from '../../protocol/limits.ts'
import { collisionKey, nameFromPlainText } from '../../protocol/op/names.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { chunksOf } from '../content/manifest-walk.ts'
import { ReadAheadBudget } from '../content/read-ahead.ts'
import { ContentReader } from '../content/read-pipeline.ts'
import { contentOf } from '../volume/file-contents.ts'
import { ByteSource } from './byte-source.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { SealedEntry, SizedContent } from '../../protocol/car/sealed-tree.ts'
import type { ChunkId, VolumeId } from '../../protocol/ids.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { ReaderParts } from '../content/read-pipeline.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { CarFile } from './car-file.ts'
import type { ImportPlace, Making } from './import-place.ts'

const NODE_CACHE_ITEMS = 50_000

type Folder = Extract<SealedEntry, { kind: 'folder' }>

/**
 * of: a volume, if this node has it. throws ShoalError 'no-such-volume', 'EPERM' and 'EACCES'
 * without its keys, 'corrupt', 'malformed'.
 */
export async function openSealed(
  car: CarFile,
  root: Cid,
  of: (volume: VolumeId) => HostedVolume | undefined,
  signal: AbortSignal,
): Promise<Making> {
  const sealed = decodeRoot(await car.read(root))
  const hosted = of(sealed.volume)
  if (hosted === undefined) {
    throw new ShoalError(
      'no-such-volume',
      `the archive is sealed for members of volume ${sealed.volume}, and this node is not one; nothing was imported`,
    )
  }
  hosted.checkMayRead()
  const listing = openRoot(hosted.map.keys(sealed.epoch), sealed)
  const tree = new SealedTree(car, hosted, listing, signal)
  return { total: await tree.survey(), make: (place) => tree.make(place) }
}

class SealedTree {
  readonly #car: CarFile
  readonly #listing: SizedContent
  readonly #signal: AbortSignal
  readonly #parts: ReaderParts

  constructor(car: CarFile, hosted: HostedVolume, listing: SizedContent, signal: AbortSignal) {
    this.#car = car
    this.#listing = listing
    this.#signal = signal
    this.#parts = {
      chunks: readerOf(car, hosted),
      nodes: nodeCache(NODE_CACHE_ITEMS),
      ahead: new ReadAheadBudget(0),
    }
  }

  async survey(): Promise<{ names: number; bytes: number }> {
    await this.#checkChunks(this.#listing)
    const sum = { names: 0, bytes: 0 }
    /** The names in the folders on the way to an entry. */
    const names: Set<string>[] = [new Set()]
    const lengths = [0]
    let deepest = 0
    for await (const entry of this.#entries()) {
      const { depth, name } = entry
      if (depth > deepest || (depth === 0 && sum.names > 0))
        throw damaged(`"${name}" lies in no folder`)
      const siblings = names[depth] ?? new Set()
      const key = collisionKey(nameFromPlainText(name))
      if (siblings.has(key)) throw damaged(`the name "${name}" is twice in one folder`)
      siblings.add(key)
      const length = (lengths[depth] ?? 0) + 1 + Buffer.byteLength(name)
      if (length > PATH_MAX) throw damaged(`the path to "${name}" is too long`)
      names.length = lengths.length = depth + 1
      deepest = depth
      if (entry.kind === 'folder') {
        names.push(new Set())
        lengths.push(length)
        deepest++
      }
      if (entry.kind === 'file') await this.#checkChunks(entry)
      sum.names++
      sum.bytes += entry.kind === 'file' ? entry.size : 0
      if (sum.names > IMPORT_NAMES_MAX || sum.bytes > IMPORT_BYTES_MAX)
        throw damaged('it makes more than one import may')
    }
    if (sum.names === 0) throw damaged('it is empty')
    return sum
  }

  async make(place: ImportPlace): Promise<void> {
    /** Folders that are not left yet, from the root on. */
    const open: Folder[] = []
    const pathTo = (depth: number): string[] => open.slice(1, depth).map(({ name }) => name)
    const leaveTo = async (depth: number): Promise<void> => {
      while (open.length > depth) {
        const path = pathTo(open.length)
        const left = open.pop()
        if (left !== undefined) await place.setAttributes(path, attributesOf(left))
      }
    }
    for await (const entry of this.#entries()) {
      await leaveTo(entry.depth)
      const path = entry.depth === 0 ? [] : [...pathTo(entry.depth), entry.name]
      switch (entry.kind) {
        case 'folder':
          await place.makeFolder(path)
          open.push(entry)
          break
        case 'file':
          await place.makeFile(path, this.#stream(entry), attributesOf(entry))
          break
        case 'symlink':
          await place.makeSymlink(path, entry.target)
      }
    }
    await leaveTo(0)
  }

  async *#entries(): AsyncGenerator<SealedEntry> {
    const source = new ByteSource(this.#stream(this.#listing))
    try {
      while (!(await source.isAtEnd())) {
        const length = await source.takeLength(SEALED_ENTRY_MAX, 'an entry')
        yield decodeEntry(await source.take(length))
      }
    } catch (error) {
      const { code, message } = asShoalError(error)
      throw code === 'malformed' || code === 'EINVAL' ? damaged(message) : error
    } finally {
      await source.end()
    }
  }

  #stream({ content, size }: SizedContent): AsyncGenerator<Uint8Array> {
    const reader = new ContentReader(contentOf({ content, size }), this.#parts)
    return reader.stream(0, size, { signal: this.#signal })
  }

  /** Is all there that a content is made of? throws ShoalError 'corrupt' naming what is not. */
  async #checkChunks({ content, size }: SizedContent): Promise<void> {
    const whole = contentOf({ content, size })
    if (whole.kind === 'inline') return
    const tree = new ManifestTree(whole.manifest, this.#parts)
    for await (const id of chunksOf(tree, { signal: this.#signal })) this.#car.numberOf(cidOf(id))
  }
}

function readerOf(car: CarFile, { map }: HostedVolume): ChunkReader {
  const read: ChunkReader['read'] = async (ref, { signal }) => {
    signal.throwIfAborted()
    return openChunk(map.keys(ref.epoch), ref, await car.read(cidOf(ref.id)))
  }
  return { read, readOnce: read, isNear: () => true }
}

function cidOf(id: ChunkId): Cid {
  return cidOfBytes(chunkIdBytes(id))
}

function attributesOf({ mode, modifiedNs }: SealedEntry): { mode: number; modifiedNs: bigint } {
  return { mode, modifiedNs }
}

function damaged(why: string): ShoalError {
  return new ShoalError(
    'malformed',
    `the listing of the sealed tree is not valid: ${why}; nothing was imported`,
  )
}
