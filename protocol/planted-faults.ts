// Faults that are planted to show that the simulator finds them: one name for each, asked where the
// fault would be. None is planted in a node: `test/tidy.test.ts` sees to it that only simulations
// do, for their own thread.

/** A fault, by what is wrong with it. */
export type PlantedFault =
  /** Moves may put a folder below itself. */
  | 'moves-make-cycles'
  /** Moves that are newer than one that comes late are not undone for it. */
  | 'moves-not-undone'
  /** A restart forgets what moves replaced. */
  | 'replaced-moves-forgotten'
  /** Entries lack one of their dependencies. */
  | 'dependency-left-out'
  /** Entries are published before they are durable. */
  | 'published-before-commit'
  /** A commit is not synced. */
  | 'commit-without-sync'
  /** A write is acknowledged before it is durable. */
  | 'acknowledged-before-commit'
  /** A close is acknowledged before its record is in the journal. */
  | 'acknowledged-before-journal'
  /** A restart takes records of the journal again that are in the store. */
  | 'replay-from-the-start'
  /** A restart leaves out the first record of the journal that the store lacks. */
  | 'replay-skips-a-record'
  /** A restart makes no entry of the ops that were in none. */
  | 'replay-forgets-ops'
  /** The open batch stays open when an entry is received: the bases of its ops are widened. */
  | 'received-joins-batch'
  /** Entries are stamped by the wall clock in place of the hybrid one. */
  | 'wall-clock-alone'
  /** A version replaces all known ones, not those its writer saw. */
  | 'version-replaces-unseen'
  /** The version that comes last is the only one. */
  | 'last-version-alone'
  /** A removal covers what its author had not seen. */
  | 'delete-covers-unseen'
  /** Content that was removed with its file is beside what is written to that at the same time. */
  | 'removed-content-returns'
  /** Conflict copies go with the plain name when that is removed or replaced. */
  | 'conflict-copies-go-along'
  /** The attribute that comes last wins, not the newest. */
  | 'last-attribute-wins'
  /** The extended attribute that comes last wins. */
  | 'last-xattr-wins'
  /** The extended attribute of one node wins, whatever its clock says. */
  | 'xattr-of-one-node-wins'
  /** The name that comes last wins. */
  | 'last-name-wins'
  /** An entry is applied before those that it depends on. */
  | 'applied-before-its-past'
  /** An exchange of logs leaves entries out. */
  | 'exchange-leaves-out'
  /** A lost connection is not dialled again. */
  | 'no-redial'
  /** Garbage collection knows nothing of former versions. */
  | 'former-versions-collected'
  /** A mass loss keeps nothing beyond the rule of the volume. */
  | 'mass-loss-holds-nothing'
  /** A former version ended at the op that came last, not at the earliest. */
  | 'last-ending-counts'
  /** An appender's overwrites and removals are kept by the rule of the volume alone. */
  | 'appenders-spare-nothing'
  /** A setting that keeps less holds as soon as it is made. */
  | 'shortened-at-once'
  /** A cut forgets what was replaced or removed, whatever the rule of the volume keeps. */
  | 'past-forgotten-at-once'
  /** Garbage collection knows nothing of snapshots. */
  | 'snapshots-collected'
  /** A checkpoint drops the nodes of the one before it, those of snapshots too. */
  | 'snapshots-dropped'
  /** A snapshot has all that its maker holds by the time it is computed, not what it held first. */
  | 'snapshot-of-later'
  /** A clone is another name of what it is made of. */
  | 'clone-shares-file'
  /** A checkpoint has moves that come after it. */
  | 'checkpoint-has-later-moves'
  /** Shards are dropped before their stripe is in the tier. */
  | 'given-up-before-upload'
  /** A pack is logged before it was read back. */
  | 'pack-not-read-back'
  /** A pack that was read back is not compared with what was put. */
  | 'pack-not-compared'
  /** Shards are dropped before all know that a tier has them. */
  | 'demoted-before-stable'
  /** All shards of what a tier holds are dropped, those of the floor too. */
  | 'all-shards-given-up'
  /** Unused packs are removed however young they are. */
  | 'young-packs-removed'
  /** Packs of stripes that may be used again are removed. */
  | 'revivable-packs-removed'
  /** A recall is logged before peers hold the shards. */
  | 'recalled-before-placed'
  /** Chunks are released that lie in no stripe yet. */
  | 'released-before-placed'
  /** A zone may hold any number of shards of a stripe. */
  | 'zone-limit-forgotten'
  /** A node that is merely late counts as gone. */
  | 'late-is-gone'
  /** A shard is recorded before it is put. */
  | 'recorded-before-put'
  /** A shard is acknowledged before it is durable. */
  | 'shard-acknowledged-early'
  /** A shard is recorded as moved before it is. */
  | 'given-before-taken'
  /** Peers are ranked otherwise when there are more of them. */
  | 'rank-by-count'
  /** A damaged shard is left as it is. */
  | 'damage-left'
  /** Condemned data is swept without a second look. */
  | 'swept-unseen'

let planted: PlantedFault | undefined

/** Is this fault planted in this thread? */
export function isPlanted(fault: PlantedFault): boolean {
  return planted === fault
}

/** Plants a fault in this thread for good. */
export function plantFault(fault: PlantedFault): void {
  planted = fault
}
