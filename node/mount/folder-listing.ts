// Reading a folder through one handle: entries in the order of the namespace's keys, each with a cookie that counts up.
// Cookies of entries already given stay valid: going back to one starts the scan again from its key. Memory: a key per
// PAGE entries read.
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { ListedEntry, Namespace } from '../namespace/namespace.ts'

const PAGE = 1024

export interface ListingEntry {
  readonly name: string
  readonly cookie: number
  readonly target: ViewTarget
}

interface Page {
  readonly firstCookie: number
  /** Key after which the page's scan starts; undefined for the first. */
  readonly after: ByteString | undefined
}

export class FolderListing {
  readonly #namespace: Namespace
  readonly #dir: NodeId
  readonly #pages: Page[] = [{ firstCookie: 1, after: undefined }]
  #current: readonly ListingEntry[] = []

  constructor(namespace: Namespace, dir: NodeId) {
    this.#namespace = namespace
    this.#dir = dir
  }

  /** Up to `countMax` entries after `cookie` (0 = from the start, which reads the folder anew). */
  async read(cookie: number, countMax: number): Promise<readonly ListingEntry[]> {
    if (cookie === 0) {
      this.#pages.splice(1)
      this.#current = []
    }
    const wanted = cookie + 1
    if (!this.#holds(wanted)) await this.#load(wanted)
    return this.#current.filter((entry) => entry.cookie >= wanted).slice(0, countMax)
  }

  #holds(cookie: number): boolean {
    const first = this.#current[0]?.cookie ?? 0
    const last = this.#current.at(-1)?.cookie ?? -1
    return cookie >= first && cookie <= last
  }

  async #load(cookie: number): Promise<void> {
    let page = this.#pages.findLast((known) => known.firstCookie <= cookie)
    while (page !== undefined) {
      const entries = await this.#scan(page)
      this.#current = entries.map(({ name, target, cookie: at }) => ({ name, target, cookie: at }))
      const last = entries.at(-1)
      if (last === undefined || last.cookie >= cookie || entries.length < PAGE) return
      page = { firstCookie: last.cookie + 1, after: last.key }
      this.#pages.push(page)
    }
  }

  /** A page: at least PAGE entries where there are so many, and never half of a collision. */
  async #scan(page: Page): Promise<(ListedEntry & { cookie: number })[]> {
    const out: (ListedEntry & { cookie: number })[] = []
    for await (const entry of this.#namespace.list(this.#dir, page.after)) {
      if (out.length >= PAGE && out.at(-1)?.key !== entry.key) break
      out.push({ ...entry, cookie: page.firstCookie + out.length })
    }
    return out
  }
}
