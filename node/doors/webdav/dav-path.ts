// Paths in URLs of the door, and back. A part is bytes, percent-encoded: what is not UTF-8 is to be
// had under its bytes. Each is decoded by itself, so that nothing that was encoded separates, and
// what leads elsewhere is refused. A backslash is a part of a name, and escapes nothing.
import { byteText, plainText, textBytes } from '../../../protocol/byte-text.ts'
import { toHex, fromByteString } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { DoorFolder } from '../../door-config.ts'
import { DavError } from './dav-error.ts'

export interface DavPath {
  /** Names below the folder of the door, as NodeApi has them (byte-text.ts). */
  readonly parts: readonly string[]
  /** It ends with a slash: a folder is meant. */
  readonly isFolder: boolean
}

const ORIGIN = /^https?:\/\/([^/?#]*)/i
const ENCODED = /%([0-9a-f]{2})/gi
/** Bytes that are not encoded. */
const UNRESERVED = /[^\w.~!*()-]/g
const USER = /^[^@]*@/
const DEFAULT_PORT = /:(80|443)$/

/** url: a path, or an absolute URL, as it came: bytes. throws DavError 400. */
export function davPath(url: string): DavPath {
  const [path = ''] = url.replace(ORIGIN, '').split('?')
  if (path.includes('#')) throw wrong('has no fragment')
  if (path !== '' && !path.startsWith('/')) throw wrong('begins with a slash')
  const parts = path.split('/').slice(1).map(decode)
  const isFolder = parts.length === 0 || parts.at(-1) === ''
  if (isFolder) parts.pop()
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') throw wrong('has no empty part, "." or ".."')
    if (part.includes('/') || part.includes('\0')) throw wrong('has no "/" or NUL within a part')
  }
  return { parts: parts.map(byteText), isFolder }
}

/** Does a URL name the server that a request names? A path alone does. */
export function isSameHost(url: string, host: string = ''): boolean {
  const [, named] = ORIGIN.exec(url) ?? []
  const plain = (text: string): string =>
    text.toLowerCase().replace(USER, '').replace(DEFAULT_PORT, '')
  return named === undefined || plain(named) === plain(host)
}

/** The path of a URL that names it. */
export function hrefOf({ parts, isFolder }: DavPath): string {
  const path = parts.map((part) => `/${encode(part)}`).join('')
  return isFolder ? `${path}/` : path
}

/** For NodeApi. */
export function apiPath({ volume = '', path }: DoorFolder, parts: readonly string[]): string {
  return `${volume}:${[path.replace(/\/+$/, ''), ...parts].join('/') || '/'}`
}

/**
 * A key that is another for each place: names that collide have one key (protocol/op/names.ts), as
 * do a few others. That of what is in a folder begins with its key.
 */
export function placeKey(parts: readonly string[]): string {
  return parts.map((part) => `/${(plainText(part) ?? part).normalize('NFC')}`).join('')
}

function encode(part: string): string {
  return textBytes(part).replace(
    UNRESERVED,
    (byte) => `%${toHex(fromByteString(byte)).toUpperCase()}`,
  )
}

function decode(part: string): ByteString {
  const bytes = part.replaceAll(ENCODED, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  if (/%(?![0-9a-f]{2})|[^\0-\xff]/i.test(part)) throw wrong('is percent-encoded')
  return bytes
}

function wrong(how: string): DavError {
  return new DavError(400, `a path ${how}`)
}
