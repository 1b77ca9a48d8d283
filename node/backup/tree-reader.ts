// Reads the tree of a backup: the entries of its folders one after the other, and its files.
import { concatBytes } from '../../protocol/bytes.ts'
import { ENTRY_BYTES_MAX, LENGTH_BYTES, decodeEntry } from '../../protocol/backup/entry.ts'
import type { BackupContent, BackupEntry } from '../../protocol/backup/entry.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import { ContentReader } from '../content/read-pipeline.ts'
import type { ReaderParts } from '../content/read-pipeline.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import { ReadAheadBudget } from '../content/read-ahead.ts'

/** Extents and children of lists of chunks that are kept. */
const NODE_ITEMS = 100_000
const AHEAD_BYTES: number = 16 * MIB

interface Options {
  readonly signal: AbortSignal
}

export class TreeReader {
  readonly parts: ReaderParts

  constructor(chunks: ChunkReader) {
    this.parts = { chunks, nodes: nodeCache(NODE_ITEMS), ahead: new ReadAheadBudget(AHEAD_BYTES) }
  }

  /** throws ShoalError 'chunk-unavailable', 'cold-*'. */
  read(content: BackupContent, { signal }: Options): AsyncIterable<Uint8Array> {
    if (content.kind === 'chunk') return this.#chunk(content.ref, signal)
    const reader = new ContentReader(content, this.parts)
    return reader.stream(0, reader.size, { signal })
  }

  async *#chunk(ref: ChunkRef, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield await this.parts.chunks.read(ref, { signal })
  }

  /** The entries of a folder. throws as read(), 'malformed', 'unsupported'. */
  async *entries(
    content: BackupContent,
    options: Options,
  ): AsyncGenerator<BackupEntry, void, undefined> {
    let rest: Uint8Array = new Uint8Array(0)
    for await (const piece of this.read(content, options)) {
      let at = 0
      const bytes = rest.length === 0 ? piece : concatBytes([rest, piece])
      for (;;) {
        const end = endOfEntry(bytes, at)
        if (end === undefined || end > bytes.length) break
        yield decodeEntry(bytes.subarray(at + LENGTH_BYTES, end))
        at = end
      }
      // A copy: the piece is the cache's.
      rest = bytes.slice(at)
    }
    if (rest.length > 0) throw new ShoalError('malformed', 'a folder of the backup is cut off')
  }
}

/** Undefined: its length is not all there. */
function endOfEntry(bytes: Uint8Array, at: number): number | undefined {
  if (at + LENGTH_BYTES > bytes.length) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0)
  if (length <= ENTRY_BYTES_MAX) return at + LENGTH_BYTES + length
  throw new ShoalError('malformed', 'a folder of the backup has an entry that is too long')
}
