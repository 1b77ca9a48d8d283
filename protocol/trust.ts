// The checks by which a node believes what others state: one name for each row of the table in docs/security.md, at the
// place in the code where that row is enforced. The hostile simulation turns single checks off to show that it notices
// (DESIGN §15); `test/tidy.test.ts` sees to it that nothing else does. Off in a thread, not in a process.

/** A row of the table. */
export type TrustRule =
  /** Decoders count items and depth over raw bytes before they build values. */
  | 'cbor-counted-first'
  /** A cold tier is opened only where the machine's own owner agreed to just that place. */
  | 'tier-agreed'
  /** The head of a backup counts only with the signature of the member that it names, who may write, and not from the future. */
  | 'backup-head-signed'
  /** What another member's head tells is compared with what this node holds before it counts as a backup. */
  | 'backup-head-true'
  /** A member announces heads of its own only. */
  | 'backup-word-own'

const off = new Set<TrustRule>()

/** Is this check made? True in every node that is not part of a simulation that plants the weakness. */
export function enforces(rule: TrustRule): boolean {
  return !off.has(rule)
}

/** Turn a check off in this thread, for simulations and their tests. returns what turns it on again. */
export function plantWeakness(rule: TrustRule): () => void {
  off.add(rule)
  return () => off.delete(rule)
}
