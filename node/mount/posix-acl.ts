// POSIX access control lists, as the attributes system.posix_acl_access and
// system.posix_acl_default hold them. What the mode says of the same (of the owner, of the mask or
// without one the group, of others) is not read from a stored access ACL but from the mode: so a
// chmod need not change the ACL, and the two cannot contradict each other, whoever changed them at
// the same time.
//
// Source: acl(5); fs/posix_acl.c and include/uapi/linux/posix_acl_xattr.h of Linux 6.18.
import { ShoalError } from '../../protocol/errors.ts'
import { parseXattrName } from '../../protocol/op/names.ts'
import type { XattrName } from '../../protocol/op/names.ts'

export const ACCESS_ACL: XattrName = parseXattrName('system.posix_acl_access')
export const DEFAULT_ACL: XattrName = parseXattrName('system.posix_acl_default')

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8

const USER_OBJECT = 0x01
const USER = 0x02
const GROUP_OBJECT = 0x04
const GROUP = 0x08
const MASK = 0x10
const OTHER = 0x20
const TAGS: ReadonlySet<number> = new Set([USER_OBJECT, USER, GROUP_OBJECT, GROUP, MASK, OTHER])

interface Entry {
  readonly tag: number
  /** rwx. */
  readonly permissions: number
  /** The id of a named user or group. */
  readonly id: number
}

/** Is it one at all? Any writer of the volume can have stored it. */
export function isAcl(value: Uint8Array): boolean {
  return entriesOf(value) !== undefined
}

/** With what the mode says in place of what was stored. throws ShoalError 'EINVAL'. */
export function aclWithMode(acl: Uint8Array, mode: number): Uint8Array {
  const entries = parse(acl)
  const shiftOf = modeShifts(entries)
  return format(
    entries.map((entry) => {
      const shift = shiftOf.get(entry.tag)
      return shift === undefined ? entry : { ...entry, permissions: (mode >> shift) & 7 }
    }),
  )
}

/**
 * The mode that goes with an ACL: its permission bits from that, the others from `mode`. throws
 * ShoalError 'EINVAL'.
 */
export function modeWithAcl(mode: number, acl: Uint8Array): number {
  const entries = parse(acl)
  const shiftOf = modeShifts(entries)
  let bits = mode
  for (const { tag, permissions } of entries) {
    const shift = shiftOf.get(tag)
    if (shift !== undefined) bits = (bits & ~(7 << shift)) | (permissions << shift)
  }
  return bits
}

/** True for an ACL that says no more than a mode does. throws ShoalError 'EINVAL'. */
export function isMinimal(acl: Uint8Array): boolean {
  return parse(acl).every(({ tag }) => [USER_OBJECT, GROUP_OBJECT, OTHER].includes(tag))
}

/**
 * Mode and access ACL of what is made with a mode where this default ACL holds: what both allow. No
 * umask applies there.
 * throws ShoalError 'EINVAL'.
 */
export function inheritedAccess(
  defaultAcl: Uint8Array,
  mode: number,
): { readonly mode: number; readonly acl: Uint8Array | undefined } {
  const allowed = modeWithAcl(0, defaultAcl)
  const made = mode & (allowed | ~0o777)
  return { mode: made, acl: isMinimal(defaultAcl) ? undefined : aclWithMode(defaultAcl, made) }
}

/**
 * By tag which bits of the mode say what its entry says: the group's are the mask's, if there is
 * one.
 */
function modeShifts(entries: readonly Entry[]): ReadonlyMap<number, number> {
  const hasMask = entries.some(({ tag }) => tag === MASK)
  return new Map([
    [USER_OBJECT, 6],
    [hasMask ? MASK : GROUP_OBJECT, 3],
    [OTHER, 0],
  ])
}

function parse(acl: Uint8Array): readonly Entry[] {
  const entries = entriesOf(acl)
  if (entries === undefined) throw new ShoalError('EINVAL', 'an access control list is malformed')
  return entries
}

function entriesOf(acl: Uint8Array): readonly Entry[] | undefined {
  const bytes = Buffer.from(acl.buffer, acl.byteOffset, acl.byteLength)
  const count = (bytes.length - HEADER_BYTES) / ENTRY_BYTES
  if (!Number.isInteger(count) || count < 0 || bytes.readUInt32LE(0) !== VERSION) return undefined
  const entries = Array.from({ length: count }, (_, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES
    const [tag, permissions] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)]
    return { tag, permissions, id: bytes.readUInt32LE(at + 4) }
  })
  const isSound = entries.every(({ tag, permissions }) => TAGS.has(tag) && permissions <= 7)
  return isSound ? entries : undefined
}

function format(entries: readonly Entry[]): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES)
  bytes.writeUInt32LE(VERSION, 0)
  entries.forEach(({ tag, permissions, id }, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES
    bytes.writeUInt16LE(tag, at)
    bytes.writeUInt16LE(permissions, at + 2)
    bytes.writeUInt32LE(id, at + 4)
  })
  return bytes
}
