// The owner's calls about what is not needed any more.
import type { GarbageApi } from '../control/garbage.ts'
import type { NodeParts } from './parts.ts'

export function garbageApi({ volumes, upkeep, until }: NodeParts): GarbageApi {
  return {
    async collectGarbage({ volume, signal } = {}) {
      const only = volume === undefined ? undefined : volumes.find(volume).volume.id
      const names = new Map(volumes.all().map((named) => [named.volume.id, named.name]))
      return upkeep.garbage.now({ only, nameOf: (id) => names.get(id) ?? id }, until(signal))
    },
  }
}
