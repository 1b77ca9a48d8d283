// Homes that exist twice, or did, as the log of a volume tells: then one peer writes under more
// identities than it should. A chain that forked was written by two. Of its own identities a node
// knows more: besides the one that it writes under, and that of its strong writes, there are those
// that it had before it was restored or copied; if such a one goes on, a copy runs.
import { HLC_ZERO, hlcMillis } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Notice } from '../../control/status.ts'
import type { Actor } from '../../replica/actors.ts'
import type { Volume } from '../../log/volume.ts'
import { clockNotices } from './clock-notices.ts'
import type { Heard } from '../../sync/heard-peers.ts'
import type { NamedVolume } from '../../log/volumes.ts'

/** Notices older than this are known by then. */
const TOLD_MS: number = 30 * DAY_MS

/** cost: O(actors, and of one peer its square) */
export function noticesOf(
  named: NamedVolume,
  { nowMs, refusedBy, ...clocks }: Heard & { readonly nowMs: WallTime },
): Notice[] {
  const { name, volume } = named
  const self = volume.identity.peer
  const byPeer = Map.groupBy(volume.actors.all(), ({ peer }) => peer)
  const noticeOf = (kind: Notice['kind'], peer: PeerId, lastHlc: Hlc | undefined): Notice[] => {
    if (lastHlc === undefined || hlcMillis(lastHlc) < nowMs - TOLD_MS) return []
    const member = volume.membership.nameOf(peer)
    const about = { volume: volume.id, volumeName: name, member, isSelf: peer === self }
    return [{ kind, timeMs: hlcMillis(lastHlc), ...about }]
  }
  const own = byPeer.get(self) ?? []
  const notices = [...byPeer].flatMap(([peer, actors]) =>
    noticeOf('copies', peer, lastOf([...forked(volume, actors), ...ownCopies(volume, own, peer)])),
  )
  const about = { timeMs: nowMs, volume: volume.id, volumeName: name }
  const { membership } = volume
  for (const peer of refusedBy.slice(0, 1))
    notices.push({ kind: 'removed', ...about, isSelf: true, member: membership.nameOf(peer) })
  notices.push(...clockNotices(named, clocks, nowMs))
  const isCopied = notices.some(({ kind, isSelf }) => kind === 'copies' && isSelf)
  return isCopied ? notices : [...notices, ...noticeOf('restored', self, restored(volume, own))]
}

/** The times of forked chains at which two of their branches were last written. */
function forked(volume: Volume, actors: readonly Actor[]): Hlc[] {
  const chains = Map.groupBy(actors, ({ id }) => volume.branches.actor(id))
  return [...chains.values()].flatMap((branches) => {
    const [, second] = branches.map(({ hlc }) => hlc).sort((a, b) => (a > b ? -1 : 1))
    return second === undefined ? [] : [second]
  })
}

/** When a former identity of this node was last written beside the one that it has. */
function ownCopies(volume: Volume, own: readonly Actor[], peer: PeerId): Hlc[] {
  const current = own.find(({ id }) => id === volume.actor)
  if (current === undefined || peer !== current.peer) return []
  return formerOf(volume, own)
    .filter((other) => areBothWritten(volume, current, other))
    .map((other) => (other.hlc < current.hlc ? other.hlc : current.hlc))
}

/** When this node began to write under the identity that it has; undefined if that is its first. */
function restored(volume: Volume, own: readonly Actor[]): Hlc | undefined {
  const former = formerOf(volume, own)
  const current = own.find(({ id }) => id === volume.actor)
  const start = current === undefined ? undefined : startOf(volume, current)
  // Not written yet, or dropped since: it was after what it wrote before.
  return former.length === 0 ? undefined : (start ?? lastOf(former.map(({ hlc }) => hlc)))
}

function formerOf(volume: Volume, own: readonly Actor[]): Actor[] {
  return own.filter(({ id }) => id !== volume.actor && id !== volume.tentative.actor)
}

/** Each has seen the other, or went on after the other had begun. */
function areBothWritten(volume: Volume, a: Actor, b: Actor): boolean {
  if (a.seen.has(b.id) && b.seen.has(a.id)) return true
  const [startA, startB] = [startOf(volume, a), startOf(volume, b)]
  // Dropped is what was long ago; of two such nothing is told.
  if (startA === undefined && startB === undefined) return false
  return a.hlc > (startB ?? HLC_ZERO) && b.hlc > (startA ?? HLC_ZERO)
}

function startOf(volume: Volume, { id }: Actor): Hlc | undefined {
  return volume.entries.entry(id, volume.branches.firstSeq(id))?.header.hlc
}

function lastOf(times: readonly Hlc[]): Hlc | undefined {
  return times.toSorted((a, b) => (a > b ? -1 : 1))[0]
}
