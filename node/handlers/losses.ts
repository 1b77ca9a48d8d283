// The owner's calls about mass losses.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { stampActor, stampMs } from '../../protocol/clock/dot.ts'
import type { LossInfo, LossesApi } from '../control/losses.ts'
import { authorOf } from '../log/security-records.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { MassLoss } from '../state/mass-losses.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { NodeParts } from './parts.ts'

export function lossesApi({ volumes, hosted, until }: NodeParts): LossesApi {
  return {
    async listLosses({ volume: name } = {}) {
      const named = name === undefined ? volumes.all() : [volumes.find(name)]
      return named.flatMap((one) => describeLosses(hosted.of(one), one))
    },

    async dismissLosses({ volume: name, signal } = {}) {
      const named = volumes.find(name)
      const { volume } = named
      volumes.checkAdmin(volume)
      const here = hosted.of(named)
      const dismissed = describeLosses(here, named)
      const losses = here.massLosses.counting.map(({ dot }) => dot)
      if (losses.length === 0) return []
      await here.changing(until(signal))(() => volume.submit({ kind: 'dismiss-loss', losses }))
      await volume.commit()
      return dismissed
    },
  }
}

/** Those of a volume that count, one of each member, the oldest first. */
export function describeLosses(
  { massLosses }: HostedVolume,
  { name, volume }: NamedVolume,
): readonly LossInfo[] {
  const { membership } = volume
  const describe = ({ peer, at, stamp }: MassLoss): LossInfo => {
    const teller = authorOf(volume, stampActor(stamp))
    return {
      volume: name,
      member: membership.nameOf(peer),
      toldBy: teller === undefined ? 'unknown' : membership.nameOf(teller),
      atMs: hlcMillis(at),
      toldMs: stampMs(stamp),
    }
  }
  const all = massLosses.counting.map(describe).sort((a, b) => a.atMs - b.atMs)
  return all.filter(({ member }, index) => all.findIndex((one) => one.member === member) === index)
}
