// One reading of a folder, from its start: entries in the order of the namespace's keys, each with
// a cookie that counts up. A cookie once given means the same entry as long as the reading is kept,
// whatever is made and removed meanwhile: going back to it scans its page again, and an entry is
// known by the mark of its name. What came since may be left out; what is gone is never given.
// Memory: four bytes per entry read, and a key per page, which is what was asked for at a time.
import { crc32 } from 'node:zlib'
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { ListedEntry, Namespace } from '../tree/namespace.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

export interface ListingEntry {
  readonly name: string
  readonly cookie: number
  readonly target: ViewTarget
}

interface Page {
  /** Cookie of its first entry. */
  readonly first: number
  /** Keys between which it lies, the second included; undefined for the ends of the folder. */
  readonly after: ByteString | undefined
  readonly last: ByteString | undefined
  /** Marks of the names it had when it was first read, in order. */
  readonly marks: Uint32Array
}

export class FolderListing {
  readonly #namespace: Pick<Namespace, 'list'>
  readonly #dir: NodeId
  readonly #pages: Page[] = []
  /** Reads run one after the other. */
  readonly #queue = new SerialQueue()

  constructor(namespace: Pick<Namespace, 'list'>, dir: NodeId) {
    this.#namespace = namespace
    this.#dir = dir
  }

  /** Up to `countMax` entries after `cookie` (0 = from the start); none at the end only. */
  read(cookie: number, countMax: number): Promise<readonly ListingEntry[]> {
    return this.#queue.run(() => this.#read(cookie + 1, countMax))
  }

  async #read(wanted: number, countMax: number): Promise<readonly ListingEntry[]> {
    const found: ListingEntry[] = []
    const known = this.#pages.findIndex(({ first, marks }) => wanted < first + marks.length)
    for (let index = known < 0 ? this.#pages.length : known; found.length < countMax; index++) {
      const page = this.#pages[index]
      const entries = page === undefined ? await this.#next(countMax) : await this.#again(page)
      if (entries === undefined) break
      found.push(...entries.filter((entry) => entry.cookie >= wanted))
    }
    return found.slice(0, countMax)
  }

  /**
   * At least `count` entries after those of all pages, if there are so many, and never half of a
   * collision.
   */
  async #next(count: number): Promise<readonly ListingEntry[] | undefined> {
    const before = this.#pages.at(-1)
    if (before !== undefined && before.last === undefined) return undefined
    const first = before === undefined ? 1 : before.first + before.marks.length
    const found: ListedEntry[] = []
    let last: ByteString | undefined
    for await (const entry of this.#namespace.list(this.#dir, before?.last)) {
      const key = found.at(-1)?.key
      if (found.length >= count && key !== entry.key) {
        last = key
        break
      }
      found.push(entry)
    }
    const marks = Uint32Array.from(found, ({ name }) => crc32(name))
    this.#pages.push({ first, after: before?.last, last, marks })
    return found.map(({ name, target }, index) => ({ name, target, cookie: first + index }))
  }

  /** Reads a page again, as far as its names are left. */
  async #again({ first, after, last, marks }: Page): Promise<readonly ListingEntry[]> {
    const found: ListingEntry[] = []
    let next = 0
    for await (const { name, target, key } of this.#namespace.list(this.#dir, after)) {
      if (last !== undefined && key > last) break
      const index = marks.indexOf(crc32(name), next)
      if (index < 0) continue
      found.push({ name, target, cookie: first + index })
      next = index + 1
    }
    return found
  }
}
