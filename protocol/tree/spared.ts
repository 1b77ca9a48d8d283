// Spares the past from appenders. Nothing that a member of this role does may cost anybody what was
// there, so the rule of the volume has no say in it: it is kept until a cut lies far enough
// back that had it. The clock of the op itself does not count for that, since its author chooses
// it; a cut that has it was made after it. A file or directory from which an appender took
// something is marked here with the last op that did: it is kept as long, whoever removes the rest
// of it. Part of the index of the dead, so it may depend on the order in which ops came where ids
// were made up; in a state that was made of the ops in the order of their stamps it does not.
import { fromByteString, hexToByteString, toByteString } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { STAMP_BYTES, stampHlc } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import { hlcMillis } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { NodeId } from '../ids.ts'
import { isPlanted } from '../planted-faults.ts'
import { DAY_MS } from '../units.ts'
import { DEAD_PREFIX } from './dead.ts'
import type { DeadKind } from './dead.ts'
import type { Link, StateStore } from './records.ts'
import { longestMs } from './version-rule.ts'
import type { Eras } from './retention.ts'

/** Begins the keys of the marks; then a kind and an id. */
export const SPARED_PREFIX: ByteString = `${DEAD_PREFIX}s`

/** The least time for which what an appender ended is kept. */
export const SPARED_MS_MIN: number = 30 * DAY_MS
/** The step of time of whose cuts the last is remembered. */
const CUTS_STEP_MS: number = 7 * DAY_MS

interface Taking {
  readonly store: StateStore
  readonly stamp: Stamp
}

function sparedKey(kind: DeadKind, id: NodeId): ByteString {
  return `${SPARED_PREFIX}${kind.charAt(0)}${hexToByteString(id)}`
}

/** An op of an appender takes something from it. */
export function spare({ store, stamp }: Taking, kind: DeadKind, id: NodeId): void {
  const key = sparedKey(kind, id)
  const known = store.get(key)
  if (known === undefined || toByteString(known) < stamp) store.put(key, fromByteString(stamp))
}

/** An op of an appender takes a name from a file. */
export function spareName(op: Taking, id: NodeId, { inode }: Pick<Link, 'inode'>): void {
  spare(op, 'link', id)
  spare(op, 'inode', inode)
}

/** Is it to be kept, for what an appender did? upTo: what they did by then is over. */
export function isSpared(
  store: StateStore,
  kind: DeadKind,
  id: NodeId,
  upTo: Hlc | undefined,
): boolean {
  const bytes = store.get(sparedKey(kind, id))
  return bytes !== undefined && isStillSpared(stampHlc(toByteString(bytes) as Stamp), upTo)
}

/** Is what an appender ended at this clock still to be kept? */
export function isStillSpared(ended: Hlc, upTo: Hlc | undefined): boolean {
  if (isPlanted('appenders-spare-nothing')) return false
  return upTo === undefined || ended > upTo
}

/** A key of SPARED_PREFIX with its stamp, once that is over. */
export function overSpared(
  [key, value]: readonly [ByteString, Uint8Array],
  upTo: Hlc | undefined,
): ByteString | undefined {
  const stamp = toByteString(value) as Stamp
  return isStillSpared(stampHlc(stamp), upTo) ? undefined : key + stamp
}

/** Forget what overSpared() told of, unless an appender took something since. */
export function forgetSpared(store: StateStore, item: ByteString): void {
  const [key, stamp] = [item.slice(0, -STAMP_BYTES), item.slice(-STAMP_BYTES)]
  const known = store.get(key)
  if (known !== undefined && toByteString(known) <= stamp) store.delete(key)
}

/**
 * Up to which clock what appenders ended may go: that of the last of these cuts that lay back, at
 * the end of some era, as far as its rules reach, and no less than SPARED_MS_MIN. HLC_ZERO is not
 * told apart from none.
 */
export function sparedUpTo(cuts: readonly Hlc[], eras: Eras): Hlc {
  const latestMs = Math.max(
    ...eras
      .filter(({ endedUpToMs }) => endedUpToMs === undefined)
      .map(({ rule, untilMs }) => untilMs - Math.max(longestMs(rule), SPARED_MS_MIN)),
  )
  return cuts.filter((cut) => hlcMillis(cut) <= latestMs).reduce(later, 0n as Hlc)
}

/**
 * The cuts to remember of these, ascending: of each step of time the last. Thinning twice is
 * thinning once, whatever is added between that is later than all.
 */
export function thinnedCuts(cuts: readonly Hlc[]): readonly Hlc[] {
  const last = new Map<number, Hlc>()
  for (const cut of cuts) {
    const step = Math.floor(hlcMillis(cut) / CUTS_STEP_MS)
    last.set(step, later(cut, last.get(step) ?? cut))
  }
  return [...last.values()].sort((a, b) => (a < b ? -1 : 1))
}

function later(a: Hlc, b: Hlc): Hlc {
  return a > b ? a : b
}
