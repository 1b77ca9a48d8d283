// The status of a node, its peers and its volumes, from local knowledge: of others, the log and
// their beacons. It is what this node knows without asking anybody: of others, what the log and
// their beacons told it.
import type { BackupJobStatus } from './backups.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { FileFault, GarbageProgress } from './garbage.ts'
import type { LossInfo } from './losses.ts'
import type { HeldLog } from './observe/security.ts'

export interface NodeStatus {
  readonly node: {
    readonly id: PeerId
    readonly name: string
    /** Failure domain; undefined: this node is one by itself. */
    readonly zone: string | undefined
    /** Multiaddrs that others can dial, each ending in /p2p/<id>. */
    readonly addresses: readonly string[]
    readonly version: string
    readonly home: string
    readonly pid: number
    readonly startedMs: WallTime
    /**
     * Bytes of the store on disk, and the bytes it may still grow by (capacity and free disk
     * space).
     */
    readonly usedBytes: number
    /**
     * The parts of the used bytes: shards, of whatever this or other nodes wrote; copies of chunks
     * that lie in stripes too (the setting `keep-local`, and pins); and chunks that lie in none
     * yet. `ownBytes`: all that the home takes, with index and cache.
     */
    readonly holds: {
      readonly shardBytes: number
      /** The part of these that are whole copies of their stripes, as of small data. */
      readonly wholeBytes: number
      readonly copyBytes: number
      readonly unplacedBytes: number
      readonly ownBytes: number
    }
    /** Bytes of the index, which contains the logs of volumes; not part of `usedBytes`. */
    readonly indexBytes: number
    readonly freeBytes: number
    /**
     * The size limit of the store: its capacity, or the disk if that is smaller or no capacity was
     * given.
     */
    readonly capacityBytes: number
    /**
     * Part of the used bytes: garbage that is kept for a while lest that was a mistake, and space
     * that compaction will free.
     */
    readonly trashBytes: number
    readonly reclaimableBytes: number
    /**
     * The cache of data fetched from peers: bytes on disk, limits in memory and on disk, and since
     * the start, bytes found in it and bytes fetched.
     */
    readonly cache: {
      readonly usedBytes: number
      readonly limitBytes: number
      readonly foundBytes: number
      readonly fetchedBytes: number
    }
    /** The garbage collection that is under way. */
    readonly garbage?: GarbageProgress | undefined
    /** Undefined where there is no process of its own. */
    readonly memory?: MemoryStatus | undefined
    /** The pass over all that is stored here that is under way. */
    /** Shards and chunks on its disk that were found damaged lately; undefined: none. */
    readonly damage?: { readonly found: number; readonly lastMs: WallTime } | undefined
    readonly scrub: { readonly doneBytes: number; readonly totalBytes: number } | undefined
  }
  readonly peers: readonly PeerStatus[]
  readonly volumes: readonly VolumeStatus[]
  readonly mounts: readonly MountStatus[]
  /** Locks of files between nodes, in volumes with strong locks that this node is a voter of. */
  readonly locks: readonly LockStatus[]
  readonly notices: readonly Notice[]
  /** The backup jobs of this node; absent without any. */
  readonly backups?: readonly BackupJobStatus[] | undefined
}

/** Memory of a node's process, and of it what is kept to be quick. */
export interface MemoryStatus {
  /** In use, of all kinds. */
  readonly residentBytes: number
  /** The part of JavaScript: objects, and buffers outside its heap. */
  readonly heapBytes: number
  readonly externalBytes: number
  /**
   * `index`: LevelDB's, and what it has yet to write; `chunks`: plain data for readers; `unsaved`:
   * written, and not yet stored.
   */
  readonly caches: readonly CacheStatus[]
}

export interface CacheStatus {
  readonly name: string
  readonly bytes: number
  readonly limitBytes: number
}

/** The locks of a member in one file. */
export interface LockStatus {
  readonly volumeName: string
  /** Empty where the file is gone. */
  readonly path: string
  readonly family: 'fcntl' | 'flock'
  /** Its node. */
  readonly member: string
  /** Ranges. */
  readonly count: number
  readonly isExclusive: boolean
  readonly sinceMs: WallTime
}

/**
 * online: heard as usual. late: silent for longer than usual. gone: silent for the grace of a
 * volume it is a member of.
 */
export type PeerState = 'online' | 'late' | 'gone'

