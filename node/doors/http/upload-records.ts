// Notes of uploads that go on over several requests, in the index of the home: whose each is, where
// it leads, and how far it has come. A note is durable before anybody is told what it says.
import { utf8 } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { STORE_PREFIXES } from '../../store/key-prefixes.ts'
import type { Kv } from '../../store/kv.ts'

const PREFIX: string = `${STORE_PREFIXES.door}upload `

/** One upload. */
export interface UploadRecord {
  readonly id: string
  /** As Visit has it. */
  readonly account: string
  /** The file that it becomes, as calls take it. */
  readonly path: string
  readonly mode?: number | undefined
  /** Missing folders above it are made. */
  readonly parents: boolean
  /** As Condition has it. */
  readonly ifTag?: string | undefined
  /** Bytes in all, where that was said. */
  readonly length?: number | undefined
  /** Bytes that are there, in so many files. */
  readonly offset: number
  readonly parts: number
  /** When it was last gone on with. */
  readonly usedMs: WallTime
  /** The time of the file that is made of it, in nanoseconds, as text: it may be there already. */
  readonly placingNs?: string | undefined
  /** The file is there. */
  readonly done?: { readonly tag?: string | undefined; readonly isNew: boolean } | undefined
}

export class UploadRecords {
  readonly #kv: Kv
  /** Bounded by those who make them. */
  readonly #all = new Map<string, UploadRecord>()

  private constructor(kv: Kv) {
    this.#kv = kv
  }

  static async open(kv: Kv): Promise<UploadRecords> {
    const records = new UploadRecords(kv)
    const [from, to] = [PREFIX, `${PREFIX}~`]
    for await (const [, bytes] of kv.scan({ from, to })) {
      // Written by put() alone.
      const record = JSON.parse(Buffer.from(bytes).toString()) as UploadRecord
      records.#all.set(record.id, record)
    }
    return records
  }

  get size(): number {
    return this.#all.size
  }

  get(id: string): UploadRecord | undefined {
    return this.#all.get(id)
  }

  /** In order of their ids. */
  all(): readonly UploadRecord[] {
    return [...this.#all.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  of(account: string): readonly UploadRecord[] {
    return this.all().filter((record) => record.account === account)
  }

  /** It counts at once, and is durable when the promise resolves. */
  async put(record: UploadRecord): Promise<UploadRecord> {
    this.#all.set(record.id, record)
    const value = utf8(JSON.stringify(record))
    await this.#kv.write([{ kind: 'put', key: keyOf(record.id), value }], { sync: true })
    return record
  }

  async remove(id: string): Promise<void> {
    this.#all.delete(id)
    await this.#kv.write([{ kind: 'delete', key: keyOf(id) }], { sync: true })
  }
}

function keyOf(id: string): ByteString {
  return `${PREFIX}${id}`
}
