// Extended attributes and access control lists of a mount: xattr(7) and acl(5) over the namespace.
// Who may read or change them the kernel has checked. Setting an access ACL sets the mode, and the
// mode is what that says of the owner, the mask and others (posix-acl.ts); what is made in a folder
// inherits its default ACL, its group if it is set-gid.
import { utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { AttributeValues } from '../../protocol/op/op.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { readXattr as readXattrIn } from '../../protocol/tree/xattrs.ts'
import { parseXattrName } from '../../protocol/op/names.ts'
import type { XattrName } from '../../protocol/op/names.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Maker } from './file-system.ts'
import {
  ACCESS_ACL,
  DEFAULT_ACL,
  aclWithMode,
  inheritedAccess,
  isAcl,
  isMinimal,
  modeWithAcl,
} from './posix-acl.ts'

const S_ISGID = 0o2000
/** The prefix of attributes that Shoal reports of a file, and nobody sets. */
const TOLD = 'user.shoal.'
const STATE = `${TOLD}state`
const NAMESPACES = ['user.', 'trusted.', 'security.']

/**
 * throws ShoalError 'unsupported' for a name in another namespace, 'EINVAL' for a namespace without
 * a name.
 */
export function keptName(name: string): XattrName {
  const parsed = parseXattrName(name)
  if (isAclName(parsed)) return parsed
  if (name.startsWith(TOLD)) throw new ShoalError('EPERM', `${name} is read-only`)
  const namespace = NAMESPACES.find((known) => name.startsWith(known))
  if (namespace === undefined)
    throw new ShoalError('unsupported', `extended attribute ${name} is not supported`)
  if (name === namespace) throw new ShoalError('EINVAL', `${name} is not a complete attribute name`)
  return parsed
}

/**
 * As getxattr(2), also what is told of a file. mode: as the mount shows it. returns undefined if it
 * is not set.
 */
export async function readXattr(
  parts: { readonly namespace: Namespace; readonly contents: FileContents },
  target: ViewTarget,
  name: string,
  { mode, signal }: { readonly mode: () => number; readonly signal: AbortSignal },
): Promise<Uint8Array | undefined> {
  if (name.startsWith(TOLD)) return toldXattr(parts, target, name, signal)
  return getXattr(parts.namespace.volume.view, target, { name: keptName(name), mode })
}

/**
 * The value of a file's attribute that says where it would be read from. Nobody is asked for that.
 */
async function toldXattr(
  { namespace, contents }: { readonly namespace: Namespace; readonly contents: FileContents },
  target: ViewTarget,
  name: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const isFile = target.kind === 'inode' && namespace.attributes(target).kind === 'file'
  if (name !== STATE || !isFile) return undefined
  return utf8(await contents.state(contents.version(target), signal))
}

/** The value of an attribute in a state; of an access ACL with what the mode says. */
export function getXattr(
  view: StateStore,
  { id }: Pick<ViewTarget, 'id'>,
  { name, mode }: { readonly name: XattrName; readonly mode: () => number },
): Uint8Array | undefined {
  if (!isAclName(name)) return readXattrIn(view, id, name)
  const acl = aclOf(view, id, name)
  return acl === undefined || name === DEFAULT_ACL ? acl : aclWithMode(acl, mode())
}

function isAclName(name: XattrName): boolean {
  return name === ACCESS_ACL || name === DEFAULT_ACL
}

/** A stored access control list; a malformed one is ignored, or the kernel would let nobody in. */
function aclOf(view: StateStore, id: NodeId, name: XattrName): Uint8Array | undefined {
  const value = readXattrIn(view, id, name)
  return value !== undefined && isAcl(value) ? value : undefined
}

/** As setxattr(2). keepsSetGid: false if an access ACL takes the set-gid bit away. */
export function setXattr(
  namespace: Namespace,
  target: ViewTarget,
  { name, value }: { readonly name: XattrName; readonly value: Uint8Array },
  { flags, keepsSetGid }: { readonly flags: number; readonly keepsSetGid: boolean },
): void {
  if (name !== ACCESS_ACL) return namespace.xattrs.set(target, name, value, flags)
  const before = namespace.attributes(target).mode
  const mode = modeWithAcl(keepsSetGid ? before : before & ~S_ISGID, value)
  const isSet = namespace.xattrs.get(target, name) !== undefined
  namespace.volume.atomically(() => {
    namespace.setAttributes(target, { mode })
    if (!isMinimal(value)) namespace.xattrs.set(target, name, value, flags)
    else if (isSet) namespace.xattrs.remove(target, name)
  })
}

/**
 * throws ShoalError 'ENODATA' if it is not set, but for an ACL: without one the mode is all there
 * is.
 */
export function removeXattr(namespace: Namespace, target: ViewTarget, name: XattrName): void {
  if (isAclName(name) && namespace.xattrs.get(target, name) === undefined) return
  namespace.xattrs.remove(target, name)
}

/**
 * Make something in a folder: `make` with the attributes that it gets there, from what was asked
 * for.
 */
export function makeInheriting<Made extends ViewTarget>(
  namespace: Namespace,
  dir: NodeId,
  { kind, mode, maker }: { kind: FileKind; mode: number; maker: Maker },
  make: (attributes: AttributeValues) => Made,
): Made {
  const { volume, xattrs } = namespace
  const folder: ViewTarget = { kind: 'dir', id: dir }
  const parent = namespace.attributes(folder)
  const isSetGid = (parent.mode & S_ISGID) !== 0
  const asked = (mode & 0o7777) | (isSetGid && kind === 'folder' ? S_ISGID : 0)
  const owner = { uid: maker.uid, gid: isSetGid ? parent.gid : maker.gid }
  const defaultAcl = kind === 'symlink' ? undefined : aclOf(volume.view, dir, DEFAULT_ACL)
  if (defaultAcl === undefined) return make({ mode: asked & ~maker.umask, ...owner })
  const access = inheritedAccess(defaultAcl, asked)
  return volume.atomically(() => {
    const made = make({ mode: access.mode, ...owner })
    if (access.acl !== undefined) xattrs.set(made, ACCESS_ACL, access.acl)
    if (kind === 'folder') xattrs.set(made, DEFAULT_ACL, defaultAcl)
    return made
  })
}
