// An archive that was taken in: a file in the home that is gone when it is closed, and an index of
// its blocks. Every block was checked against its CID when it came, and is again when it is read.
import { MULTIHASH_IDENTITY, isBlockOf } from '../../protocol/car/car.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import { BlockIndex } from './block-index.ts'
import { scanCar } from './car-scan.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { Disk, DiskFile } from '../world/world.ts'

/** The disk is asked for its free space before so much more is written. */
const ASK_EVERY_BYTES: number = 64 * MIB
/** Share of the disk that stays free. */
const KEPT_SHARE = 0.02

export interface IncomingCar {
  readonly content: AsyncIterable<Uint8Array>
  /** The size, if it is known. */
  readonly sizeBytes?: number | undefined
}

export class CarFile {
  /** At least one. */
  readonly roots: readonly Cid[]
  readonly index: BlockIndex
  readonly #file: DiskFile
  readonly #remove: () => Promise<void>

  private constructor(
    file: DiskFile,
    { roots, index }: { roots: readonly Cid[]; index: BlockIndex },
    remove: () => Promise<void>,
  ) {
    this.#file = file
    this.roots = roots
    this.index = index
    this.#remove = remove
  }

  /**
   * Take an archive in, into a new file at `path`. throws ShoalError 'corrupt' naming the block
   * that is damaged, 'malformed', 'unsupported', 'ENOSPC'; nothing is left then.
   */
  static async take(
    disk: Disk,
    path: string,
    { content, sizeBytes = 0 }: IncomingCar,
    signal: AbortSignal,
  ): Promise<CarFile> {
    const file = await disk.open(path, 'write')
    const remove = async (): Promise<void> => {
      await file.close()
      await disk.remove(path)
    }
    try {
      await checkSpace(disk, sizeBytes)
      const index = new BlockIndex()
      let roots: readonly Cid[] = []
      const parts = written(content, file, disk, signal)
      for await (const { cid, start, bytes } of scanCar(parts, (named) => (roots = named)))
        if (cid.multihash.code !== MULTIHASH_IDENTITY)
          index.add(cid.multihash.digest, start, bytes.length)
      if (roots.length === 0) throw new ShoalError('malformed', 'the archive names no root')
      return new CarFile(file, { roots, index }, remove)
    } catch (error) {
      await remove()
      throw error
    }
  }

  /** A block. throws ShoalError 'corrupt' if the archive lacks it. */
  async read(cid: Cid): Promise<Uint8Array> {
    const { code, digest } = cid.multihash
    if (code === MULTIHASH_IDENTITY) return digest
    const { start, length } = this.index.at(this.numberOf(cid))
    const bytes = await this.#file.read(start, length)
    if (isBlockOf(cid, bytes)) return bytes
    throw new ShoalError(
      'corrupt',
      `block ${String(cid)} changed in this node's home after it was received`,
    )
  }

  /** The number of a block in the index. throws ShoalError 'corrupt' if the archive lacks it. */
  numberOf(cid: Cid): number {
    const number = this.index.find(cid.multihash.digest)
    if (number !== undefined) return number
    throw new ShoalError(
      'corrupt',
      `the archive lacks block ${String(cid)}, which other blocks refer to; nothing was imported`,
    )
  }

  /** Remove the file. */
  async close(): Promise<void> {
    await this.#remove()
  }
}

/** The same parts, in the file by the time they are taken. */
async function* written(
  parts: AsyncIterable<Uint8Array>,
  file: DiskFile,
  disk: Disk,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = 0
  let asked = 0
  for await (const part of parts) {
    signal.throwIfAborted()
    if (at + part.length > asked) {
      await checkSpace(disk, ASK_EVERY_BYTES)
      asked = at + part.length + ASK_EVERY_BYTES
    }
    await file.write(at, [part])
    at += part.length
    yield part
  }
}

async function checkSpace(disk: Disk, bytes: number): Promise<void> {
  const { freeBytes, totalBytes } = await disk.space()
  if (freeBytes - totalBytes * KEPT_SHARE >= bytes) return
  throw new ShoalError(
    'ENOSPC',
    `only ${formatBytes(freeBytes)} are free in the node's home, ` +
      'too few to store the archive during import; free some space first',
  )
}
