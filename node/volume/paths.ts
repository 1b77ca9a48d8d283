// Paths of the command and the doors: 'volume:/folder/file', or '/folder/file' and ':/folder/file'
// of the default volume, as text in which `\xHH` is a byte (byte-text.ts). All begin at the root of
// the volume, also without the first slash. '.' and empty parts are dropped, '..' is refused.
import { byteText, textBytes } from '../../protocol/byte-text.ts'
import { fromHex, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { PATH_MAX } from '../../protocol/limits.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import {
  ROOT,
  isDirVisible,
  linksOf,
  readDir,
  readInode,
  readLink,
} from '../../protocol/tree/records.ts'
import type { Namespace } from '../tree/namespace.ts'

export interface VolumePath {
  /** Undefined: the default volume. */
  readonly volume: string | undefined
  readonly parts: readonly string[]
}

/** A name with a colon, first in a path, takes the slash before it. */
const PATH = /^(?:([A-Za-z0-9][A-Za-z0-9._-]*)?:)?(\/.*|[^/:]+(?:\/.*)?)$/s

/** throws ShoalError 'usage', 'ENAMETOOLONG'. */
export function parsePath(text: string): VolumePath {
  const match = PATH.exec(text)
  if (match === null) {
    throw new ShoalError(
      'usage',
      `"${text}" is not a path in a volume; write /folder/file or volume:/folder/file`,
    )
  }
  const path = match[2] ?? '/'
  if (textBytes(path).length > PATH_MAX)
    throw new ShoalError('ENAMETOOLONG', `the path is longer than ${PATH_MAX} bytes`)
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..'))
    throw new ShoalError('usage', `"${text}" contains "..", which is not supported`)
  return { volume: match[1], parts }
}

/**
 * The one text of each path, whatever it was written with. throws as parsePath(), and 'usage' for a
 * name that has a slash among its bytes.
 */
export function canonicalPath(text: string): VolumePath & { readonly path: string } {
  const { volume, parts } = parsePath(text)
  // Taken apart anew: a name may have had bytes that are a slash or dots.
  const plain = parsePath(formatPath(parts.map((part) => byteText(textBytes(part))))).parts
  if (plain.length !== parts.length) throw new ShoalError('usage', `${text}: no name has a slash`)
  return { volume, parts: plain, path: formatPath(plain) }
}

export function formatPath(parts: readonly string[]): string {
  return `/${parts.join('/')}`
}

/** The path of a folder or a file, by its first name; undefined where it is gone. */
export function pathOf(namespace: Namespace, id: NodeId): string | undefined {
  const { view } = namespace.volume
  const dir = readDir(view, id)
  if (dir !== undefined)
    return isDirVisible(id, dir) ? formatPath(namespace.pathOf(id).map(nameText)) : undefined
  const inode = readInode(view, id)
  const [first] = inode === undefined ? [] : linksOf(view, id, inode)
  const link = first === undefined ? undefined : readLink(view, first)
  if (link === undefined) return undefined
  return formatPath([...namespace.pathOf(link.parent), link.name].map(nameText))
}

/** The target at a path; undefined where nothing is. */
export function findPath(namespace: Namespace, path: readonly string[]): ViewTarget | undefined {
  let at: ViewTarget | undefined = { kind: 'dir', id: ROOT }
  for (const part of path)
    at = at?.kind === 'dir' ? namespace.lookup(at.id, nameFromText(part)) : undefined
  return at
}

/** The end of a page of a listing, as FolderPage.next has it. throws ShoalError 'usage'. */
export function pageEnd(text: string): ByteString {
  if (/^([0-9a-f]{2})+$/.test(text)) return toByteString(fromHex(text))
  throw new ShoalError('usage', '"after" is not the end of a page')
}
