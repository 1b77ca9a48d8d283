// Lists folders with what was removed from them, as far as it is kept: names in order, each as it
// is now, or was last.
import { byteText } from '../../../protocol/byte-text.ts'
import { fromByteString, toHex } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { nameText } from '../../../protocol/op/names.ts'
import type { Name } from '../../../protocol/op/names.ts'
import { dirAttributes } from '../../../protocol/tree/attributes.ts'
import { allChildren, childPrefix } from '../../../protocol/tree/children.ts'
import { isDirVisible, readDir, readInode, readLink } from '../../../protocol/tree/records.ts'
import { decodeGone, gonePrefix, gonePrefixesOf } from '../../../protocol/tree/removals.ts'
import type { Gone } from '../../../protocol/tree/removals.ts'
import { readXattr, readXattrNames } from '../../../protocol/tree/xattrs.ts'
import type { ExtendedAttributes, FileStat, FolderPage, PageOptions } from '../../control/files.ts'
import { viewPages } from '../../state/state-view.ts'
import type { ReplicaView } from '../../state/state-view.ts'
import type { Namespace } from '../../tree/namespace.ts'
import { fileStat } from '../file-stat.ts'
import { attributesAs } from './tree.ts'
import { pageEnd } from '../paths.ts'

const PAGE_ENTRIES = 1000
const USER = 'user.'

/** So many after a name. */
interface Span {
  readonly from: ByteString | undefined
  readonly limit: number
}

interface GonePage {
  readonly entries: ReadonlyMap<ByteString, readonly Gone[]>
  /** From this name on there may be more; undefined: there is not. */
  readonly end: ByteString | undefined
}

/** cost: O(what is told), but for names that go on where a kind of entry would be marked */
export async function pastPage(
  { volume: { view } }: Namespace,
  dirs: readonly NodeId[],
  { after, limit = PAGE_ENTRIES, extended = false }: PageOptions,
): Promise<FolderPage> {
  const from = after === undefined ? undefined : pageEnd(after)
  const gone: GonePage[] = []
  const keys = new Set<ByteString>()
  for (const dir of dirs) {
    const page = await goneAfter(view, dir, { from, limit })
    gone.push(page)
    for (const key of page.entries.keys()) keys.add(key)
    for (const key of await childrenAfter(view, dir, { from, limit: limit + 1 })) keys.add(key)
  }
  const sorted = [...keys].sort()
  const ends = gone.flatMap(({ end }) => (end === undefined ? [] : [end]))
  const whole = sorted.filter((key) => ends.every((end) => key < end))
  const shown = whole.slice(0, limit)
  const entries = shown.flatMap((key) => {
    const there = dirs.flatMap((dir) => [...allChildren(view, dir, key as Name)])
    const removed = gone.flatMap((page) => page.entries.get(key) ?? [])
    return entriesOf(view, [...there, ...removed], extended)
  })
  const last = shown.at(-1)
  const hasMore = shown.length < sorted.length || ends.length > 0
  return { entries, ...(hasMore && last !== undefined && { next: toHex(fromByteString(last)) }) }
}

/** Extended attributes of users, of a file that may be removed. */
export function pastExtended(view: ReplicaView, id: NodeId): ExtendedAttributes {
  const names = readXattrNames(view, id).filter((name) => name.startsWith(USER))
  return Object.fromEntries(
    names.map((name) => [
      byteText(name),
      Buffer.from(readXattr(view, id, name) ?? []).toString('base64'),
    ]),
  )
}

/**
 * Reads what was removed from a folder, by name. A key is a name with what tells the kind and the
 * id behind it, so a name can come after some that go on where it ends: those before `end` are
 * looked up by themselves.
 */
async function goneAfter(
  view: ReplicaView,
  dir: NodeId,
  { from = '' as ByteString, limit }: Span,
): Promise<GonePage> {
  const prefix = gonePrefix(dir)
  const entries = new Map<ByteString, Gone[]>()
  let highest = from
  for await (const [listed] of viewPages(view, prefix, (prefix + from) as ByteString)) {
    const { collision, ...one } = decodeGone(listed.slice(prefix.length) as ByteString)
    if (collision <= from) continue
    if (entries.size >= limit && collision > highest) {
      for (let length = 1; length < collision.length; length++) {
        const name = collision.slice(0, length) as ByteString
        const found = name > from ? await goneOf(view, dir, name) : []
        if (found.length > 0) entries.set(name, found)
      }
      return { entries, end: collision }
    }
    if (collision > highest) highest = collision
    const known = entries.get(collision)
    if (known === undefined) entries.set(collision, [one])
    else known.push(one)
  }
  return { entries, end: undefined }
}

/** Those of one name. */
async function goneOf(view: ReplicaView, dir: NodeId, name: ByteString): Promise<Gone[]> {
  const found: Gone[] = []
  const start = gonePrefix(dir).length
  for (const prefix of gonePrefixesOf(dir, name))
    for await (const [listed] of viewPages(view, prefix)) {
      const { collision, ...one } = decodeGone(listed.slice(start) as ByteString)
      if (collision === name) found.push(one)
    }
  return found
}

async function childrenAfter(
  view: ReplicaView,
  dir: NodeId,
  { from, limit }: Span,
): Promise<readonly ByteString[]> {
  const prefix = childPrefix(dir)
  const first = from === undefined ? prefix : (`${prefix}${from}\0` as ByteString)
  const keys: ByteString[] = []
  for await (const [child] of viewPages(view, prefix, first)) {
    keys.push(child.slice(prefix.length) as ByteString)
    if (keys.length === limit) break
  }
  return keys
}

/** One file and one folder of each name at most: what is there before what is not. */
function entriesOf(
  view: ReplicaView,
  found: readonly Gone[],
  extended: boolean,
): readonly FileStat[] {
  const entries = new Map<string, FileStat>()
  for (const { kind, id } of found) {
    const stat = kind === 'dir' ? folderStat(view, id, extended) : linkStat(view, id)
    if (stat === undefined) continue
    const key = `${kind} ${stat.name}`
    const known = entries.get(key)
    if (known === undefined || known.isRemoved) entries.set(key, stat)
  }
  return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function folderStat(view: ReplicaView, id: NodeId, extended: boolean): FileStat | undefined {
  const dir = readDir(view, id)
  if (dir === undefined) return undefined
  return {
    ...fileStat(nameText(dir.name), dirAttributes(id, dir), noTarget),
    ...(extended && { extended: pastExtended(view, id) }),
    ...(!isDirVisible(id, dir) && { isRemoved: true }),
  }
}

function linkStat(view: ReplicaView, id: NodeId): FileStat | undefined {
  const link = readLink(view, id)
  const inode = link && readInode(view, link.inode)
  if (link === undefined || inode === undefined) return undefined
  const target = (): Uint8Array => inode.target ?? noTarget()
  return {
    ...fileStat(nameText(link.name), attributesAs(inode, inode.newest), target),
    ...(link.live.length === 0 && { isRemoved: true }),
  }
}

function noTarget(): Uint8Array {
  return new Uint8Array()
}
