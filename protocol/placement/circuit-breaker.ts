// When so much vanishes at once that it looks like a partition, and not like machines that broke:
// to rebuild it all would be a storm for nothing. Then only what has no shard to spare is repaired,
// until it is clear that nobody comes back. Decided from silences alone, so a node that has just
// started is as careful as any.

/** More than this share of the members, and at least two, within one grace: that is no chance. */
const SHARE_MAX = 0.15
const COUNT_MIN = 2
/** The brake is released so many graces after the last of them vanished. */
export const BREAKER_GRACES = 2

/**
 * silencesMs: of each member that may hold shards, for how long nothing is heard of it; 0 for who
 * is there.
 */
export function isBreakerOpen(silencesMs: readonly number[], graceMs: number): boolean {
  const away = silencesMs.filter((silentMs) => silentMs > 0).toSorted((a, b) => a - b)
  if (2 * (silencesMs.length - away.length) < silencesMs.length) return true
  // Counts the peers that vanished within one grace before or with the latest of them.
  return away.some((latestMs, at) => {
    const together = away.filter((silentMs, i) => i >= at && silentMs <= latestMs + graceMs).length
    const isMuch = together >= COUNT_MIN && together > SHARE_MAX * silencesMs.length
    return isMuch && latestMs < BREAKER_GRACES * graceMs
  })
}
