// The owner's calls about copies that share their content.
import { ShoalError } from '../../protocol/errors.ts'
import type { CloneEvent, ClonesApi } from '../control/clones.ts'
import { clone } from '../clones/clone.ts'
import type { CloneComponents } from '../clones/clone.ts'
import { FileAccess } from './access.ts'
import { eventsOf } from './events-of.ts'
import type { NodeParts } from './parts.ts'

export function clonesApi(node: NodeParts): ClonesApi {
  const { hosted: volumes, swarm, until, world } = node
  const access = new FileAccess(node)
  return {
    clone: (path, to, options = {}) =>
      access.writeEach(path, options, ({ hosted, parts: from }, change) => {
        const place = volumes.at(to)
        if (place.hosted !== hosted) {
          const how = 'use "shoal get" and "shoal put" for another'
          throw new ShoalError('usage', `a clone lies in the volume of its source; ${how}`)
        }
        hosted.checkMayWrite()
        const { atMs, version } = options
        const moment = atMs === undefined && version === undefined ? undefined : { atMs, version }
        const withPresent: CloneComponents['withPresent'] = (run) =>
          swarm.snapshots(hosted.volume).withPresent(run)
        return eventsOf<CloneEvent>(until(options.signal), async (emit, signal) => {
          const done = await clone(
            { hosted, world, withPresent },
            {
              from,
              to: place.parts,
              moment,
              change,
              onProgress: (made) => emit({ kind: 'progress', ...made }),
              signal,
              kept: until(undefined),
            },
          )
          await hosted.acknowledge(undefined, signal)
          emit({ kind: 'done', ...done })
        })
      }),
  }
}
