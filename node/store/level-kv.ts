// The ordered store over LevelDB (classic-level). Keys are byte strings and order by their bytes,
// which is LevelDB's own order. A synced batch is durable when its promise resolves; LevelDB does
// not sync an older log file when it has begun a new one, so whoever needs an unsynced write
// durable must sync that same write.
import { open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import type { Iterator } from 'classic-level'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Kv, KvRange, KvWrite } from './kv.ts'

/**
 * Two write buffers and the block cache bound the memory; fewer, larger files suit an index of
 * small values.
 */
const WRITE_BUFFER_BYTES: number = 16 * MIB
const CACHE_BYTES: number = 32 * MIB
const FILE_BYTES: number = 8 * MIB
/** Entries and bytes that a scan holds at once. */
const PAGE_ENTRIES = 1000
const PAGE_BYTES: number = 256 * KIB

/** No key is above it. */
const LAST_KEY: ByteString = '\xff'.repeat(16)

const BYTE_STRING = {
  name: 'byte-string',
  format: 'view',
  encode: fromByteString,
  decode: toByteString,
} as const

type Database = ClassicLevel<ByteString, Uint8Array>

/** See the head of the file. */
export class LevelKv implements Kv {
  readonly #folder: string
  readonly #database: Database

  private constructor(folder: string, database: Database) {
    this.#folder = folder
    this.#database = database
  }

  /**
   * Open the database in `folder` (absolute), made if absent; its parent must exist.
   * throws ShoalError 'already-running' if another process has it open, 'corrupt' if LevelDB cannot
   * read it.
   */
  static async open(folder: string): Promise<LevelKv> {
    const database: Database = new ClassicLevel(folder, {
      keyEncoding: BYTE_STRING,
      valueEncoding: 'view',
      compression: true,
      writeBufferSize: WRITE_BUFFER_BYTES,
      cacheSize: CACHE_BYTES,
      maxFileSize: FILE_BYTES,
    })
    try {
      await database.open()
    } catch (error) {
      throw levelError(`cannot open the index in ${folder}`, error)
    }
    await syncFolder(dirname(folder))
    return new LevelKv(folder, database)
  }

  get(key: ByteString): Uint8Array | undefined {
    try {
      return this.#database.getSync(key)
    } catch (error) {
      throw levelError('cannot read from the index', error)
    }
  }

  async write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    try {
      await this.#database.batch(writes.map(toOperation), options)
    } catch (error) {
      throw levelError('cannot write to the index', error)
    }
  }

  scan(range: KvRange): AsyncIterable<readonly [ByteString, Uint8Array]> {
    try {
      const iterator = this.#database.iterator({
        gte: range.from,
        lt: range.to,
        reverse: range.reverse ?? false,
        limit: range.countMax ?? -1,
        highWaterMarkBytes: PAGE_BYTES,
      })
      return pages(iterator)
    } catch (error) {
      throw levelError('cannot scan the index', error)
    }
  }

  async sizeBytes(): Promise<number> {
    try {
      // Without what has not left the log yet.
      const sorted = await this.#database.approximateSize('', LAST_KEY)
      return sorted + (await logBytes(this.#folder))
    } catch (error) {
      throw levelError('cannot measure the index', error)
    }
  }

  /** Memory that LevelDB takes, of the most that it may. */
  memory(): { readonly bytes: number; readonly limitBytes: number } {
    const bytes = Number(this.#database.getProperty('leveldb.approximate-memory-usage'))
    return { bytes, limitBytes: CACHE_BYTES + 2 * WRITE_BUFFER_BYTES }
  }

  /** Write out what waits in memory to be written, to give that memory back. */
  emptyBuffers(): Promise<void> {
    // LevelDB does this before it compacts a range, also one without a key.
    return this.compact({ from: `${LAST_KEY}\xff`, to: `${LAST_KEY}\xff\xff` })
  }

  /** LevelDB keeps what is deleted until its level is rewritten, which may be long after. */
  async compact({ from, to }: Pick<KvRange, 'from' | 'to'>): Promise<void> {
    try {
      await this.#database.compactRange(from, to)
    } catch (error) {
      throw levelError('cannot compact the index', error)
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/** Bytes of LevelDB's logs: some of the files may go meanwhile, as a log becomes a table. */
async function logBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'))
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

function toOperation(
  write: KvWrite,
): { type: 'put'; key: ByteString; value: Uint8Array } | { type: 'del'; key: ByteString } {
  return write.kind === 'put'
    ? { type: 'put', key: write.key, value: write.value }
    : { type: 'del', key: write.key }
}

async function* pages(
  iterator: Iterator<Database, ByteString, Uint8Array>,
): AsyncGenerator<readonly [ByteString, Uint8Array]> {
  try {
    for (;;) {
      const page = await iterator.nextv(PAGE_ENTRIES)
      if (page.length === 0) return
      yield* page
    }
  } catch (error) {
    throw levelError('cannot scan the index', error)
  } finally {
    await iterator.close()
  }
}

const CODES: ReadonlyMap<unknown, ErrorCode> = new Map<unknown, ErrorCode>([
  ['LEVEL_LOCKED', 'already-running'],
  ['LEVEL_CORRUPTION', 'corrupt'],
  ['LEVEL_IO_ERROR', 'EIO'],
  ['LEVEL_DATABASE_NOT_OPEN', 'stopped'],
  ['LEVEL_ITERATOR_NOT_OPEN', 'stopped'],
])

/** LevelDB's errors say why in words only; opening wraps the reason in LEVEL_DATABASE_NOT_OPEN. */
function levelError(what: string, cause: unknown): ShoalError {
  if (cause instanceof ShoalError) return cause
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const reason = inner instanceof Error ? inner.message : String(inner)
  const levelCode = inner instanceof Error && 'code' in inner ? inner.code : undefined
  const code = /No space left/i.test(reason) ? 'ENOSPC' : (CODES.get(levelCode) ?? 'internal')
  return new ShoalError(code, `${what}: ${reason}`, { cause })
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
