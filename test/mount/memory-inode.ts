// An inode of the file system in memory: what it holds, and what stat(2) says of it.
import { MIB } from '../../protocol/units.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { Attributes } from '../../node/mount/file-system.ts'

const NS_PER_MS = 1_000_000n

export interface Inode {
  readonly inode: number
  readonly kind: FileKind
  readonly names: Map<string, Inode>
  readonly xattrs: Map<string, Uint8Array>
  rdev: number
  blocks: Buffer[]
  target: string
  mode: number
  uid: number
  gid: number
  links: number
  size: number
  accessedNs: bigint
  modifiedNs: bigint
  held: number
  opens: number
}

export function attributesOf(node: Inode): Attributes {
  const { inode, kind, rdev, mode, uid, gid, links, size, accessedNs, modifiedNs } = node
  const linkCount = kind === 'folder' ? 2 : links
  return {
    inode,
    kind,
    rdev,
    mode,
    uid,
    gid,
    linkCount,
    sizeBytes: size,
    allocatedBytes: size,
    accessedNs,
    modifiedNs,
    changedNs: modifiedNs,
  }
}

export function resize(node: Inode, size: number): void {
  if (size < node.size) {
    node.blocks.length = Math.min(node.blocks.length, Math.ceil(size / MIB))
    if (size % MIB > 0) node.blocks[Math.floor(size / MIB)]?.fill(0, size % MIB)
  }
  node.size = size
  touch(node)
}

export function touch(node: Inode): void {
  node.modifiedNs = BigInt(Date.now()) * NS_PER_MS
}
