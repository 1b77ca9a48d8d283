// The checks by which a node believes what others state: one name for each row of the table in
// docs/security.md, at the place in the code where that row is enforced. The hostile simulation
// turns single checks off to show that it notices; `test/tidy.test.ts` sees to it that
// nothing else does. Off in a thread, not in a process.

/** A row of the table. */
export type TrustRule =
  /** A checkpoint counts once enough members, an admin among them, attest it. */
  | 'checkpoint-attested'
  /**
   * A member that is heard of and confirms nothing new loses its say on cuts, and a beacon from the
   * future is ignored.
   */
  | 'beacons-advance'
  /** The time of a volume moves only by what most of its writers say, or half by a day at most. */
  | 'time-by-majority'
  /** An op has no effect unless the role that it was written under allows it. */
  | 'op-by-role'
  /** An object named by an op exists for it if its writer had seen its creation. */
  | 'ids-seen'
  /**
   * A version is left out of history, as one of many of an open file, only by what its own author
   * writes on.
   */
  | 'goes-on-own'
  /** Contents and names that an appender ended are kept, whatever the rule of the volume. */
  | 'appends-only'
  /** A mass loss is told of after it: nothing is held from a moment that is yet to come. */
  | 'loss-is-past'
  /** A snapshot holds what this node computes, if it can, whatever its maker says. */
  | 'snapshot-by-own'
  /** Decoders count items and depth over raw bytes before they build values. */
  | 'cbor-counted-first'
  /** An entry with a clear body that is no batch within its bounds is refused. */
  | 'clear-body-decodes'
  /** Log entries beyond the growth limit of a member's role wait. */
  | 'log-growth-bounded'
  /**
   * A node of a file's list of chunks is what its parent says of it: level, bytes, holes, where it
   * is cut.
   */
  | 'manifest-node'
  /** Strangers reach the join protocol alone. */
  | 'strangers-only-join'
  /** Removed members reach the join protocol alone. */
  | 'removed-only-join'
  /** The gate is open to strangers only while a ticket may still be used. */
  | 'gate-needs-ticket'
  /** Gossip of a volume is heard from its members, and told to them, alone. */
  | 'gossip-by-members'
  /** An announced entry is passed on only if its author has signed it. */
  | 'heads-signed'
  /** Only members are kept as peers, and told of. */
  | 'members-only-kept'
  /** Shards and chunks are given to members of the volume that they are of. */
  | 'shards-by-volume'
  /** A member has no more free space than the log says that it offers. */
  | 'space-within-capacity'
  /** A peer that costs more than it may is cut off. */
  | 'costs-within-budget'
  /** The head of a security log is that of the node whose signature it has. */
  | 'security-head-signed'
  /** A ticket lets in while it has uses left, is not expired and was not taken back. */
  | 'ticket-open'
  /** A cold tier is opened only where the machine's own owner agreed to just that place. */
  | 'tier-agreed'
  /**
   * The head of a backup counts only with the signature of the member that it names, who may write,
   * and not from the future.
   */
  | 'backup-head-signed'
  /** Another member's head is compared with the state of this node before it counts as a backup. */
  | 'backup-head-true'
  /** A member announces heads of its own only. */
  | 'backup-word-own'
  /** A voter promises and accepts for members who may write. */
  | 'votes-for-writers'
  /** A voter's promises go up in steps that never reach the last ballot. */
  | 'ballots-in-steps'
  /** A voter lets no proposer outbid the others again and again. */
  | 'turns-to-propose'
  /** A value is accepted, or believed of one voter, only with the signed promises of a quorum. */
  | 'votes-have-grounds'
  /** Voters are those that an admin named. */
  | 'voters-are-named'
  /** Peers that signed two contradictory statements are not counted. */
  | 'liars-do-not-count'
  /** A session of locks is of the member that opened it. */
  | 'lock-sessions-by-member'
  /**
   * A member holds no more locks than its share, and who may only read holds up nobody for long.
   */
  | 'locks-within-share'
  /** Holding a shard is reported by the holder alone, or by others with its receipt. */
  | 'holders-speak'
  /** A doubt about another's shard counts when the holder did not show it to this node. */
  | 'doubt-checked'
  /**
   * A chunk counts as elsewhere only in a stripe that is verified, of which k holders have just
   * answered.
   */
  | 'dedup-verified'
  /**
   * Swept data is dropped when the log is stable up to there, and this node found no reference, or
   * long after.
   */
  | 'sweep-confirmed'
  /** Data reported to be in a tier is dropped here once the tier has shown it, or long after. */
  | 'cold-shown'
  /** A holder lets go of its shard when another has shown that it has it. */
  | 'trim-challenged'
  /** Shards that no stripe of the log names are taken within bounds only. */
  | 'unlogged-bounded'
  /** How many traces a node tells of is its own settings', whatever contexts its peers send. */
  | 'traces-by-own'

const off = new Set<TrustRule>()

/**
 * Is this check made? True in every node that is not part of a simulation that plants the weakness.
 */
export function enforces(rule: TrustRule): boolean {
  return !off.has(rule)
}

/**
 * Turn a check off in this thread, for simulations and their tests. returns what turns it on again.
 */
export function plantWeakness(rule: TrustRule): () => void {
  off.add(rule)
  return () => off.delete(rule)
}
