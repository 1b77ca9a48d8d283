// The owner's calls about upkeep, where what is done in due time is wanted now, and about what is
// not needed any more.
import { ShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { UpkeepApi } from '../control/upkeep.ts'
import type { NodeParts } from './parts.ts'
import type { GarbageApi } from '../control/garbage.ts'

/** Between two words about how far a collection is. */
const TELL_EVERY_MS: number = SECOND_MS / 2

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

export function garbageApi({ world, volumes, upkeep, until }: NodeParts): GarbageApi {
  return {
    async *collectGarbage({ volume, signal } = {}) {
      const only = volume === undefined ? undefined : volumes.find(volume).volume.id
      const names = new Map(volumes.all().map((named) => [named.volume.id, named.name]))
      const brokenOff = new AbortController()
      const scope = AbortSignal.any([until(signal), brokenOff.signal])
      const nameOf = (id: VolumeId): string => names.get(id) ?? id
      const work = upkeep.garbage.now({ only, nameOf }, scope)
      let isDone = false
      const done = work.then(
        () => void (isDone = true),
        () => void (isDone = true), // thrown below
      )
      try {
        while (!isDone) {
          await Promise.race([done, world.clock.sleep(TELL_EVERY_MS, { signal: scope })])
          const { progress } = upkeep.garbage
          if (progress !== undefined) yield [{ kind: 'progress', ...progress }]
        }
        yield [{ kind: 'done', ...(await work) }]
      } finally {
        brokenOff.abort(new ShoalError('aborted', 'nobody waits for the collection any more'))
        await done
      }
    },
  }
}
