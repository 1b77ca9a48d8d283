// Text as XML 1.0 has it: what may not stand in it, however it is written, shows as a name with
// such bytes does (byte-text.ts).
import { toHex, utf8 } from '../../../protocol/bytes.ts'

/** No characters of XML 1.0 (production 2 [Char]); half surrogates too. */
const NOT_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu
const MARKUP = /[&<>"\t\n\r]/g
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}
const PLAIN = /^[\w ./:%()-]*$/

export function isXmlText(text: string): boolean {
  return text.search(NOT_XML) < 0
}

/** For text between tags, and for values of attributes in double quotes. */
export function escapeXml(text: string): string {
  if (PLAIN.test(text)) return text
  return text
    .replace(NOT_XML, (char) => `\\x${toHex(utf8(char))}`)
    .replace(MARKUP, (char) => ESCAPES[char] ?? char)
}
