// The owner's calls about upkeep, where what is done in due time is wanted now, and about what is
// not needed any more.
import type { UpkeepApi } from '../control/upkeep.ts'
import type { NodeParts } from './parts.ts'
import type { GarbageApi } from '../control/garbage.ts'

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

export function garbageApi({ volumes, upkeep, until }: NodeParts): GarbageApi {
  return {
    async collectGarbage({ volume, signal } = {}) {
      const only = volume === undefined ? undefined : volumes.find(volume).volume.id
      const names = new Map(volumes.all().map((named) => [named.volume.id, named.name]))
      return upkeep.garbage.now({ only, nameOf: (id) => names.get(id) ?? id }, until(signal))
    },
  }
}
