// Tells what people want to know of a file or folder: its attributes, and where a symlink points.
import { byteText, escapedBytes } from '../../protocol/byte-text.ts'
import { toByteString } from '../../protocol/bytes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import type { FileStat, ReadRange } from '../control/files.ts'

/** target: reads where a symlink points. */
export function fileStat(
  name: string,
  attributes: NodeAttributes,
  target: () => Uint8Array,
): FileStat {
  const { kind, mode, uid, gid, linkCount, sizeBytes, modifiedNs, changedNs, rdev } = attributes
  const common = { kind, mode, uid, gid, linkCount, sizeBytes, modifiedNs, changedNs, rdev }
  const stat = { name, nameBytes: escapedBytes(name), ...common }
  if (kind !== 'symlink') return stat
  const points = byteText(toByteString(target()))
  return { ...stat, target: points, targetBytes: escapedBytes(points) }
}

/** The part of a range that a file of this size has. */
export function rangeWithin(
  sizeBytes: number,
  { offsetBytes = 0, lengthBytes = sizeBytes }: ReadRange,
): { readonly offset: number; readonly lengthBytes: number } {
  const offset = Math.min(offsetBytes, sizeBytes)
  return { offset, lengthBytes: Math.max(0, Math.min(lengthBytes, sizeBytes - offset)) }
}
