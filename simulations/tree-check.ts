// Is the tree that a store holds a tree, and are its indexes true? (Checks 6, 7 and 8.) And all of
// it that shows, as text: two stores with equal logs must give the same text (1).
import { fromByteString, toHex } from '../protocol/bytes.ts'
import { hexId } from '../protocol/ids.ts'
import {
  ROOT,
  isDirVisible,
  readDir,
  linksOf,
  readInode,
  readLink,
} from '../protocol/tree/records.ts'
import { nameText } from '../protocol/op/names.ts'
import { childPrefix, decodeChildren } from '../protocol/tree/children.ts'
import { readConflictCount } from '../protocol/tree/conflict-counts.ts'
import { resolve } from '../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../protocol/tree/xattrs.ts'
import type { AuthorName } from '../protocol/tree/view.ts'
import type { XattrName } from '../protocol/op/names.ts'
import { CountedFiles } from '../node/state/counted-files.ts'
import { NO_FILES, addFile } from '../protocol/tree/file-totals.ts'
import type { FileTotals } from '../protocol/tree/file-totals.ts'
import { prefixEnd } from '../node/state/state-view.ts'
import { CheckError } from './check-error.ts'
import type { InvariantId } from './check-error.ts'
import type { NodeId } from '../protocol/ids.ts'
import type { StateView } from '../node/state/state-view.ts'

/** Begin the keys of records of folders, links and files (protocol/tree/records.ts). */
const KEYS = { dir: 'd', link: 'l', inode: 'i', xattr: 'X' } as const
const ID_BYTES = 16

export interface TreeFacts {
  /** A line a record that shows, in one order. */
  readonly lines: readonly string[]
  readonly conflicts: number
  /** Folders that show though a delete has covered every mkdir of them. */
  readonly reappeared: number
  /** Values of the extended attributes of what shows. */
  readonly xattrs: readonly string[]
}

/** throws CheckError. */
export async function checkTree(
  node: string,
  view: StateView,
  author: AuthorName,
): Promise<TreeFacts> {
  const check = new TreeCheck(node, view, author)
  for await (const id of idsOf(view, KEYS.dir)) check.dir(id)
  for await (const id of idsOf(view, KEYS.link)) check.link(id)
  for await (const id of idsOf(view, KEYS.inode)) check.inode(id)
  for await (const [key] of view.scan(KEYS.xattr, prefixEnd(KEYS.xattr))) check.xattr(key)
  return await check.shown()
}

interface Counts {
  all: number
  dirs: number
}

class TreeCheck {
  readonly #node: string
  readonly #view: StateView
  readonly #author: AuthorName
  /** Links that show, by file. */
  readonly #linksOf = new Map<NodeId, NodeId[]>()
  /** Children that show, by folder. */
  readonly #childrenOf = new Map<NodeId, Counts>()
  readonly #lines: string[] = []
  readonly #xattrs: string[] = []
  readonly #files = { ...NO_FILES }
  #conflicts = 0
  #reappeared = 0

  constructor(node: string, view: StateView, author: AuthorName) {
    this.#node = node
    this.#view = view
    this.#author = author
  }

