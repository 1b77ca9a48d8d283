// A page of the keys of a bucket: objects, and the prefixes that several have in common.
import type { ByteString } from '../../../protocol/bytes.ts'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat } from '../../control/files.ts'
import { KeyWalk } from './key-walk.ts'
import type { KeyEntry, KeyWalkOptions } from './key-walk.ts'
import { UPLOADS, partsOf } from './keys.ts'
import { hasMarker } from './metadata.ts'

export interface ListRequest {
  readonly prefix: ByteString
  readonly delimiter: string
  /** Keys and prefixes after this one alone. */
  readonly after: ByteString
  readonly max: number
}

export interface Listed {
  readonly items: readonly ListedItem[]
  /** There is more after the last item. */
  readonly isCut: boolean
}

export type ListedItem =
  | { readonly kind: 'object'; readonly key: ByteString; readonly stat: FileStat }
  | { readonly kind: 'prefix'; readonly key: ByteString }

export async function listKeys(
  api: NodeApi,
  options: KeyWalkOptions,
  request: ListRequest,
): Promise<Listed> {
  const items: ListedItem[] = []
  if (request.max === 0) return { items, isCut: false }
  for await (const item of keysOf(api, options, request)) {
    if (items.length === request.max) return { items, isCut: true }
    items.push(item)
  }
  return { items, isCut: false }
}

async function* keysOf(
  api: NodeApi,
  options: KeyWalkOptions,
  request: ListRequest,
): AsyncGenerator<ListedItem> {
  const { prefix, after } = request
  const walk = new KeyWalk(api, options)
  walk.low = later(after === '' ? after : ((after + '\0') as ByteString), prefix)
  // A common prefix that was told is not told again.
  const told = commonOf(request, after)
  if (told !== undefined && told === after) walk.low = later(walk.low, successor(told))
  const start = startOf(options, prefix)
  if (start === undefined) return
  if (start.base !== '' && start.base === prefix && prefix >= walk.low) {
    const stat = await walk.statOf(start.folder)
    if (stat?.kind !== 'folder') return
    yield* inFolder(walk, options, request, { key: prefix, stat, path: start.folder })
  } else yield* below(walk, options, request, start)
}

interface Start {
  readonly folder: string
  readonly base: ByteString
}

/** The folder in which all keys with that prefix are; undefined: there can be none. */
function startOf({ layout, bucket }: KeyWalkOptions, prefix: ByteString): Start | undefined {
  const cut = layout === 'path' ? prefix.lastIndexOf('/') + 1 : 0
  const base = prefix.slice(0, cut) as ByteString
  if (base === '') return { folder: bucket, base }
  try {
    return { folder: [bucket, ...partsOf(layout, base)].join('/'), base }
  } catch {
    // No key of this layout begins so.
    return undefined
  }
}

async function* below(
  walk: KeyWalk,
  options: KeyWalkOptions,
  request: ListRequest,
  { folder, base }: Start,
): AsyncGenerator<ListedItem> {
  const { prefix } = request
  for await (const entry of walk.entries(folder, base)) {
    const { key, stat, isFolder } = entry
    const leads = isFolder && (prefix.startsWith(key) || walk.low.startsWith(key))
    if (key < walk.low && !leads) continue
    if (!key.startsWith(prefix) && !leads) {
      if (key > prefix) return
      continue
    }
    const common = commonOf(request, key)
    if (common !== undefined) {
      if (isFolder && key < walk.low && !(await hasMore(walk, options, request, entry))) continue
      yield { kind: 'prefix', key: common }
      walk.low = later(walk.low, successor(common))
    } else if (isFolder) yield* inFolder(walk, options, request, entry)
    else yield { kind: 'object', key, stat }
  }
}

/** Is there a key in a folder, of whose keys some are before those that are wanted? */
async function hasMore(
  walk: KeyWalk,
  options: KeyWalkOptions,
  request: ListRequest,
  { key, path }: KeyEntry,
): Promise<boolean> {
  const all = { ...request, delimiter: '' }
  for await (const _ of below(walk, options, all, { folder: path, base: key })) return true
  return false
}

/** All that is in a folder, and its own marker if it has one or is empty. */
async function* inFolder(
  walk: KeyWalk,
  options: KeyWalkOptions,
  request: ListRequest,
  { key, stat, path }: Pick<KeyEntry, 'key' | 'stat' | 'path'>,
): AsyncGenerator<ListedItem> {
  const isOfPaths = options.layout === 'path'
  const isAsked = isOfPaths && key >= walk.low && key.startsWith(request.prefix)
  const isMarked = isAsked && hasMarker(stat)
  if (isMarked) yield { kind: 'object', key, stat }
  let isEmpty = true
  for await (const item of below(walk, options, request, { folder: path, base: key })) {
    isEmpty = false
    yield item
  }
  // One in which uploads go on is there for them.
  const isKey = isEmpty && isAsked && !isMarked
  if (isKey && (await walk.statOf(`${path}/${UPLOADS}`)) === undefined)
    yield { kind: 'object', key, stat }
}

/** The part of a key up to the delimiter after the prefix. */
function commonOf({ prefix, delimiter }: ListRequest, key: ByteString): ByteString | undefined {
  if (delimiter === '' || !key.startsWith(prefix)) return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : (key.slice(0, at + delimiter.length) as ByteString)
}

/** The first that does not begin with it. */
function successor(prefix: ByteString): ByteString {
  const last = prefix.charCodeAt(prefix.length - 1)
  return `${prefix.slice(0, -1)}${String.fromCharCode(last + 1)}` as ByteString
}

function later(one: ByteString, other: ByteString): ByteString {
  return one > other ? one : other
}
