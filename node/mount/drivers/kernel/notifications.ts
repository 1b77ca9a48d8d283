// Notifications to the kernel: to drop what it has cached. Layouts of linux/fuse.h.
import { NOTIFY, REPLY_HEADER_BYTES } from './protocol.ts'
import { writeU64 } from './u64.ts'
import type { ByteRange } from './request.ts'

const BODY = REPLY_HEADER_BYTES

/**
 * fuse_notify_inval_inode_out: the attributes, and this content if any; a length of 0 reaches to
 * the end.
 */
export function inodeNotification(inode: number, content: ByteRange | undefined): Uint8Array {
  const out = notification(NOTIFY.inode, 24)
  writeU64(out, BODY, inode)
  if (content === undefined) out.writeBigInt64LE(-1n, BODY + 8)
  else {
    writeU64(out, BODY + 8, content.start)
    if (content.end < Infinity) writeU64(out, BODY + 16, content.end - content.start)
  }
  return out
}

/** fuse_notify_inval_entry_out, and the name with its NUL. */
export function entryNotification(parent: number, name: string): Uint8Array {
  const out = notification(NOTIFY.entry, 16 + name.length + 1)
  writeU64(out, BODY, parent)
  out.writeUInt32LE(name.length, BODY + 8)
  out.write(name, BODY + 16, 'latin1')
  return out
}

/** Every cached name is asked for again. */
export function epochNotification(): Uint8Array {
  return notification(NOTIFY.epoch, 0)
}

/** A header that is no reply's: unique 0, and the code in place of the error. */
function notification(code: number, bodyBytes: number): Buffer {
  const out = Buffer.alloc(BODY + bodyBytes)
  out.writeUInt32LE(out.byteLength, 0)
  out.writeInt32LE(code, 4)
  return out
}
