// The checks by which a node believes what others state: one name for each row of the table in docs/security.md, at the
// place in the code where that row is enforced. The hostile simulation turns single checks off to show that it notices
// (DESIGN §15); `test/tidy.test.ts` sees to it that nothing else does. Off in a thread, not in a process.

/** A row of the table. */
export type TrustRule =
  /** Decoders count items and depth over raw bytes before they build values. */
  | 'cbor-counted-first'
  /** A node of a file's list of chunks is what its parent says of it: level, bytes, holes, where it is cut. */
  | 'manifest-node'

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
