// Properties that clients set and the door does not understand: each is an extended attribute of
// the file or folder, and so goes wherever it is copied or moved. Its name is a hash, for names of
// properties are URLs and longer than those of attributes; its value is the element as it came,
// which tells its name.
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { XATTRS_MAX, XATTR_VALUE_MAX } from '../../../protocol/limits.ts'
import { MIB } from '../../../protocol/units.ts'
import type { ExtendedAttributes, ExtendedChanges } from '../../control/files.ts'
import { DavError } from './dav-error.ts'
import { parseXml, standingAlone } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'

const PREFIX = 'user.webdav.'
const HASH_CHARS = 32
/** All properties of one file, as their attributes have them: they are read at each listing. */
const BASE64_CHARS_MAX: number = MIB

/** The name of a property. */
export type PropertyName = Pick<XmlElement, 'namespace' | 'name'>

/** The name of the attribute that holds a property. */
export function attributeOf({ namespace, name }: PropertyName): string {
  return `${PREFIX}${toHex(sha256(utf8(`${namespace}\n${name}`))).slice(0, HASH_CHARS)}`
}

/** The element of a property, in base64. throws DavError 507 if it is too long. */
export function attributeValue(property: XmlElement): string {
  const bytes = utf8(standingAlone(property))
  if (bytes.length > XATTR_VALUE_MAX)
    throw new DavError(507, `a property has at most ${XATTR_VALUE_MAX} bytes`)
  return Buffer.from(bytes).toString('base64')
}

/**
 * The elements of all that are set, by their attributes. Whoever has a mount can set an attribute
 * to anything: what is no element of that name is not shown, nor what is more than a file may have.
 */
export function deadProperties(
  attributes: ExtendedAttributes = {},
): ReadonlyMap<string, XmlElement> {
  const found = new Map<string, XmlElement>()
  let room = BASE64_CHARS_MAX
  for (const [name, value] of Object.entries(deadAttributes(attributes))) {
    room -= value.length
    if (room < 0) break
    const element = elementIn(Buffer.from(value, 'base64'))
    if (element !== undefined && attributeOf(element) === name) found.set(name, element)
  }
  return found
}

/** The attributes that hold properties. */
export function deadAttributes(attributes: ExtendedAttributes = {}): ExtendedAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => name.startsWith(PREFIX)))
}

function elementIn(bytes: Uint8Array): XmlElement | undefined {
  try {
    return parseXml(bytes)
  } catch {
    // It is no property.
    return undefined
  }
}

/** throws DavError 507 where a file would have more than it may. */
export function checkRoom(attributes: ExtendedAttributes, changes: ExtendedChanges): void {
  const kept = Object.entries({ ...attributes, ...changes }).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  )
  if (kept.length > XATTRS_MAX)
    throw new DavError(507, `a file has at most ${XATTRS_MAX} extended attributes`)
  const own = Object.values(deadAttributes(Object.fromEntries(kept)))
  if (own.reduce((sum, { length }) => sum + length, 0) > BASE64_CHARS_MAX)
    throw new DavError(507, 'the file has as many properties as it may')
}
