// File names: bytes 1..255, no '/', no NUL, not '.' or '..'. In memory a byte string. Two names
// collide when they are equal after NFC (Unicode UAX #15); bytes that are not UTF-8 collide only
// with themselves.
import { byteText, textBytes } from '../byte-text.ts'
import { fromByteString, toByteString, utf8, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { NAME_MAX, XATTR_NAME_MAX } from '../limits.ts'
import { makeDot, stampMs } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { ActorId, NodeId } from '../ids.ts'
import { blake3 } from '../hash.ts'

export type Name = ByteString & { readonly brand: 'Name' }

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// eslint-disable-next-line no-control-regex -- NUL is what is looked for
const FORBIDDEN = /[/\0]/

/** With its namespace: `user.color`. 1 to XATTR_NAME_MAX bytes, no NUL. */
export type XattrName = ByteString & { readonly brand: 'XattrName' }

/** A checked name. throws ShoalError 'EINVAL' or 'ENAMETOOLONG'. */
export function parseName(name: ByteString): Name {
  if (name.length > NAME_MAX)
    throw new ShoalError(
      'ENAMETOOLONG',
      `name "${nameText(name)}" is longer than ${NAME_MAX} bytes`,
    )
  if (name === '' || name === '.' || name === '..' || FORBIDDEN.test(name)) {
    throw new ShoalError('EINVAL', `"${nameText(name)}" cannot be the name of a file`)
  }
  return name as Name
}

/** A name from the wire. throws ShoalError 'malformed'. */
export function nameFromBytes(bytes: Uint8Array): Name {
  try {
    return parseName(toByteString(bytes))
  } catch (cause) {
    throw new ShoalError('malformed', 'an op carries a name that no file can have', { cause })
  }
}

/** A name from its text, in which `\xHH` is a byte (byte-text.ts). throws as parseName. */
export function nameFromText(text: string): Name {
  return parseName(textBytes(text))
}

/** Inverse of nameFromText. */
export function nameText(name: ByteString): string {
  return byteText(name)
}

/** A name from text that has no escapes, as archives have it. throws as parseName. */
export function nameFromPlainText(text: string): Name {
  return parseName(toByteString(utf8(text)))
}

/** The key under which names collide. */
export function collisionKey(name: Name): ByteString {
  if (isAscii(name)) return name
  try {
    const text = strictUtf8.decode(fromByteString(name))
    return toByteString(utf8(text.normalize('NFC')))
  } catch {
    return name // not UTF-8
  }
}

/**
 * The name under which the loser of a collision shows: `stem.conflict-<UTC time>-<node>-<id4>.ext`,
 * at most 255 bytes. Where the stem must be cut for that, the hash of the name comes after the id:
 * so it is found again.
 *
 * node: the name of the member who made it. unique: what tells it from other losers (a link id or a
 * dot).
 */
export function conflictName(name: Name, stamp: Stamp, node: string, unique: string): Name {
  const time = new Date(stampMs(stamp))
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z')
  const author = node.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 24)
  const id4 = toHex(blake3(utf8(unique)).subarray(0, 4))
  return marked(name, `.conflict-${time}-${author}-${id4}`)
}

/**
 * The name by which what does not show is found all the same. id: of a directory or link, and of a
 * version its dot.
 */
export function hiddenName(name: Name, id: string): Name {
  return marked(name, `.conflict-${id}`)
}

function marked(name: Name, mark: string): Name {
  const { stem, extension } = splitExtension(name)
  const room = NAME_MAX - extension.length
  if (stem.length + mark.length <= room) return `${stem}${mark}${extension}` as Name
  const suffix = `${mark}-${nameHash(name)}`
  return `${cutUtf8(stem, room - suffix.length)}${suffix}${extension}` as Name
}

/**
 * Maximum length added by a conflict name before it cuts the stem: marks, time, 24 chars of a
 * member's name, id.
 */
const CONFLICT_SUFFIX_MAX = 60
const NAME_HASH_BYTES = 8

/** True for a name of which some conflict names hold only a part. */
export function isLongName(name: Name): boolean {
  return name.length > NAME_MAX - CONFLICT_SUFFIX_MAX
}

/** Stands in a conflict name for the name that it cuts. */
export function nameHash(name: Name): string {
  return toHex(blake3(fromByteString(name)).subarray(0, NAME_HASH_BYTES))
}

const CONFLICT_NAME =
  /^(.+)\.conflict-\d{8}T\d{6}Z-[A-Za-z0-9_]*-[0-9a-f]{8}(?:-([0-9a-f]{16}))?(\.[^.]*)?$/s

/** The plain name in a conflict name, or its hash if it was cut; undefined for other names. */
export function plainNameOf(
  name: Name,
): { readonly name: Name } | { readonly hash: string } | undefined {
  const match = CONFLICT_NAME.exec(name)
  if (match === null) return undefined
  const [, stem = '', hash, extension = ''] = match
  return hash === undefined ? { name: `${stem}${extension}` as Name } : { hash }
}

const HIDDEN_NAME =
  /^.+\.conflict-([0-9a-f]{32})(?:-([0-9a-f]{32})-(\d+)-(\d+))?(?:-[0-9a-f]{16})?(?:\.[^.]*)?$/s

/** The id in a name made by hiddenName; for a version, its dot. */
export function hiddenIdOf(
  name: Name,
): { readonly id: NodeId; readonly dot: Dot | undefined } | undefined {
  const match = HIDDEN_NAME.exec(name)
  if (match === null) return undefined
  const [, id = '', actor, seq = '', index = ''] = match
  const dot =
    actor === undefined ? undefined : makeDot(actor as ActorId, Number(seq), Number(index))
  return { id: id as NodeId, dot }
}

const EXTENSION_MAX = 32

function splitExtension(name: Name): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.')
  return dot <= 0 || name.length - dot > EXTENSION_MAX
    ? { stem: name, extension: '' }
    : { stem: name.slice(0, dot), extension: name.slice(dot) }
}

/** The longest prefix of at most `lengthMax` bytes that does not end inside a UTF-8 sequence. */
function cutUtf8(text: ByteString, lengthMax: number): ByteString {
  if (text.length <= lengthMax) return text
  let end = lengthMax
  while (end > 0 && (text.charCodeAt(end) & 0xc0) === 0x80) end--
  return text.slice(0, end)
}

function isAscii(text: ByteString): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** throws ShoalError 'ERANGE' for what is no name of an extended attribute. */
export function parseXattrName(name: ByteString): XattrName {
  if (name === '' || name.length > XATTR_NAME_MAX || name.includes('\0')) {
    throw new ShoalError(
      'ERANGE',
      `an extended attribute has a name of 1 to ${XATTR_NAME_MAX} bytes`,
    )
  }
  return name as XattrName
}
