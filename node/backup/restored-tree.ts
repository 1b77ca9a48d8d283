// A backup as what copies a tree onto this machine reads it: by path, folder by folder, files
// whole. Entries that were listed are remembered until they are read, up to a bound; others are
// looked for from the root.
import { LRUCache } from 'lru-cache'
import { byteText, escapedBytes, textBytes } from '../../protocol/byte-text.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { toHex, concatBytes } from '../../protocol/bytes.ts'
import { contentBytes } from '../../protocol/backup/entry.ts'
import type { BackupEntry } from '../../protocol/backup/entry.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { FileContent, FileStat } from '../control/files.ts'
import type { SmallFile } from '../control/small-files.ts'
import { pagesOf } from '../world/paging.ts'
import type { TreeReader } from './tree-reader.ts'

const PAGE = 256
const REMEMBERED_MAX = 16_384

/** A file as it is restored: with what only a backup tells. */
export interface RestoredStat extends FileStat {
  readonly xattrs: readonly (readonly [name: ByteString, value: Uint8Array])[]
  /** The same for all names of one file, in hex. */
  readonly link?: string | undefined
}

export class RestoredTree {
  readonly #root: BackupEntry
  readonly #tree: TreeReader
  readonly #signal: AbortSignal
  readonly #remembered = new LRUCache<string, BackupEntry>({ max: REMEMBERED_MAX })

  constructor(root: BackupEntry, tree: TreeReader, signal: AbortSignal) {
    this.#root = root
    this.#tree = tree
    this.#signal = signal
  }

  /** throws ShoalError 'ENOENT', 'chunk-unavailable', 'cold-*'. */
  async stat(path: string): Promise<RestoredStat> {
    return statOf(await this.#find(path))
  }

  async *list(path: string): AsyncGenerator<readonly RestoredStat[]> {
    const { content } = await this.#find(path)
    if (content === undefined) throw new ShoalError('ENOTDIR', `${path}: is not a folder`)
    const entries = this.#tree.entries(content, { signal: this.#signal })
    for await (const page of pagesOf(entries, PAGE)) {
      for (const entry of page)
        this.#remembered.set(`${path === '/' ? '' : path}/${nameText(entry.name)}`, entry)
      yield page.map(statOf)
    }
  }

  async readFile(path: string): Promise<FileContent> {
    const entry = await this.#find(path)
    this.#remembered.delete(path)
    const { content, kind } = entry
    if (content === undefined || kind !== 'file')
      throw new ShoalError('EINVAL', `${path}: is not a file`)
    const read = this.#tree.read(content, { signal: this.#signal })
    return { stat: statOf(entry), lengthBytes: contentBytes(content), content: naming(path, read) }
  }

  async *readSmallFiles(paths: readonly string[]): AsyncGenerator<readonly SmallFile[]> {
    for (const path of paths) {
      try {
        const { stat, content } = await this.readFile(path)
        const parts: Uint8Array[] = []
        for await (const part of content) parts.push(part)
        yield [{ path, stat, bytes: concatBytes(parts) }]
      } catch (error) {
        this.#signal.throwIfAborted()
        yield [{ path, error: asShoalError(error) }]
      }
    }
  }

  async #find(path: string): Promise<BackupEntry> {
    const known = this.#remembered.get(path)
    if (known !== undefined) return known
    let at = this.#root
    for (const part of path.split('/').filter((name) => name !== '')) {
      const wanted = textBytes(part)
      const { content } = at
      let found: BackupEntry | undefined
      if (content !== undefined && at.kind === 'folder')
        for await (const entry of this.#tree.entries(content, { signal: this.#signal }))
          if (entry.name === wanted) found = entry
      if (found === undefined)
        throw new ShoalError('ENOENT', `${path}: no such file or folder in the backup`)
      at = found
    }
    return at
  }
}

function statOf(entry: BackupEntry): RestoredStat {
  const { kind, mode, uid, gid, modifiedNs, rdev, xattrs, link } = entry
  const name = entry.name === '' ? '/' : nameText(entry.name)
  const target = entry.target === undefined ? undefined : byteText(entry.target)
  return {
    name,
    nameBytes: escapedBytes(name),
    kind,
    mode,
    uid,
    gid,
    modifiedNs,
    rdev,
    xattrs,
    changedNs: modifiedNs,
    linkCount: link === undefined ? 1 : 2,
    sizeBytes: kind === 'folder' ? 0 : contentBytes(entry.content),
    ...(target !== undefined && { target, targetBytes: escapedBytes(target) }),
    ...(link !== undefined && { link: toHex(link) }),
  }
}

/** The same bytes, and failures that say of which file. */
async function* naming(
  path: string,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    const { code, message, permanent } = asShoalError(error)
    throw new ShoalError(code, `${path}: ${message}`, { cause: error, permanent })
  }
}
