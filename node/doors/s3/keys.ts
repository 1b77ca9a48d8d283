// Keys of objects as paths in a bucket's folder, and back. A key is bytes, each a char.
//
// 'path': a key is a path, so that other programs see what they expect. It has no empty part, no
// '.' and no '..'; one that ends with a slash is a folder.
//
// 'flat': any key. Its bytes are written such that names sort as keys do: those below '0' (the
// slash is one) as %XX, those above '}' as ~XX. So many bytes at a time are one name: all but the
// last are folders, whose names end with a lone percent sign.
import { byteText, textBytes } from '../../../protocol/byte-text.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { S3Error, invalid } from './s3-error.ts'

export type Layout = 'path' | 'flat'

const KEY_BYTES_MAX = 1024
/** Bytes of a key in one name: written out, and with the mark of a folder, it is a name still. */
const PIECE_BYTES = 80
/** Bytes of a part of a path. */
const NAME_BYTES_MAX = 255
/** The folder of uploads in parts, in that of a bucket or below: no key is there. */
export const UPLOADS = '.shoal-uploads'
const FOLDER_MARK = '%'

/** The names below a bucket, as NodeApi has them. throws S3Error. */
export function partsOf(layout: Layout, key: ByteString): readonly string[] {
  if (key === '') throw invalid('a key is not empty')
  if (key.length > KEY_BYTES_MAX)
    throw new S3Error('KeyTooLongError', 400, `a key has at most ${KEY_BYTES_MAX} bytes`)
  return layout === 'flat' ? flatParts(key) : pathParts(key)
}

function pathParts(key: ByteString): readonly string[] {
  const parts = (key.endsWith('/') ? key.slice(0, -1) : key).split('/')
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..' || part.includes('\0'))
      throw invalid('in this bucket a key is a path, without empty parts, "." and ".."')
    if (part.length > NAME_BYTES_MAX)
      throw new S3Error(
        'KeyTooLongError',
        400,
        `a part of a key has at most ${NAME_BYTES_MAX} bytes`,
      )
  }
  if (parts.includes(UPLOADS)) throw invalid(`${UPLOADS} is for uploads alone`)
  return parts.map((part) => byteText(part as ByteString))
}

function flatParts(key: ByteString): readonly string[] {
  const parts: string[] = []
  for (let at = 0; at < key.length; at += PIECE_BYTES) {
    const isLast = at + PIECE_BYTES >= key.length
    parts.push(encode(key.slice(at, at + PIECE_BYTES)) + (isLast ? '' : FOLDER_MARK))
  }
  return parts
}

/**
 * The key of an entry of a folder whose keys begin with `base`, or what all keys in that begin
 * with; undefined: it is none. name: as NodeApi has it.
 */
export function keyOfEntry(
  layout: Layout,
  base: ByteString,
  name: string,
  isFolder: boolean,
): ByteString | undefined {
  const bytes = textBytes(name)
  if (bytes === UPLOADS) return undefined
  if (layout === 'path') return (base + bytes + (isFolder ? '/' : '')) as ByteString
  const isMarked = bytes.endsWith(FOLDER_MARK)
  const piece = decode(isMarked ? bytes.slice(0, -1) : bytes)
  if (piece === undefined || isMarked !== isFolder) return undefined
  if (isMarked && piece.length !== PIECE_BYTES) return undefined
  return (base + piece) as ByteString
}

function encode(piece: string): string {
  return piece.replaceAll(/[^0-}]/g, (byte) => {
    const hex = byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
    return `${byte < '0' ? '%' : '~'}${hex}`
  })
}

/** Undefined: it is no piece of a key. */
function decode(name: string): string | undefined {
  const piece = name.replaceAll(/[%~]([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return encode(piece) === name && piece.length <= PIECE_BYTES ? piece : undefined
}

/** The first name that could belong to `key` or one after it, below a folder of `base`. */
export function nameFrom(layout: Layout, base: ByteString, key: ByteString): string {
  const rest = key.slice(base.length)
  if (layout === 'path') return rest.split('/', 1)[0] ?? ''
  return encode(rest.slice(0, PIECE_BYTES))
}
