// File names and targets of symlinks as text: any bytes, of which most are UTF-8. That is as it is;
// each byte that is none, and whichever else somebody likes, is `\xHH`. Every text stands for some
// bytes, and all bytes have a text, so nothing is lost where text alone can be typed or sent.
import { fromByteString, toByteString, toHex, utf8 } from './bytes.ts'
import { HIDDEN_CHARS } from './hidden-chars.ts'
import type { ByteString } from './bytes.ts'

/** Well-formed UTF-8, as bytes (Unicode, table 3-7). */
const UTF8 =
  /(?:[\0-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+/
    .source
const UTF8_OR_BYTE = new RegExp(`(${UTF8})|[\\x80-\\xff]`, 'g')
const ALL_UTF8 = new RegExp(`^(?:${UTF8})?$`)
/** The length of `\xHH`, the longest text of a byte. */
export const ESCAPE_CHARS = 4
/** Printable ASCII without a backslash, as nearly all names are. */
const PLAIN = /^[ -[\]-~]*$/
const ESCAPE = /\\x([0-9a-f]{2})/gi
/** A backslash that would begin one. */
const MISLEADING = /\\(?=x[0-9a-f]{2})/gi

/** The text of bytes. */
export function byteText(bytes: ByteString): string {
  if (PLAIN.test(bytes)) return bytes
  return bytes
    .replace(MISLEADING, escaped)
    .replace(UTF8_OR_BYTE, (part, text?: string) =>
      text === undefined ? escaped(part) : Buffer.from(text, 'latin1').toString('utf8'),
    )
}

/** The bytes of text: inverse of byteText, and of any other text that has escapes. */
export function textBytes(text: string): ByteString {
  if (PLAIN.test(text)) return text
  return toByteString(utf8(text)).replace(ESCAPE, (_, hex: string) =>
    toByteString(Buffer.from(hex, 'hex')),
  )
}

/** The text that stands for what `plain` is, which has no escapes. */
export function textOfPlain(plain: string): string {
  return byteText(toByteString(utf8(plain)))
}

/** Inverse of textOfPlain; undefined where the bytes are not UTF-8. */
export function plainText(text: string): string | undefined {
  const bytes = textBytes(text)
  return ALL_UTF8.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : undefined
}

/** In hexadecimal the bytes of which `text` has some escaped; undefined where it has none. */
export function escapedBytes(text: string): string | undefined {
  if (!text.includes('\\')) return undefined
  const hex = toHex(fromByteString(textBytes(text)))
  return hex === toHex(utf8(text)) ? undefined : hex
}

/** The same text with what does something where it is shown escaped, too. */
export function shownText(text: string): string {
  return text.replace(HIDDEN_CHARS, (char) => toByteString(utf8(char)).replace(/./gs, escaped))
}

function escaped(bytes: ByteString): string {
  return bytes.replace(/./gs, (byte) => `\\x${toHex(fromByteString(byte))}`)
}
