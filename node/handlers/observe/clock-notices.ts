// Notices of clocks that differ from this node's, of its own where it goes by the others', and of
// writes that wait until their time has come.
import type { PeerId } from '../../../protocol/ids.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Notice } from '../../control/status.ts'
import { CLOCKS_DIFFER_MS } from '../../log/volume-time.ts'
import type { Heard } from '../../sync/heard-peers.ts'
import type { NamedVolume } from '../../log/volumes.ts'

/** cost: O(members heard of) */
export function clockNotices(
  { name, volume }: NamedVolume,
  { clocksAhead, future }: Pick<Heard, 'clocksAhead' | 'future'>,
  nowMs: WallTime,
): Notice[] {
  const { membership, identity, time } = volume
  const about = { timeMs: nowMs, volume: volume.id, volumeName: name }
  const of = (peer: PeerId): Pick<Notice, 'member' | 'isSelf'> => ({
    member: membership.nameOf(peer),
    isSelf: peer === identity.peer,
  })
  const clocks = [...new Map([...clocksAhead, ...time.differences()])].filter(
    ([peer]) => membership.member(peer) !== undefined,
  )
  const { correctionMs } = time
  const right = clocks.filter(
    ([, aheadMs]) => correctionMs !== 0 && Math.abs(aheadMs - correctionMs) < CLOCKS_DIFFER_MS,
  )
  // Of two nobody can tell who is right; of more, most are.
  const isOwn = right.length > 1
  const others = isOwn ? clocks.filter((one) => !right.includes(one)) : clocks
  return [
    ...(isOwn
      ? [{ kind: 'clock', ...about, ...of(identity.peer), aheadMs: -correctionMs } as const]
      : []),
    ...others.map(
      ([peer, aheadMs]) => ({ kind: 'clock', ...about, ...of(peer), aheadMs }) as const,
    ),
    ...[...future].map(
      ([peer, { count, fromMs }]) =>
        ({
          kind: 'future',
          ...about,
          ...of(peer),
          count,
          inMs: Math.max(0, fromMs - time.now()),
        }) as const,
    ),
  ]
}
