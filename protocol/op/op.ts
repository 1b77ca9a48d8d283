// The ops that entries carry: what they are in memory and on the wire (DAG-CBOR maps, kind in "o").
// A node that does not know a kind keeps the entry and skips the op.
import type { Hlc } from '../clock/hlc.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import type { Dot } from '../clock/dot.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import type { ChunkRef } from '../chunk/seal.ts'
import type { BackupHeadId, EntryHash, NodeId, PackId, PeerId, StripeId } from '../ids.ts'
import type { Role } from '../roles.ts'
import type { Receipt } from '../stripe/receipt.ts'
import type { Name, XattrName } from './names.ts'
import type { SnapshotOp } from './snapshot-op.ts'

/**
 * The content of a file version. Mirrors protocol/chunk/manifest.ts `Manifest` for files above
 * INLINE_FILE_MAX.
 */
export type ContentRef =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'chunks'
      readonly root: ChunkRef
      readonly depth: number
      /** Bytes of the file that are in chunks and not in holes; absent: all. */
      readonly allocated?: number
    }

/**
 * Times are ns since 1970 in 64 bits, 1677-09-21 to 2262-04-11: what is beyond is clamped by who
 * writes the op.
 */
export const TIME_NS_MIN: bigint = -(2n ** 63n)
export const TIME_NS_MAX: bigint = 2n ** 63n - 1n

/** Last-writer-wins attributes of a directory or inode. Times within TIME_NS_MIN..TIME_NS_MAX. */
export interface AttributeValues {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly accessedNs?: bigint
  readonly modifiedNs?: bigint
}

/** A file that is neither regular, directory nor symlink. */
export interface SpecialFile {
  readonly kind: 'fifo' | 'socket' | 'character-device' | 'block-device'
  /** The number of a device, as Linux has it in 32 bits; else 0. */
  readonly rdev: number
}

export type TreeOp =
  | SnapshotOp
  | {
      readonly kind: 'mkdir'
      readonly id: NodeId
      readonly parent: NodeId
      readonly name: Name
      readonly attributes: AttributeValues
    }
  | {
      readonly kind: 'create'
      readonly inode: NodeId
      readonly link: NodeId
      readonly parent: NodeId
      readonly name: Name
      readonly attributes: AttributeValues
      /** Target bytes of a symlink; absent for a file. */
      readonly target: Uint8Array | undefined
      /** Absent for a file or symlink. */
      readonly special?: SpecialFile
    }
  | {
      readonly kind: 'link'
      readonly link: NodeId
      readonly inode: NodeId
      readonly parent: NodeId
      readonly name: Name
    }
  | {
      readonly kind: 'move'
      readonly link: NodeId
      /** The inode of the link, as the writer saw it. */
      readonly inode: NodeId
      /** The directory it left, as the writer saw it. */
      readonly from: NodeId
      readonly parent: NodeId
      readonly name: Name
      readonly saw: readonly Dot[]
    }
  | {
      readonly kind: 'move-dir'
      readonly id: NodeId
      readonly from: NodeId
      readonly parent: NodeId
      readonly name: Name
      readonly saw: readonly Dot[]
    }
  | {
      readonly kind: 'unlink'
      readonly link: NodeId
      /** The inode of the link, as the writer saw it. */
      readonly inode: NodeId
      readonly from: NodeId
      readonly saw: readonly Dot[]
      /** If this was its last name, the contents that the writer removed with it. */
      readonly versions?: readonly Dot[]
    }
  | {
      readonly kind: 'rmdir'
      readonly id: NodeId
      readonly from: NodeId
      readonly saw: readonly Dot[]
    }
  | { readonly kind: 'attributes'; readonly id: NodeId; readonly attributes: AttributeValues }
  | {
      readonly kind: 'xattr'
      /** A directory or an inode. */
      readonly id: NodeId
      readonly name: XattrName
      /** Undefined: it is removed. */
      readonly value: Uint8Array | undefined
    }
  | {
      readonly kind: 'version'
      readonly inode: NodeId
      /** Versions this one replaces: those the writer's handle had seen. */
      readonly base: readonly Dot[]
      readonly size: number
      readonly content: ContentRef
      readonly modifiedNs: bigint
      /** The writer wrote on through the handle by which it made the version that this replaces. */
      readonly goesOn?: true
      /** Names the writer saw for the inode: a concurrent unlink of them does not win. */
      readonly touch: readonly { readonly link: NodeId; readonly saw: readonly Dot[] }[]
    }
  | { readonly kind: 'drop-version'; readonly inode: NodeId; readonly saw: readonly Dot[] }
  | {
      /** Former versions of a file are not kept, whatever the rule of the volume. */
      readonly kind: 'purge-versions'
      readonly inode: NodeId
      readonly versions: readonly Dot[]
    }
  | { readonly kind: 'policy'; readonly key: string; readonly value: string }
  /**
   * Late entries were restated by now, by members that hold them: each is named by its first dot.
   */
  | { readonly kind: 'restated'; readonly entries: readonly Dot[] }
  | {
      readonly kind: 'pin'
      /** A directory or an inode. */
      readonly id: NodeId
      /** Redundancy class of what is there and below; empty: no other than around it. */
      readonly class: string
    }
  | {
      readonly kind: 'pin-cold'
      /** A directory or an inode. */
      readonly id: NodeId
      /**
       * Name of the cold tier that what is there and below goes into at once; empty: none but that
       * around it.
       */
      readonly tier: string
    }
  | {
      /** Its author has put a head of a backup into a tier. */
      readonly kind: 'backup'
      readonly peer: PeerId
      /** Name of the tier. */
      readonly tier: string
      readonly number: number
      readonly head: BackupHeadId
    }
  | {
      /**
       * Its author saw a member replace or remove much of the volume after this moment: what stood
       * then is kept until an admin dismisses it.
       */
      readonly kind: 'mass-loss'
      readonly peer: PeerId
      readonly at: Hlc
    }
  | {
      /** These are dismissed: each is named by the dot of its `mass-loss`. */
      readonly kind: 'dismiss-loss'
      readonly losses: readonly Dot[]
    }

