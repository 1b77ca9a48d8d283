// What we tell the kernel unasked: to drop what it has cached. Layouts of linux/fuse.h.
import { NOTIFY, REPLY_HEADER_BYTES } from './protocol.ts'
import { writeU64 } from './u64.ts'

const BODY = REPLY_HEADER_BYTES

/** fuse_notify_inval_inode_out: from offset 0 all content, from a negative one nothing but the attributes. */
export function inodeNotification(inode: number, withContent: boolean): Uint8Array {
  const out = notification(NOTIFY.inode, 24)
  writeU64(out, BODY, inode)
  out.writeBigInt64LE(withContent ? 0n : -1n, BODY + 8)
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
