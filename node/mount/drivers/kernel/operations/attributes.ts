// Operations on attributes, and what is asked of the whole file system.
import {
  SET_ACCESSED,
  SET_GID,
  SET_KILL_PRIVILEGES,
  SET_MODE,
  SET_MODIFIED,
  SET_SIZE,
  SET_UID,
  SET_WITH_HANDLE,
} from '../protocol.ts'
import { attributesReply, spaceReply } from '../replies.ts'
import type { AttributeChange, Caller } from '../../../file-system.ts'
import type { Parts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010
const NANOSECONDS = 1_000_000_000n

export async function getAttributes(served: Served, request: Request): Promise<Parts> {
  const attributes = await served.fileSystem.getAttributes(request.inode)
  return attributesReply(attributes, served.timeouts)
}

export async function setAttributes(served: Served, request: Request): Promise<Parts> {
  const { inode } = request
  const { change, handle, killPrivileges } = readChange(request)
  const asked = killPrivileges ? await withoutPrivileges(served, inode, change) : change
  const attributes = await served.fileSystem.setAttributes(inode, asked, handle)
  return attributesReply(attributes, served.timeouts)
}

/** fuse_setattr_in. For times set to "now" the kernel sends its own clock's now too. */
function readChange(request: Request): {
  change: AttributeChange
  handle: number | undefined
  killPrivileges: boolean
} {
  const valid = request.u32()
  request.skip(4)
  const handle = request.u64If((valid & SET_WITH_HANDLE) !== 0)
  const sizeBytes = request.u64If((valid & SET_SIZE) !== 0)
  request.skip(8) // lock owner
  const accessedSeconds = request.i64()
  const modifiedSeconds = request.i64()
  request.skip(8) // change time: it is the file system's to set
  const accessedNs = accessedSeconds * NANOSECONDS + BigInt(request.u32())
  const modifiedNs = modifiedSeconds * NANOSECONDS + BigInt(request.u32())
  request.skip(4)
  const mode = request.u32() & 0o7777
  request.skip(4)
  const uid = request.u32()
  const gid = request.u32()
  const change: AttributeChange = {
    ...(valid & SET_MODE ? { mode } : {}),
    ...(valid & SET_UID ? { uid } : {}),
    ...(valid & SET_GID ? { gid } : {}),
    ...(sizeBytes !== undefined ? { sizeBytes } : {}),
    ...(valid & SET_ACCESSED ? { accessedNs } : {}),
    ...(valid & SET_MODIFIED ? { modifiedNs } : {}),
  }
  return {
    change,
    handle,
    killPrivileges: (valid & (SET_KILL_PRIVILEGES | SET_UID | SET_GID)) !== 0,
  }
}

/**
 * `change`, also clearing the set-uid and set-gid bits of what is no folder and has them
 * (FUSE_HANDLE_KILLPRIV_V2).
 */
async function withoutPrivileges(
  { fileSystem }: Served,
  inode: number,
  change: AttributeChange,
): Promise<AttributeChange> {
  const attributes = await fileSystem.getAttributes(inode)
  const before = change.mode ?? attributes.mode
  const cleared = before & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID
  const mode = before & ~cleared
  return attributes.kind === 'folder' || mode === before ? change : { ...change, mode }
}

/** The same before a file changes in a way of which the kernel does not say whether it is to be. */
export async function killPrivilegesFor(
  { uid }: Caller,
  served: Served,
  inode: number,
): Promise<void> {
  if (uid !== 0) await killPrivileges(served, inode)
}

export async function killPrivileges(served: Served, inode: number): Promise<void> {
  const change = await withoutPrivileges(served, inode, {})
  if (change.mode !== undefined) await served.fileSystem.setAttributes(inode, change, undefined)
}

export async function readLink(served: Served, request: Request): Promise<Parts> {
  return [Buffer.from(await served.fileSystem.readLink(request.inode), 'latin1')]
}

export async function statfs(served: Served): Promise<Parts> {
  return spaceReply(await served.fileSystem.statFileSystem())
}
