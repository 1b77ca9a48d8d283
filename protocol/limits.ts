// Every bound on what comes from a peer or a disk, in one file. Sizes in bytes, counts as numbers.
import { assert } from './errors.ts'
import { DAY_MS, KIB, MIB } from './units.ts'

/**
 * One framed message on a stream, of whatever protocol; each takes less, as its wire/ file says. A
 * larger one costs the stream.
 */
export const FRAME_MAX: number = 5 * MIB
/** Bytes received of frames that nobody has taken yet: of one peer, and of all. */
export const IN_FLIGHT_PEER_MAX: number = 32 * MIB
export const IN_FLIGHT_ALL_MAX: number = 128 * MIB
export const GOSSIP_MAX: number = 16 * KIB
/** An entry body up to this size travels inline with its gossiped head. */
export const GOSSIP_BODY_MAX: number = 2 * KIB
/** Actors that a beacon tells of: with the longest addresses it still fits in GOSSIP_MAX. */
export const BEACON_ACTORS_MAX = 500

export const ENTRY_BODY_MAX: number = 1 * MIB
/** An entry as it travels: body, header with all its deps, signature. */
export const ENTRY_MAX: number = ENTRY_BODY_MAX + 64 * KIB
/** Bytes that the batch of an entry unpacks to, clear or sealed. */
export const BATCH_PLAIN_MAX: number = 1 * MIB
/**
 * A batch closes before it passes these, or after BATCH_MS. An op above BATCH_BYTES_MAX has an
 * entry of its own.
 */
export const BATCH_OPS_MAX = 256
export const BATCH_BYTES_MAX: number = 256 * KIB
export const ENTRY_OPS_MAX = 4096
/** Dots, or names, that one list of an op holds. */
export const OP_DOTS_MAX = 1024
/**
 * Holders of a stripe's shards that one op names as come or gone, and stripes that one op gives up.
 */
export const OP_SHARDS_MAX = 256
export const OP_STRIPES_MAX = 1024
/** Shards that a holder signs for at once. */
export const RECEIPT_SHARDS_MAX = 256
/** An op may show receipts that are no older than this. */
export const RECEIPT_AGE_MS: number = DAY_MS
export const ENTRY_DEPS_MAX = 512
export const ACTORS_MAX = 4096
/** Maximum of these for one member, so that it cannot keep the others from writing. */
export const ACTORS_OF_ONE_MAX = 1024
/** Branches of one actor's forked chain that are kept. */
export const BRANCHES_MAX = 8
export const MEMBERS_MAX = 4096
/** Characters of the name of a snapshot, and how many of one member count. */
export const SNAPSHOT_NAME_MAX = 64
export const SNAPSHOTS_OF_ONE_MAX = 1024
/** Governing entries that one of them names as those before it. */
export const GOVERNED_MAX = 64
/** Members that decide on strong consistency. */
export const VOTERS_MAX = 7
/**
 * The highest number of a ballot; and how often in a row a value may be proposed anew without being
 * chosen.
 */
export const BALLOT_MAX: number = 2 ** 52
export const GROUNDS_MAX = 16
/** Ranges of files of a volume that one node has locked at a time, where that is for all nodes. */
export const LOCKS_MAX = 1024

/** Bytes that a compressed frame may make a reader remember: as RFC 8878 has it. */
export const ZSTD_WINDOW_MAX: number = 8 * MIB
export const CBOR_DEPTH_MAX = 16
export const CBOR_ITEMS_MAX = 65_536

export const NAME_MAX = 255
/**
 * Maximum of entries shown under one name of a directory, conflict copies included; and of names of
 * a file beside which its other contents are shown.
 */
export const NAMES_SHOWN_MAX = 64
export const PATH_MAX = 4096
export const SYMLINK_MAX = 4095
/** Items of a set of the tree's state that stand in one record. */
export const SET_LIST_MAX = 32
/**
 * Names of one file that are looked at where all of them would have to be: by their ids, the first.
 */
export const LINKS_SEEN_MAX = 1024
/**
 * Maximum length of an extended attribute's name, and number of attributes that an object may be
 * given.
 */
export const XATTR_NAME_MAX = 255
export const XATTR_VALUE_MAX: number = 64 * KIB
export const XATTRS_MAX = 128
/**
 * Maximum listed of the attributes of an object, which may have more if machines set them
 * concurrently.
 */
export const XATTRS_SHOWN_MAX = 256
/** A file up to this size travels inline in its version op. */
export const INLINE_FILE_MAX: number = 2 * KIB
/** Chars of the id by which people name a former state of a file. */
export const VERSION_ID_CHARS = 12
export const FILE_SIZE_MAX: number = Number.MAX_SAFE_INTEGER

