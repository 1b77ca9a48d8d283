// Open folders of a mount. The kernel keeps what it read through one handle, and goes on from there
// through another; so a cookie names its reading too, and readings are shared by all handles, the
// latest of them kept when theirs are closed.
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { ListedEntry } from '../tree/tree-reading.ts'
import { crc32 } from 'node:zlib'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

const READINGS_MAX = 128
/** Entries of a folder that are told apart; cookies stay exact in JavaScript. */
const INDEX_END: number = 2 ** 32
const READING_END: number = 2 ** 20

interface Reading {
  readonly dir: NodeId
  readonly listing: FolderListing
}

interface ListingEntry {
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

export class OpenFolders {
  readonly #namespace: Pick<Namespace, 'list'>
  readonly #handles = new Map<number, NodeId>()
  readonly #readings = new LRUCache<number, Reading>({ max: READINGS_MAX })
  #nextHandle = 1
  #nextReading = 1

  constructor(namespace: Pick<Namespace, 'list'>) {
    this.#namespace = namespace
  }

  open(dir: NodeId): number {
    const handle = this.#nextHandle++
    this.#handles.set(handle, dir)
    return handle
  }

  close(handle: number): void {
    this.#handles.delete(handle)
  }

  /** Up to `countMax` entries after `cookie`; 0 = from the start, which reads the folder anew. */
  async read(handle: number, cookie: number, countMax: number): Promise<readonly ListingEntry[]> {
    const dir = this.#handles.get(handle)
    if (dir === undefined) throw new ShoalError('EINVAL', 'the folder is not open')
    const number = cookie === 0 ? this.#begin() : Math.floor(cookie / INDEX_END)
    const entries = await this.#reading(number, dir).read(cookie % INDEX_END, countMax)
    return entries.map((entry) => ({ ...entry, cookie: number * INDEX_END + entry.cookie }))
  }

  #begin(): number {
    const number = this.#nextReading
    this.#nextReading = (number % (READING_END - 1)) + 1
    this.#readings.delete(number)
    return number
  }

  /** One that is not kept any more is read again, and counted as if nothing had changed. */
  #reading(number: number, dir: NodeId): FolderListing {
    const known = this.#readings.get(number)
    if (known?.dir === dir) return known.listing
    const listing = new FolderListing(this.#namespace, dir)
    this.#readings.set(number, { dir, listing })
    return listing
  }
}

/**
 * One reading of a folder, from its start: entries in the order of the namespace's keys, each with
 * a cookie that counts up. A cookie once given means the same entry as long as the reading is
 * kept, whatever is made and removed meanwhile: going back to it scans its page again, and an
 * entry is known by the mark of its name. What came since may be left out; what is gone is never
 * given. Memory: four bytes per entry read, and a key per page, which is what was asked for at a
 * time.
 */
class FolderListing {
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
