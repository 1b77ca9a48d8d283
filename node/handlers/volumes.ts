// The owner's calls about volumes and their policies.
import { pastSize } from '../tree/live-versions.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { Settings, VolumesApi } from '../control/volumes.ts'
import { applySettings, checkSettings, votersIn } from '../log/settings.ts'
import { halted } from '../log/stopped-entry.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { describeVolume, describeVolumeInfo } from './describe.ts'
import { findMember } from './find-peer.ts'
import type { NodeParts } from './parts.ts'

const NO_VOTERS_YET =
  'voters: a new volume has no member but this node; name others with "shoal volume set" once they have joined'
/** Members that are connected but do not answer are not waited for. */
const TELL_MS: number = 5 * SECOND_MS

export function volumesApi(parts: NodeParts): VolumesApi {
  const { world, volumes, hosted, swarm, until } = parts
  /**
   * All or none. Who the voters are is for those to decide who are it, so that comes first; and who
   * can be reached knows of a change of consistency when this returns.
   */
  const apply = async (
    named: NamedVolume,
    settings: Settings,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const { volume } = named
    checkSettings(settings)
    const voters = votersIn(volume, settings)
    if (voters !== undefined) await hosted.of(named).strong.changeVoters(voters, until(signal))
    await applySettings(volume, settings)
    if (settings['consistency'] === undefined) return
    const told = swarm.connectedMembers(volume).map((peer) => swarm.sync(volume, peer))
    await Promise.race([Promise.allSettled(told), world.clock.sleep(TELL_MS)])
  }
  return {
    async createVolume({ name, chunk, hash, settings = {} }, { signal } = {}) {
      // Before it is made: nothing takes a volume back.
      checkSettings(settings)
      if (settings['voters'] !== undefined) throw new ShoalError('usage', NO_VOTERS_YET)
      const named = await hosted.create(name, chunk, hash)
      await apply(named, settings, signal)
      return describeVolumeInfo(parts, named)
    },

    listVolumes: async () => volumes.all().map((named) => describeVolume(parts, named)),

    async retryVolume(text) {
      const named = volumes.find(text)
      const { volume } = named
      if (volume.stop.isHalted) throw halted()
      await volume.stop.retry()
      for (const peer of swarm.connectedMembers(volume)) swarm.syncSoon(volume, peer)
      return describeVolumeInfo(parts, named)
    },

    async volumeInfo(volume) {
      const named = volumes.find(volume)
      return { ...describeVolumeInfo(parts, named), kept: await pastSize(named.volume) }
    },

    async setVolume(volume, settings, { signal } = {}) {
      const named = volumes.find(volume)
      volumes.checkAdmin(named.volume)
      await apply(named, settings, signal)
      return describeVolumeInfo(parts, named)
    },

    renameVolume: async (volume, name) =>
      describeVolumeInfo(parts, await volumes.rename(volume, name)),

    async acceptCheckpoint(peer, { volume } = {}) {
      const named = volumes.find(volume)
      await swarm.acceptCheckpoint(named.volume, findMember(peer, named).peer)
      return describeVolumeInfo(parts, named)
    },
  }
}