export const CHUNK_PLAIN_MAX: number = 4 * MIB
/** A sealed chunk: codec byte, at worst incompressible bytes, GCM tag. */
export const CHUNK_SEALED_MAX: number = CHUNK_PLAIN_MAX + 64
export const MANIFEST_NODE_MAX: number = 1 * MIB
/** Extents, or children, of one manifest node; and how many levels of nodes a file may have. */
export const MANIFEST_ITEMS_MAX = 1024
export const MANIFEST_LEVELS_MAX = 8

export const STRIPE_K_MAX = 32
export const STRIPE_M_MAX = 16
export const SHARD_LEAF: number = 64 * KIB
/** Data bytes after which the open stripe seals. */
export const STRIPE_DATA_TARGET: number = 24 * MIB
export const STRIPE_DATA_MAX: number = 64 * MIB
export const STRIPE_CHUNKS_MAX = 8192
/** Chars of the text of a redundancy class. */
export const CLASS_TEXT_MAX = 32
/** Chars of the name of a cold tier. */
export const TIER_NAME_MAX = 64
/** Below this much data a stripe is copies (k = 1). */
export const STRIPE_COPIES_BELOW: number = 64 * KIB

/** Chars of a path that an account is granted. */
export const GRANT_PATH_MAX = 800
/** Groups of an account, and of a session. */
export const GROUPS_MAX = 8
/** Chars of the URL of an OpenID provider, and of what its users are known by. */
export const PROVIDER_URL_MAX = 512
export const PROVIDER_VALUE_MAX = 256

/** A token of a session: over a thousand heads. */
export const SESSION_TEXT_MAX: number = 64 * KIB

/** Key epochs of a volume that a recovery key holds, and chars of its text. */
export const EPOCHS_MAX = 1024
export const RECOVERY_KEY_TEXT_MAX: number = 256 * KIB
/** Objects that hold the namespace in a cold tier, of each kind. */
export const BACKUP_PARTS_MAX = 4096
export const BACKUP_PART_MAX: number = 16 * MIB
/** A head of a backup, and its number. */
export const BACKUP_HEAD_MAX: number = 64 * MIB
export const BACKUP_NUMBER_MAX: number = 2 ** 48 - 1

export const TICKET_TEXT_MAX = 1024
export const TICKET_ADDRESSES_MAX = 8
/** Tickets that one node has given out and remembers. */
export const TICKETS_MAX = 4096
export const TICKET_USES_MAX = 10_000
export const TICKET_LIFETIME_MS_MAX: number = 365 * DAY_MS
/**
 * An entry whose clock is further ahead than this is not taken until time catches up. A beacon that
 * is further ahead is ignored: it would count for more than those that come after it. One limit for
 * both: whose entries are taken is heard, or nothing would get stable.
 */
export const CLOCK_AHEAD_MS: number = 10 * 60 * 1000

/**
 * Entries of all volumes of a node that wait for their past, or for their time; bytes that they
 * take in memory.
 */
export const PARKED_MAX = 10_000
export const PARKED_BYTES_MAX: number = 64 * MIB
/** Maximum for entries of one member that wait because it makes the log grow too fast. */
export const HELD_BACK_BYTES_MAX: number = 2 * MIB

export const STREAMS_PER_PEER_MAX = 16

/**
 * A frame of who is no member, and all that it may send over one connection, with what is around
 * its frames.
 */
export const STRANGER_FRAME_MAX: number = 1 * KIB
export const STRANGER_BYTES_MAX: number = 16 * KIB
/** Connections of strangers, in all and of one address. */
export const STRANGERS_MAX = 16
export const STRANGERS_PER_ADDRESS_MAX = 4

/**
 * So long a stripe is known that somebody swept: who needs something of it has as long to say so.
 */
export const SWEPT_KEPT_MS: number = 7 * DAY_MS

/**
 * A header of a CAR file, and roots it names; one block; and blocks of one file: of 256 KiB, a TiB.
 */
export const CAR_HEADER_MAX: number = 64 * KIB
export const CAR_ROOTS_MAX = 1024
export const CAR_BLOCK_MAX: number = 8 * MIB
export const CAR_BLOCKS_MAX: number = 4 * MIB
/**
 * Maximum that one import creates: files, folders and symlinks, and bytes of files, however often
 * the same.
 */
export const IMPORT_NAMES_MAX: number = 16 * MIB
export const IMPORT_BYTES_MAX: number = 64 * MIB * MIB
/** Levels of nodes of an imported file, of a sharded folder, and of folders in folders. */
export const IMPORT_LEVELS_MAX = 1024
/** An entry of the listing in a sealed tree. */
export const SEALED_ENTRY_MAX: number = 8 * KIB

assert(STRIPE_DATA_TARGET + CHUNK_SEALED_MAX <= STRIPE_DATA_MAX, 'an open stripe must fit')
assert(ENTRY_BODY_MAX + 64 * KIB <= FRAME_MAX, 'an entry must fit in a frame')
assert(CHUNK_SEALED_MAX + 64 * KIB <= FRAME_MAX, 'a chunk must fit in a frame')
