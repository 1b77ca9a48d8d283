// Encodes answers as C structures, as fuse-native takes them: arrays of 32 bits, larger numbers low
// half first. Times are whole milliseconds from 1970 on, numbers of inodes lose their upper bits,
// and no file has no links.
import { NAME_MAX } from '../../../../protocol/limits.ts'
import { NS_PER_MS, divCeil } from '../../../../protocol/units.ts'
import { FILE_TYPE } from '../kernel/protocol.ts'
import type { Attributes, FileSystemSpace } from '../../file-system.ts'

const SECTOR = 512
const BLOCK_BYTES = 4096
const U32_RANGE = 2 ** 32

/** struct stat; of a failure without attributes. */
export function statOf(attributes?: Attributes): Uint32Array {
  const out = new Uint32Array(18)
  if (attributes === undefined) return out
  out[0] = FILE_TYPE[attributes.kind] | (attributes.mode & 0o7777)
  out[1] = attributes.uid
  out[2] = attributes.gid
  putU64(out, 3, attributes.sizeBytes)
  out[6] = attributes.linkCount
  out[7] = shownInode(attributes.inode)
  out[8] = attributes.rdev ?? 0
  out[9] = BLOCK_BYTES
  putU64(out, 10, divCeil(attributes.allocatedBytes, SECTOR))
  putU64(out, 12, shownMs(attributes.accessedNs))
  putU64(out, 14, shownMs(attributes.modifiedNs))
  putU64(out, 16, shownMs(attributes.changedNs))
  return out
}

/** struct statvfs; of a failure without a space. Blocks grow until their number fits. */
export function spaceOf(space?: FileSystemSpace): Uint32Array {
  const out = new Uint32Array(11)
  if (space === undefined) return out
  let scale = 1
  while (space.blocks / scale >= U32_RANGE) scale *= 2
  const free = Math.floor(space.blocksFree / scale)
  out.set([space.blockBytes * scale, space.blockBytes * scale])
  out.set([Math.floor(space.blocks / scale), free, free], 2)
  out[10] = NAME_MAX
  return out
}

/** A number of 64 bits from its halves. */
export function u64Of(low: number, high: number): number {
  return low + high * U32_RANGE
}

/** 0 would hide the file from listings. */
function shownInode(inode: number): number {
  return inode % U32_RANGE || 1
}

function shownMs(timeNs: bigint): number {
  return Math.max(0, Number(timeNs / NS_PER_MS))
}

function putU64(out: Uint32Array, at: number, value: number): void {
  out[at] = value % U32_RANGE
  out[at + 1] = Math.floor(value / U32_RANGE)
}
