// Lists the holders of locks of files between nodes, as this node knows as one of the voters; and
// voters that are not counted.
import type { PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { LockStatus, Notice } from '../control/status.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { pathOf } from '../volume/paths.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { World } from '../world/world.ts'

export function locksOf(
  { name, volume }: NamedVolume,
  hosted: HostedVolume,
  { clock }: Pick<World, 'clock'>,
): readonly LockStatus[] {
  const [now, wall] = [clock.now(), clock.wall()]
  return hosted.lockHolders().map(({ peer, locks, since }) => ({
    volumeName: name,
    path: pathOf(hosted.namespace, locks.file) ?? '',
    family: locks.family,
    member: volume.membership.nameOf(peer),
    count: locks.held.length,
    isExclusive: locks.held.some(({ kind }) => kind === 'exclusive'),
    sinceMs: (wall - (now - since)) as WallTime,
  }))
}

/** Notices of voters that lied, or lost their vote. */
export function voterNotices(
  { name, volume }: NamedVolume,
  { strong }: HostedVolume,
  timeMs: WallTime,
): readonly Notice[] {
  const self = volume.identity.peer
  const noticeOf = (kind: Notice['kind'], peer: PeerId): Notice => {
    const member = volume.membership.nameOf(peer)
    return { kind, timeMs, volume: volume.id, volumeName: name, member, isSelf: peer === self }
  }
  const voters = strong.voters()
  const liars = voters.filter((peer) => strong.liars.has(peer))
  const isLost = voters.includes(self) && !liars.includes(self) && strong.voter.isLost
  return [
    ...liars.map((peer) => noticeOf('voter-lied', peer)),
    ...(isLost ? [noticeOf('vote-lost', self)] : []),
  ]
}
