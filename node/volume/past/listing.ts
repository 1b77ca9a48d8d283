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
import { decodeGone, gonePrefix } from '../../../protocol/tree/removals.ts'
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

/** cost: O(what is told, and what was removed from these folders and is kept) */
export async function pastPage(
  { volume: { view } }: Namespace,
  dirs: readonly NodeId[],
  { after, limit = PAGE_ENTRIES, extended = false }: PageOptions,
): Promise<FolderPage> {
  const from = after === undefined ? undefined : pageEnd(after)
  const gone = await goneAfter(view, dirs, from)
  const keys = new Set(gone.keys())
  for (const dir of dirs)
    for (const key of await childrenAfter(view, dir, from, limit + 1)) keys.add(key)
  const sorted = [...keys].sort()
  const shown = sorted.slice(0, limit)
  const entries = shown.flatMap((key) => {
    const there = dirs.flatMap((dir) => [...allChildren(view, dir, key as Name)])
    return entriesOf(view, [...there, ...(gone.get(key) ?? [])], extended)
  })
  const last = shown.at(-1)
  const hasMore = sorted.length > shown.length && last !== undefined
  return { entries, ...(hasMore && { next: toHex(fromByteString(last)) }) }
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

async function goneAfter(
  view: ReplicaView,
  dirs: readonly NodeId[],
  from: ByteString | undefined,
): Promise<ReadonlyMap<ByteString, readonly Gone[]>> {
  const found = new Map<ByteString, Gone[]>()
  for (const dir of dirs) {
    const prefix = gonePrefix(dir)
    for await (const [listed] of viewPages(view, prefix)) {
      const { collision, ...one } = decodeGone(listed.slice(prefix.length))
      if (from !== undefined && collision <= from) continue
      const known = found.get(collision)
      if (known === undefined) found.set(collision, [one])
      else known.push(one)
    }
  }
  return found
}

async function childrenAfter(
  view: ReplicaView,
  dir: NodeId,
  from: ByteString | undefined,
  limit: number,
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
