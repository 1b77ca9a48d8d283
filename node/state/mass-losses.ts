// Mass losses: a member replaced or removed much of the volume within minutes. What stood at the
// moment before is kept, whatever the rule of the volume, until an admin dismisses it. Of each
// author one loss counts at a time, the oldest: so what is kept is bounded by what stood at as many
// moments as there are members.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeHlc, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { stampActor, stampHlc } from '../../protocol/clock/dot.ts'
import type { Dot, Stamp } from '../../protocol/clock/dot.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import { enforces } from '../../protocol/trust.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

/** Then the text of the dot of its op. */
export const MASS_LOSS: ByteString = STATE_PREFIXES.massLoss

/** One that was dismissed is known for so long, lest another node tells of it again. */
const DISMISSED_KEPT_MS: number = 30 * DAY_MS

export interface MassLoss {
  readonly dot: Dot
  /** The member that replaced or removed it. */
  readonly peer: PeerId
  /** The moment at which all that stood is kept. */
  readonly at: Hlc
  /** The op that tells of it, by another member or the same. */
  readonly stamp: Stamp
  readonly dismissed: Stamp | undefined
}

type MassLossOp = Extract<TreeOp, { kind: 'mass-loss' }>
type DismissOp = Extract<TreeOp, { kind: 'dismiss-loss' }>

export function applyMassLoss(
  view: StateStore,
  { peer, at }: MassLossOp,
  dot: Dot,
  stamp: Stamp,
): void {
  // A moment that is yet to come would keep what nobody has written.
  if (at >= stampHlc(stamp) && enforces('loss-is-past')) return
  if (view.get(MASS_LOSS + dot) === undefined)
    write(view, { dot, peer, at, stamp, dismissed: undefined })
}

export function applyDismissal(view: StateStore, { losses }: DismissOp, stamp: Stamp): void {
  for (const dot of losses) {
    const bytes = view.get(MASS_LOSS + dot)
    if (bytes === undefined) continue
    const loss = decode(dot, bytes)
    const { dismissed = stamp } = loss
    write(view, { ...loss, dismissed: dismissed < stamp ? dismissed : stamp })
  }
}

/** All that are known, in no order. cost: O(members) unless somebody makes them up. */
export async function massLosses(view: ReplicaView): Promise<readonly MassLoss[]> {
  const all: MassLoss[] = []
  for await (const [key, value] of view.scan(MASS_LOSS, prefixEnd(MASS_LOSS)))
    all.push(decode(dotIn(key), value))
  return all
}

/** Those that count: of each author the oldest that was not dismissed. */
export function countingLosses(all: readonly MassLoss[]): readonly MassLoss[] {
  const oldest = new Map<ActorId, MassLoss>()
  for (const loss of all) {
    if (loss.dismissed !== undefined) continue
    const author = stampActor(loss.stamp)
    const known = oldest.get(author)
    if (known === undefined || loss.stamp < known.stamp) oldest.set(author, loss)
  }
  return [...oldest.values()]
}

/** The moments at which all that stood is kept. */
export async function heldMoments(view: ReplicaView): Promise<readonly Hlc[]> {
  return countingLosses(await massLosses(view)).map(({ at }) => at)
}

/** May one be forgotten in the state at a cut? */
export function isLossOver(
  [key, value]: readonly [ByteString, Uint8Array],
  { deadBy, at }: { readonly deadBy: Hlc; readonly at: Hlc },
): boolean {
  const { dismissed } = decode(dotIn(key), value)
  if (dismissed === undefined || stampHlc(dismissed) > deadBy) return false
  return hlcMillis(at) > hlcMillis(stampHlc(dismissed)) + DISMISSED_KEPT_MS
}

function write(view: StateStore, { dot, peer, at, stamp, dismissed }: MassLoss): void {
  const end = dismissed === undefined ? null : fromByteString(dismissed)
  view.put(MASS_LOSS + dot, encodeCbor([publicKeyOf(peer), at, fromByteString(stamp), end]))
}

function decode(dot: Dot, bytes: Uint8Array): MassLoss {
  const [key, at, stamp, end] = decodeCbor(bytes, 'mass loss') as readonly [
    Uint8Array,
    unknown,
    Uint8Array,
    Uint8Array | null,
  ]
  return {
    dot,
    peer: peerIdFromPublicKey(key),
    at: decodeHlc(at),
    stamp: toByteString(stamp) as Stamp,
    dismissed: end === null ? undefined : (toByteString(end) as Stamp),
  }
}

function dotIn(key: ByteString): Dot {
  return key.slice(MASS_LOSS.length) as Dot
}
