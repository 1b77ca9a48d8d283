// The owner's calls about upkeep, where what is done in due time is wanted now.
import type { UpkeepApi } from '../control/upkeep.ts'
import type { NodeParts } from './parts.ts'

export function upkeepApi({ volumes, hosted, upkeep, until }: NodeParts): UpkeepApi {
  return {
    async *scrub({ volume, signal } = {}) {
      const only = volume === undefined ? undefined : volumes.find(volume).volume.id
      yield* upkeep.scrub.now(only, until(signal))
    },

    async repair({ volume, signal } = {}) {
      const all = volume === undefined ? [...hosted.all()] : [hosted.of(volumes.find(volume))]
      await Promise.all(all.map((each) => upkeep.of(each).repairNow(until(signal))))
    },
  }
}
