// Which bytes of a file somebody has locked, as fcntl(2) says: a new lock takes the place of what
// they held of its range, so a lock is split, made smaller, and joined with what it touches.
// Invariant of HeldLocks: sorted, disjoint, none empty, neighbours of one kind joined; so what
// holds the same is equal.

/** Any number of holders share one; who has the other is alone. */
export type LockKind = 'shared' | 'exclusive'

/** Bytes from `start` up to but without `end`; LOCK_END is behind all that a file may ever have. */
export interface LockRange {
  readonly start: number
  readonly end: number
}

export interface HeldLock extends LockRange {
  readonly kind: LockKind
}

export type HeldLocks = readonly HeldLock[]

export const LOCK_END: number = Number.MAX_SAFE_INTEGER

/** The locks after locking a range, which is not empty; `kind` undefined unlocks it. */
export function withLock(
  held: HeldLocks,
  { start, end }: LockRange,
  kind: LockKind | undefined,
): HeldLocks {
  const before = held.flatMap((lock) => cut(lock, 0, start))
  const after = held.flatMap((lock) => cut(lock, end, LOCK_END))
  const now = kind === undefined ? [] : [{ start, end, kind }]
  return joined([...before, ...now, ...after])
}

/** The union of several holders' locks, the stronger kind where they overlap. */
export function together(all: readonly HeldLocks[]): HeldLocks {
  const locks = all.flat()
  const edges = [
    ...locks.map(({ start, kind }) => ({ at: start, kind, change: 1 })),
    ...locks.map(({ end, kind }) => ({ at: end, kind, change: -1 })),
  ].sort((a, b) => a.at - b.at)
  const open = { shared: 0, exclusive: 0 }
  const out: HeldLock[] = []
  let from = 0
  for (const { at, kind, change } of edges) {
    const strongest = open.exclusive > 0 ? 'exclusive' : 'shared'
    if (open[strongest] > 0 && from < at) out.push({ start: from, end: at, kind: strongest })
    open[kind] += change
    from = at
  }
  return joined(out)
}

/** The first of `held` that somebody else cannot have beside `wanted`. */
export function inTheWay(held: HeldLocks, wanted: HeldLocks): HeldLock | undefined {
  return held.find((lock) =>
    wanted.some(
      (other) =>
        lock.start < other.end &&
        other.start < lock.end &&
        (lock.kind === 'exclusive' || other.kind === 'exclusive'),
    ),
  )
}

/** Has who holds `held` all of `wanted`, as strong or stronger? */
export function includes(held: HeldLocks, wanted: HeldLocks): boolean {
  return wanted.every((lock) => {
    let at = lock.start
    for (const { start, end, kind } of held) {
      if (end <= at) continue
      if (at >= lock.end || start > at || (kind === 'shared' && lock.kind !== kind)) break
      at = end
    }
    return at >= lock.end
  })
}

export function sameLocks(a: HeldLocks, b: HeldLocks): boolean {
  return (
    a.length === b.length &&
    a.every(({ start, end, kind }, at) => {
      const other = b[at]
      return start === other?.start && end === other.end && kind === other.kind
    })
  )
}

/** The part of a lock between two bytes. */
function cut(lock: HeldLock, from: number, to: number): readonly HeldLock[] {
  const start = Math.max(lock.start, from)
  const end = Math.min(lock.end, to)
  return start < end ? [{ start, end, kind: lock.kind }] : []
}

function joined(locks: HeldLocks): HeldLocks {
  const out: HeldLock[] = []
  for (const lock of locks) {
    const last = out.at(-1)
    if (last?.end === lock.start && last.kind === lock.kind)
      out[out.length - 1] = { ...last, end: lock.end }
    else out.push(lock)
  }
  return out
}