export interface PeerStatus {
  readonly id: PeerId
  /** The name it gave itself; its id where it has said none yet. */
  readonly name: string
  readonly zone?: string | undefined
  readonly state: PeerState
  /** For a late peer, the time until it counts as gone. */
  readonly goneInMs?: number | undefined
  /** It cost this node more than it may, and is not served: in what, and for how much longer. */
  readonly limited?: { readonly words: string; readonly forMs: number } | undefined
  /** There is a connection now: without one it may be heard by way of others. */
  readonly isConnected: boolean
  readonly addresses: readonly string[]
  /** Its memberships of volumes this node has. */
  readonly volumes: readonly { readonly name: string; readonly role: Role }[]
  /** When it was last heard; undefined: never. */
  readonly lastSeenMs?: WallTime | undefined
  /** As last measured over the connection there is. */
  readonly roundTripMs?: number | undefined
  /** The capacity that it offers, and the free part that it last reported. */
  readonly capacityBytes?: number | undefined
  readonly freeBytes?: number | undefined
  /** The bytes that its home takes in all, as it last reported. */
  readonly usedBytes?: number | undefined
  /** The shards that it holds for volumes of this node, according to their logs. */
  readonly shards: number
  readonly shardBytes: number
  /** The head of its security log, as held here; undefined: nothing. */
  readonly securityLog?: HeldLog | undefined
}

export interface VolumeStatus {
  readonly id: VolumeId
  readonly name: string
  readonly isDefault: boolean
  /** This node's role; undefined while the log does not tell it here. */
  readonly role?: Role | undefined
  /** This node's name among the members, where it is not the one in its settings. */
  readonly calledAs?: string | undefined
  /** The redundancy class in force, 'rs4+2' where the setting is 'auto'. */
  readonly class: string
  readonly stripes: StripeCounts
  readonly cold: ColdCounts
  /**
   * Cold tiers that this node does not use, since its owner has not agreed to where they are:
   * `shoal cold trust`.
   */
  readonly tiersToTrust: readonly string[]
  /** Tiers into which nothing can be put now, and why; absent: none. */
  readonly tierFailures?: readonly { readonly tier: string; readonly message: string }[] | undefined
  /** Stripes of which one zone has more shards than may be lost, as there was no better place. */
  readonly degradedPlacement: number
  /**
   * Bytes of shards, on all peers, of stripes that are given up and go once every member knows of
   * it.
   */
  readonly reclaimableBytes: number
  /** Stripes that lack shards, and why nobody can make those anew now. */
  readonly waiting: WaitingStripes
  /** The work of this node on stripes that lack shards or lie in the wrong place. */
  readonly upkeep: UpkeepReport
  /** How many peers (failure domains) may be lost at once without losing a byte. */
  readonly tolerates: number
  /** Bytes written on this node that lie in no stripe yet: `tolerates` does not hold for them. */
  readonly unplacedBytes: number
  /** Files with a name, and the bytes that they show; 0 for keepers, who cannot know. */
  readonly files: number
  readonly bytes: number
  /**
   * Bytes of the data in stripes, and of the shards on all peers that hold it, garbage included.
   */
  readonly space: { readonly dataBytes: number; readonly shardBytes: number }
  /** Nothing is in it. */
  readonly isEmpty: boolean
  /**
   * Other nodes that have not confirmed all that this one has of the log, where small files are:
   * their names. nodes: how many there are with this one.
   */
  readonly logCopies: { readonly nodes: number; readonly behind: readonly string[] }
  /** How far each of the other nodes is, whether behind or not; absent without any. */
  readonly lags?: readonly ReplicaLag[] | undefined
  /** Conflict copies in view. */
  readonly conflicts: number
  /**
   * Files that nobody can read, as the last pass over all of them has found: they contradict
   * themselves.
   */
  readonly falseFiles: readonly FileFault[]
  /**
   * Why that pass could not come to its end, so that no space comes back; undefined where it did.
   */
  readonly garbageFault: string | undefined
  /** A member replaced or removed much within minutes; what stood before is kept. */
  readonly massLosses: readonly LossInfo[]
  /** Former versions that ended up to then were let go of lately, since a disk was almost full. */
  readonly relief?: { readonly endedUpToMs: number; readonly setMs: number } | undefined
  /**
   * The setting `versions` was shortened: what it was before is kept as well until `fromMs`.
   */
  readonly shortening?:
    | { readonly versions: string; readonly until: readonly string[]; readonly fromMs: number }
    | undefined
  /**
   * Time of a checkpoint at which this node has another state than a member: one of the two is
   * damaged.
   */
  readonly differsMs: WallTime | undefined
  readonly log: LogStatus
  /** Entries that no known entry points to; equal heads are equal namespaces. Sorted. */
  readonly heads: readonly EntryHash[]
}

/**
 * The state of a volume's log, for people: entries that are not taken, here or by others, and
 * members that hold up checkpoints.
 */
