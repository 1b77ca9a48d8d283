// How the content of files comes into a clone: by reference, within a volume, or read, sealed and
// stored anew in another.
import type { NodeId } from '../../protocol/ids.ts'
import type { ContentRef } from '../../protocol/op/op.ts'
import type { Lease } from '../content/in-flight-references.ts'
import type { Volume } from '../log/volume.ts'
import type { PastState } from '../tree/past.ts'
import { fileVersionOf } from '../tree/tree-reading.ts'
import { contentOf, refOf } from '../volume/file-contents.ts'
import type { FileContents } from '../volume/file-contents.ts'

export interface CloneContents {
  /** How many of the bytes of a file are read. */
  bytesRead(file: PastState): number
  /**
   * The content of a file, for one in a folder of the clone, until the leases end that are added.
   * throws 'chunk-unavailable', 'ENOSPC'.
   */
  take(file: PastState, folder: NodeId, leases: Lease[]): Promise<ContentRef>
}

export class SharedContents implements CloneContents {
  readonly #volume: Volume
  readonly #contents: FileContents
  readonly #signal: AbortSignal

  constructor(volume: Volume, contents: FileContents, signal: AbortSignal) {
    this.#volume = volume
    this.#contents = contents
    this.#signal = signal
  }

  bytesRead(): number {
    return 0
  }

  async take({ inode, version }: PastState, folder: NodeId, leases: Lease[]): Promise<ContentRef> {
    const file = fileVersionOf(this.#volume, version)
    if (file.content.kind !== 'chunks') return file.content
    leases.push(this.#contents.begin(), this.#contents.hold(inode, contentOf(file)))
    const at = { folder, replaced: undefined }
    await this.#contents.adopt(file, at, { isShared: true, signal: this.#signal })
    return file.content
  }
}

export interface CopiedContentsComponents {
  /** The volume that it is taken from. */
  readonly volume: Volume
  readonly from: FileContents
  readonly to: FileContents
  /** Told of bytes that were read. */
  readonly onBytes: (count: number) => void
  readonly signal: AbortSignal
}

export class CopiedContents implements CloneContents {
  readonly #c: CopiedContentsComponents

  constructor(components: CopiedContentsComponents) {
    this.#c = components
  }

  bytesRead({ version }: PastState): number {
    return version?.size ?? 0
  }

  async take({ inode, version }: PastState, folder: NodeId, leases: Lease[]): Promise<ContentRef> {
    const { volume, from, to, onBytes, signal } = this.#c
    const file = fileVersionOf(volume, version)
    if (file.content.kind !== 'chunks') {
      onBytes(file.size)
      return file.content
    }
    leases.push(to.begin())
    const reading = from.hold(inode, contentOf(file))
    try {
      const reader = from.reader(file)
      const pieces = counted(reader.stream(0, reader.size, { signal }), onBytes)
      return refOf(await to.write(pieces, { folder, replaced: undefined }, signal))
    } finally {
      reading.end()
    }
  }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece
    onBytes(piece.length)
  }
}
