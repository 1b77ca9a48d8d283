// The keys of a bucket in order of their bytes, from any key on, page by page: a listing costs what
// it tells. In a bucket of paths a folder stands at its name with a slash, which is after some of
// the names that begin with it ('a-b' and 'a.txt' come before 'a/').
import type { ByteString } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import { fromByteString, toHex } from '../../../protocol/bytes.ts'
import { byteText } from '../../../protocol/byte-text.ts'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat } from '../../control/files.ts'
import { keyOfEntry, nameFrom } from './keys.ts'
import type { Layout } from './keys.ts'

const PAGE_ENTRIES = 500
const SLASH = '/'
const NOT_THERE: readonly ErrorCode[] = ['ENOENT', 'ENOTDIR', 'EPERM', 'EINVAL', 'usage']

/** An object, or a folder that holds keys. */
export interface KeyEntry {
  /** All keys in a folder begin with that of the folder. */
  readonly key: ByteString
  readonly stat: FileStat
  readonly isFolder: boolean
  readonly path: string
}

export interface KeyWalkOptions {
  readonly layout: Layout
  /** The folder of the bucket, as NodeApi takes it. */
  readonly bucket: string
  readonly signal: AbortSignal
}

export class KeyWalk {
  readonly #api: NodeApi
  readonly #o: KeyWalkOptions
  /** No key before this one is wanted. */
  low: ByteString = '' as ByteString

  constructor(api: NodeApi, options: KeyWalkOptions) {
    this.#api = api
    this.#o = options
  }

  /**
   * Entries of a folder in order; whoever takes a folder goes on with what is in it by walking
   * that. Nothing where no such folder is.
   */
  async *entries(folder: string, base: ByteString): AsyncGenerator<KeyEntry> {
    // Folders whose names have come, but whose keys have not.
    const waiting: KeyEntry[] = []
    for await (const entry of this.#inNameOrder(folder, base, waiting)) {
      yield* due(waiting, entry.key)
      if (entry.isFolder && this.#o.layout === 'path') insert(waiting, entry)
      else yield entry
    }
    yield* due(waiting, undefined)
  }

  async *#inNameOrder(
    folder: string,
    base: ByteString,
    waiting: KeyEntry[],
  ): AsyncGenerator<KeyEntry> {
    const { layout } = this.#o
    if (this.low > base && !this.low.startsWith(base)) return
    let after: string | undefined
    if (this.low.startsWith(base) && this.low !== base) {
      const name = nameFrom(layout, base, this.low)
      if (layout === 'path')
        for (const one of await this.#passed(folder, base, name)) insert(waiting, one)
      after = justBefore(name)
    }
    for (;;) {
      const page = await this.#page(folder, after)
      for (const stat of page.entries) {
        const entry = this.#entryOf(folder, base, stat)
        if (entry !== undefined && this.#isWanted(entry)) yield entry
      }
      if (page.next === undefined) return
      after = page.next
      // Names that are not wanted are not read.
      if (this.low.startsWith(base)) {
        const skip = justBefore(nameFrom(layout, base, this.low))
        if (skip !== undefined && skip > after) after = skip
      } else if (this.low > base) return
    }
  }

  async #page(
    path: string,
    after: string | undefined,
  ): Promise<{ readonly entries: readonly FileStat[]; readonly next?: string | undefined }> {
    const { signal } = this.#o
    try {
      return await this.#api.listPage(path, { after, limit: PAGE_ENTRIES, extended: true, signal })
    } catch (error) {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return { entries: [] }
      throw error
    }
  }

  /** Folders whose names are before `name`, and whose keys are not before that. */
  async #passed(folder: string, base: ByteString, name: string): Promise<KeyEntry[]> {
    const found: KeyEntry[] = []
    for (let length = 1; length < name.length; length++) {
      if ((name[length] ?? '') >= SLASH) continue
      const part = byteText(name.slice(0, length) as ByteString)
      const stat = await this.statOf(`${folder}/${part}`)
      const entry = stat && this.#entryOf(folder, base, stat)
      if (entry?.isFolder === true && this.#isWanted(entry)) found.push(entry)
    }
    return found
  }

  /** Undefined where nothing is that may be looked at. */
  async statOf(path: string): Promise<FileStat | undefined> {
    const { signal } = this.#o
    try {
      return await this.#api.stat(path, { signal, extended: true })
    } catch (error) {
      if (NOT_THERE.some((code) => hasCode(error, code))) return undefined
      throw error
    }
  }

  #entryOf(folder: string, base: ByteString, stat: FileStat): KeyEntry | undefined {
    const isFolder = stat.kind === 'folder'
    if (!isFolder && stat.kind !== 'file') return undefined
    const key = keyOfEntry(this.#o.layout, base, stat.name, isFolder)
    return key === undefined ? undefined : { key, stat, isFolder, path: `${folder}/${stat.name}` }
  }

  #isWanted({ key, isFolder }: KeyEntry): boolean {
    return key >= this.low || (isFolder && this.low.startsWith(key))
  }
}

/** After which a page begins that has this name first, as FolderPage.next has it. */
function justBefore(name: string): string | undefined {
  const last = name.charCodeAt(name.length - 1)
  if (name === '') return undefined
  const before =
    last === 0 ? name.slice(0, -1) : `${name.slice(0, -1)}${String.fromCharCode(last - 1)}\xff`
  return before === '' ? undefined : toHex(fromByteString(before as ByteString))
}

function insert(waiting: KeyEntry[], entry: KeyEntry): void {
  const at = waiting.findIndex(({ key }) => key > entry.key)
  waiting.splice(at < 0 ? waiting.length : at, 0, entry)
}

function* due(waiting: KeyEntry[], before: ByteString | undefined): Generator<KeyEntry> {
  while (waiting[0] !== undefined && (before === undefined || waiting[0].key < before)) {
    const [first] = waiting.splice(0, 1)
    if (first !== undefined) yield first
  }
}