export interface LogStatus {
  /** An entry that could not be applied here: what depends on it waits. */
  readonly stoppedAt:
    | {
        readonly entry: EntryHash
        /** Name of its author. */
        readonly author: string
        readonly reason: string
        readonly sinceMs: WallTime
      }
    | undefined
  /** Something was half applied: the volume takes no changes until the node starts anew. */
  readonly isHalted: boolean
  /**
   * Members whose entries wait: they make the log grow faster than their role has to, or this node
   * is full.
   */
  readonly heldBack: readonly {
    readonly member: string
    readonly untilMs: WallTime
    readonly isFull: boolean
  }[]
  /**
   * Log and index, and what the node holds, fill what it may store: nothing new is written here.
   */
  readonly isFull: boolean
  /** Members that hold back what this node writes. */
  readonly heldBackBy: readonly string[]
  /** Time of the newest checkpoint that enough members attest. */
  readonly checkpointMs: WallTime | undefined
  /** A newer one that was proposed, and the names of members who have not attested it. */
  readonly proposed: { readonly timeMs: WallTime; readonly missing: readonly string[] } | undefined
  /** Entries that came too late to count, and that nobody has said again yet; by their writers. */
  readonly late: readonly { readonly name: string; readonly entries: number }[]
  /**
   * Names of members that are heard of and confirm nothing new: checkpoints do not wait for them.
   */
  readonly stalled: readonly string[]
  /**
   * This node is read-only: others have dropped what it lacks, and too few vouch for what they go
   * on from. `peer` has that checkpoint; the names of those whose word is missing.
   */
  readonly stranded: { readonly peer: string; readonly missing: readonly string[] } | undefined
}

/** How much of the log another node is not known to hold. */
export interface ReplicaLag {
  readonly peer: PeerId
  readonly name: string
  /** Entries that are durable here. */
  readonly entries: number
  /**
   * From the newest entry that it confirmed to the newest here, by the clocks of their writers;
   * 0 where it has them all; undefined: it confirmed none.
   */
  readonly ms?: number | undefined
}

/** Stripes that are in use and lie in no cold tier, each counted once. */
export interface StripeCounts {
  /** All k+m shards on peers that can be reached now. */
  readonly full: number
  /** Shards are missing, but at least one more may be lost. */
  readonly degraded: number
  /** Readable, and one more loss makes it unreadable. */
  readonly atRisk: number
  /** Fewer than k shards on peers that can be reached now; one that comes back may end that. */
  readonly lost: number
}

/** Stripes that lie in a cold tier, verified. */
export interface ColdCounts {
  /** They can be read from peers, too. */
  readonly copied: number
  /** Too few of their shards are with peers that can be reached now: to be read from the tier. */
  readonly only: number
  /** The approximate size of them. */
  readonly bytes: number
}

export interface WaitingStripes {
  /**
   * For peers that are late, or of which too many are gone for the data to be read: for one to come
   * back.
   */
  readonly forPeers: number
  /** For another peer to hold what is missing: all that are there hold a shard already. */
  readonly forRoom: number
  /**
   * Names of members that might hold shards and are gone: what the class asks for is asked for with
   * them.
   */
  readonly gone: readonly string[]
}

/**
 * The work of one node for the redundancy of a volume, done and left. Other nodes do their own
 * part.
 */
export interface UpkeepReport {
  /**
   * Stripes of which lost shards are being made anew by this node now, and those it has yet to take
   * up.
   */
  readonly repairing: number
  readonly queued: number
  /** Stripes of which a shard is being moved to another peer, or that are being coded anew. */
  readonly moving: number
  /**
   * Stripes with another code than they should have, which this or another node codes anew once
   * members have settled.
   */
  readonly outdated: number
  /**
   * So much vanished at once that it looks like a partition: only stripes without a spare are
   * repaired.
   */
  readonly brake: boolean
  /** Bytes of shards written since this node started: to repair, and to move or code anew. */
  readonly repairedBytes: number
  readonly movedBytes: number
}

export interface MountStatus {
  readonly folder: string
  readonly volume: string
  readonly readOnly: boolean
  /** Other users of the machine are let in. */
  readonly allowOther: boolean
}

/**
 * A notice about a home that exists twice, or did: a kind and its facts. 'restored': this node's
 * home was copied or restored, and it writes on under a new identity. 'copies': two copies of the
 * home of `member` have written to the volume, as one (all are told), or beside each other (they
 * are told). 'removed': `member` answers that this node is no member of the volume. 'clock': the
 * clock of `member` is `aheadMs` ahead of this node's, or behind it if negative; its own, of most
 * others. 'future': `count` changes of `member` wait until the clock here is as far as it was
 * there, the first for `inMs`. 'voter-lied': the voter
 * `member` gave two answers that exclude each other, and is not counted. 'vote-lost': this node is
 * a voter and may have forgotten what it promised: it does not vote.
 */
export interface Notice {
  readonly kind: 'restored' | 'copies' | 'removed' | 'clock' | 'future' | 'voter-lied' | 'vote-lost'
  /** When that was noticed, or last seen. */
  readonly timeMs: WallTime
  readonly volume: VolumeId
  readonly volumeName: string
  readonly member: string
  /** True for this node's own home. */
  readonly isSelf: boolean
  readonly aheadMs?: number | undefined
  readonly count?: number | undefined
  readonly inMs?: number | undefined
}
