// Open folders of a mount. The kernel keeps what it read through one handle, and goes on from there
// through another; so a cookie names its reading too, and readings are shared by all handles, the
// latest of them kept when theirs are closed.
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Namespace } from '../tree/namespace.ts'
import { FolderListing } from './folder-listing.ts'
import type { ListingEntry } from './folder-listing.ts'

const READINGS_MAX = 128
/** Entries of a folder that are told apart; cookies stay exact in JavaScript. */
const INDEX_END: number = 2 ** 32
const READING_END: number = 2 ** 20

interface Reading {
  readonly dir: NodeId
  readonly listing: FolderListing
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