  /** Every folder is below the root. */
  dir(id: NodeId): void {
    const above = new Set<NodeId>()
    for (let at = id; at !== ROOT;) {
      if (above.has(at)) throw this.#error('6 folders are a tree', `folder ${id} is in itself`)
      above.add(at)
      const dir = readDir(this.#view, at)
      if (dir === undefined)
        throw this.#error('6 folders are a tree', `${at}, above ${id}, is not there`)
      if (at === id && isDirVisible(id, dir)) this.#count(dir.parent, { all: 1, dirs: 1 })
      at = dir.parent
    }
  }

  link(id: NodeId): void {
    const link = readLink(this.#view, id)
    if (link === undefined || link.live.length === 0) return
    this.#count(link.parent, { all: 1, dirs: 0 })
    this.#linksOf.set(link.inode, [...(this.#linksOf.get(link.inode) ?? []), id])
    if (readInode(this.#view, link.inode) === undefined)
      throw this.#error('7 names and counts are true', `link ${id} is of a file that is not there`)
  }

  inode(id: NodeId): void {
    const inode = readInode(this.#view, id)
    const said = inode === undefined ? undefined : [...linksOf(this.#view, id, inode)].join()
    const found = (this.#linksOf.get(id) ?? []).toSorted().join()
    if (inode !== undefined) addFile(this.#files, inode, 1)
    if (said === found) return
    throw this.#error('7 names and counts are true', `file ${id} has links ${found}, not ${said}`)
  }

  /** Extended attributes are listed, and of what is there. */
  xattr(key: string): void {
    const [id, name] = [key.slice(1, 1 + ID_BYTES), key.slice(1 + ID_BYTES)]
    const object = hexId<NodeId>(fromByteString(id), ID_BYTES, 'node id')
    const isThere = readDir(this.#view, object) ?? readInode(this.#view, object)
    const names = readXattrNames(this.#view, object)
    if (isThere !== undefined && (name === '' || names.includes(name as XattrName))) return
    throw this.#error('7 names and counts are true', `${object} has xattr ${name}: ${names.join()}`)
  }

  /** All that shows, from the root down. */
  async shown(): Promise<TreeFacts> {
    const open: NodeId[] = [ROOT]
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      this.#describeDir(id)
      open.push(...(await this.#names(id)))
    }
    const said = readConflictCount(this.#view)
    if (said !== this.#conflicts) {
      const what = `${this.#conflicts} conflict copies show, not ${said}`
      throw this.#error('38 what is counted is there', what)
    }
    const counted = totalsText((await CountedFiles.open(this.#view)).totals)
    const there = totalsText(this.#files)
    if (counted !== there) {
      throw this.#error('38 what is counted is there', `${there} show, not ${counted}`)
    }
    const [conflicts, reappeared] = [this.#conflicts, this.#reappeared]
    return { lines: this.#lines.sort(), conflicts, reappeared, xattrs: this.#xattrs }
  }

  #describeDir(id: NodeId): void {
    const dir = readDir(this.#view, id)
    if (dir === undefined) throw this.#error('6 folders are a tree', `${id} is not there`)
    const { all, dirs } = this.#childrenOf.get(id) ?? { all: 0, dirs: 0 }
    if (dir.visibleChildren !== all || dir.visibleDirs !== dirs) {
      const said = `not ${dir.visibleChildren} and ${dir.visibleDirs}`
      const what = `in folder ${id} are ${all} names and ${dirs} folders, ${said}`
      throw this.#error('7 names and counts are true', what)
    }
    if (id !== ROOT && dir.live.length === 0) this.#reappeared++
    this.#lines.push(text('folder', id, dir))
    this.#describeXattrs(id)
  }

  /** The names in a folder. returns the folders in it. */
  async #names(dir: NodeId): Promise<NodeId[]> {
    const prefix = childPrefix(dir)
    const names = new Set<string>()
    const folders: NodeId[] = []
    for await (const [key, value] of this.#view.scan(prefix, prefixEnd(prefix))) {
      const children = decodeChildren(this.#view, key, value)
      const entries = resolve(this.#view, dir, children, this.#author)
      this.#conflicts += Math.max(0, entries.length - 1)
      for (const { name, target } of entries) {
        if (names.has(name))
          throw this.#error('8 no name twice in a folder', `"${nameText(name)}" in ${dir}`)
        names.add(name)
        this.#lines.push(text('name', dir, { name: nameText(name), ...target }))
        if (target.kind === 'dir') folders.push(target.id)
        else this.#describeFile(target.id, target.link)
      }
    }
    return folders
  }

  #describeFile(id: NodeId, link: NodeId): void {
    const record = readLink(this.#view, link)
    if (record !== undefined) this.#lines.push(text('link', link, record))
    const inode = readInode(this.#view, id)
    if (inode !== undefined) this.#lines.push(text('file', id, inode))
    this.#describeXattrs(id)
  }

  #describeXattrs(id: NodeId): void {
    for (const name of readXattrNames(this.#view, id)) {
      const value = readXattr(this.#view, id, name)
      if (value === undefined)
        throw this.#error('7 names and counts are true', `xattr ${name} of ${id} has no value`)
      this.#lines.push(text('xattr', id, { name, value }))
      this.#xattrs.push(Buffer.from(value).toString())
    }
  }

  #count(parent: NodeId, { all, dirs }: Counts): void {
    const known = this.#childrenOf.get(parent) ?? { all: 0, dirs: 0 }
    this.#childrenOf.set(parent, { all: known.all + all, dirs: known.dirs + dirs })
  }

  #error(invariant: InvariantId, what: string): CheckError {
    return new CheckError(invariant, `${this.#node}: ${what}`)
  }
}

async function* idsOf(view: StateView, prefix: string): AsyncGenerator<NodeId> {
  for await (const [key] of view.scan(prefix, prefixEnd(prefix))) {
    yield hexId<NodeId>(fromByteString(key.slice(prefix.length)), ID_BYTES, 'node id')
  }
}

function text(kind: string, id: NodeId, record: object): string {
  return `${kind} ${id} ${JSON.stringify(record, (key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString()
    if (key === 'live' && Array.isArray(value)) return value.map(String).sort()
    return value instanceof Uint8Array ? toHex(value) : value
  })}`
}

function totalsText({ files, bytes }: Readonly<FileTotals>): string {
  return `${files} files of ${bytes} bytes`
}
