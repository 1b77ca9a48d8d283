// The number of files that show, and of their bytes, counted op by op: an inode is taken away as it
// is before an op, and added as it is after it.
import type { Inode } from './records.ts'

/** Files that have a name, and the bytes of the version that each shows; no symlinks or others. */
export interface FileTotals {
  files: number
  /** Sizes are what members say: two of them may be more than a number holds exactly. */
  bytes: bigint
}

export const NO_FILES: Readonly<FileTotals> = { files: 0, bytes: 0n }

/** Adds an inode to the totals, or takes it away. */
export function addFile(totals: FileTotals, inode: Inode, sign: 1 | -1): void {
  const { target, special, links, newest } = inode
  if (target !== undefined || special !== undefined || links.length === 0) return
  totals.files += sign
  totals.bytes += BigInt(sign * (newest?.size ?? 0))
}
