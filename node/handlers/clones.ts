// The owner's calls about copies: of files and folders, which share their content, and of volumes.
import { ShoalError } from '../../protocol/errors.ts'
import type { CloneEvent, ClonesApi } from '../control/clones.ts'
import type { Settings } from '../control/volumes.ts'
import { clone } from '../clones/clone.ts'
import type { CloneComponents, CloneOptions } from '../clones/clone.ts'
import { checkEmpty, cloneVolume } from '../clones/clone-volume.ts'
import { applySettings, settingsOf } from '../log/settings.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { FileAccess } from './access.ts'
import { describeVolumeInfo } from './describe.ts'
import { eventsOf } from './events-of.ts'
import type { NodeParts } from './parts.ts'

/**
 * Settings that a copy of a volume does not take over: what members, voters and tiers it has is
 * said anew, and how durable or agreed a write is depends on these.
 */
const OWN_SETTINGS: readonly string[] = [
  'ack',
  'consistency',
  'locks',
  'voters',
  'cold',
  'cold-after',
  'cold-tier',
  'keep',
  'snapshots',
]

const BRAKE = 'mass-loss'

export function clonesApi(node: NodeParts): ClonesApi {
  const { hosted: volumes, swarm, until, world } = node
  const access = new FileAccess(node)
  const presentOf =
    ({ volume }: HostedVolume): CloneComponents['withPresent'] =>
    (run) =>
      swarm.snapshots(volume).withPresent(run)
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
        const components = { hosted, world, withPresent: presentOf(hosted) }
        return eventsOf<CloneEvent>(until(options.signal), async (emit, signal) => {
          const onProgress: CloneOptions['onProgress'] = (made) =>
            emit({ kind: 'progress', ...made })
          const kept = until(undefined)
          const how = { from, to: place.parts, moment, change, onProgress, signal, kept }
          const done = await clone(components, how)
          await hosted.acknowledge(undefined, signal)
          emit({ kind: 'done', ...done })
        })
      }),

    async *cloneVolume(volume, name, { snapshot, signal: asked } = {}) {
      const from = volumes.of(node.volumes.find(volume))
      from.checkMayRead()
      // Before a volume is made for it.
      if (snapshot !== undefined) await from.snapshots.at([], snapshot)
      const to = await emptyVolume(node, from, name)
      const brake = brakeOf(to) === 'off' ? brakeOf(from) : brakeOf(to)
      // Taking back a clone that was broken off is no loss.
      await applySettings(to.volume, { [BRAKE]: 'off' })
      const components = { from, to, world, withPresent: presentOf(from) }
      yield* eventsOf<CloneEvent>(until(asked), async (emit, signal) => {
        const done = await cloneVolume(components, {
          snapshot,
          onProgress: (made) => emit({ kind: 'progress', ...made }),
          signal,
          kept: until(undefined),
        })
        await applySettings(to.volume, { [BRAKE]: brake })
        await to.volume.commit()
        emit({ kind: 'done', ...done })
      })
    },
  }
}

function brakeOf({ volume }: HostedVolume): string {
  return settingsOf(volume)[BRAKE] ?? 'off'
}

/** One that is there, or is made now, as another is. throws 'EEXIST', 'EACCES'. */
async function emptyVolume(
  node: NodeParts,
  like: HostedVolume,
  name: string,
): Promise<HostedVolume> {
  const { hosted, volumes } = node
  const known = volumes.all().find((one) => one.name === name)
  if (known !== undefined) {
    const found = hosted.of(known)
    checkEmpty(found)
    volumes.checkAdmin(found.volume)
    return found
  }
  const { chunk, hash, settings } = describeVolumeInfo(node, volumes.find(like.volume.id))
  const made = await hosted.create(name, chunk, hash)
  const own = settingsOf(made.volume)
  const taken: Settings = Object.fromEntries(
    Object.entries(settings).filter(
      ([key, value]) => !OWN_SETTINGS.includes(key) && value !== own[key],
    ),
  )
  await applySettings(made.volume, taken)
  return hosted.of(made)
}