/**
 * A peer holds a shard of a stripe: the author of the op by its own word, another by its receipt.
 */
export interface Holding {
  readonly index: number
  readonly peer: PeerId
  readonly receipt?: Receipt | undefined
}

/** From now on a peer holds a shard of a stripe; or the author of the op holds it no more. */
export interface ShardChange extends Holding {
  readonly isHeld: boolean
}

/** A shard that a peer is said to hold. */
export interface HeldShard {
  readonly index: number
  readonly peer: PeerId
}

/** The offset in bytes of the first block of a stripe in a pack; 0 if it is in none. */
export interface ColdPlace {
  readonly stripe: StripeId
  readonly offset: number
}

/** Ops in clear bodies: every member reads them, keepers too. */
export type ClearOp =
  | {
      readonly kind: 'member'
      readonly peer: PeerId
      readonly role: Role
      /** Epoch secrets (or, for a keeper, swarm keys) sealed to the peer. */
      readonly keys: readonly { readonly epoch: number; readonly sealed: Uint8Array }[]
    }
  | {
      readonly kind: 'member-info'
      readonly peer: PeerId
      readonly name: string
      readonly zone: string
      readonly capacityBytes: number
    }
  | { readonly kind: 'remove-member'; readonly peer: PeerId }
  | {
      readonly kind: 'epoch'
      readonly epoch: number
      readonly keys: readonly { readonly peer: PeerId; readonly sealed: Uint8Array }[]
    }
  | {
      readonly kind: 'stripe'
      /** DAG-CBOR stripe header; its hash is the stripe id. */
      readonly header: Uint8Array
      /** Those that took its shards just now: what was said of others stands. */
      readonly holders: readonly Holding[]
    }
  | {
      readonly kind: 'shards'
      readonly stripe: StripeId
      readonly changes: readonly ShardChange[]
    }
  | {
      /**
       * The author found that these do not hold them: for others to see for themselves. Changes no
       * state.
       */
      readonly kind: 'doubt'
      readonly stripe: StripeId
      readonly shards: readonly HeldShard[]
    }
  | { readonly kind: 'condemn'; readonly stripes: readonly StripeId[] }
  | {
      readonly kind: 'sweep'
      /** The clock of the `condemn` op that this one continues. */
      readonly condemned: Hlc
      readonly stripes: readonly StripeId[]
    }
  | {
      readonly kind: 'cold'
      /** Name of the tier. */
      readonly tier: string
      /**
       * The object there that holds all chunks of the stripes, read back and verified; undefined:
       * none does any more.
       */
      readonly pack: PackId | undefined
      readonly stripes: readonly ColdPlace[]
    }
  | {
      /** Somebody has read of these by now. */
      readonly kind: 'read'
      readonly stripes: readonly StripeId[]
    }
  | {
      /**
       * A cut is proposed. It counts once enough members attest its state
       * (protocol/log/attestation.ts).
       */
      readonly kind: 'checkpoint'
      /**
       * The cut: entries up to this clock, and of which actors these are how many. All members hold
       * them.
       */
      readonly hlc: Hlc
      readonly vector: VersionVector
      /** All that its author had applied before this entry. */
      readonly held: VersionVector
      /** The entry that announces the cut before it; undefined: it is the first. */
      readonly before: EntryHash | undefined
      /**
       * The newest governing entries that its author knew: those who may attest are members by
       * these.
       */
      readonly governed: readonly EntryHash[]
      /** Roots of the state there: of what all members may read, and of what keepers may not. */
      readonly clear: NodeHash | undefined
      readonly sealed: NodeHash | undefined
    }

export type Op = TreeOp | ClearOp

/**
 * Ops that decide who may do what, and how: they travel in governing entries
 * (protocol/membership/governance.ts).
 */
export type GoverningOp = Extract<
  Op,
  { readonly kind: 'member' | 'remove-member' | 'epoch' | 'policy' }
>

/** True for an op that travels in a governing entry, and in no other. */
export function isGoverningOp(op: Op): op is GoverningOp {
  return GOVERNING_KINDS.has(op.kind)
}

const GOVERNING_KINDS: ReadonlySet<Op['kind']> = new Set([
  'member',
  'remove-member',
  'epoch',
  'policy',
])

/** True for an op that travels in a clear body. */
export function isClearOp(op: Op): op is ClearOp {
  return CLEAR_KINDS.has(op.kind)
}

const CLEAR_KINDS: ReadonlySet<Op['kind']> = new Set([
  'member',
  'member-info',
  'remove-member',
  'epoch',
  'stripe',
  'shards',
  'doubt',
  'condemn',
  'sweep',
  'cold',
  'read',
  'checkpoint',
])
