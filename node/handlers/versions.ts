// The owner's calls about what was replaced or removed.
import { ShoalError } from '../../protocol/errors.ts'
import type { FileCallOptions } from '../control/files.ts'
import type { BringBackOptions, BroughtBack, VersionsApi } from '../control/versions.ts'
import type { BringBackOptions as Bringing } from '../volume/past-work.ts'
import type { HostedPath } from '../volume/hosted-volumes.ts'
import { purgeVersions } from '../volume/purge-versions.ts'
import { FileAccess } from './access.ts'
import { placeIn } from './conflicts.ts'
import type { NodeParts } from './parts.ts'

export function versionsApi(node: NodeParts): VersionsApi {
  const { until } = node
  const access = new FileAccess(node)
  const bringing = bringingBack(node, access)
  return {
    listVersions: (path, options = {}) =>
      access.readEach(path, options, ({ hosted, parts }) => hosted.past.versions(parts, options)),

    findVersion: (path, options = {}) =>
      access.read(path, options, async ({ hosted, parts }) =>
        hosted.past.found(await hosted.past.find(parts, options)),
      ),

    listRemoved: (path, options = {}) =>
      access.readEach(path, options, async function* ({ hosted, parts }) {
        const place = placeIn(hosted, path)
        for await (const page of hosted.past.removed(parts, until(options.signal)))
          yield page.map((item) => ({ ...item, path: place(item.path) }))
      }),

    undelete: (path, options = {}) =>
      bringing(path, options, ({ hosted, parts }, to) => hosted.bringBack.undelete(parts, to)),

    restore: (path, options = {}) =>
      bringing(path, options, ({ hosted, parts }, to) =>
        hosted.bringBack.restore(parts, options, to),
      ),

    purgeVersions: (path, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        const { namespace, past, volume } = hosted
        node.volumes.checkAdmin(volume)
        const { version } = options
        const purged = await purgeVersions({ namespace, past }, parts, { version, change })
        await hosted.acknowledge(undefined, until(options.signal))
        return purged
      }),
  }
}

type BringTo = (
  path: string,
  options: FileCallOptions & BringBackOptions,
  run: (at: HostedPath, options: Bringing) => Promise<BroughtBack>,
) => Promise<BroughtBack>

/** Durable, as the volume says, when it resolves. */
function bringingBack({ hosted: volumes, until }: NodeParts, access: FileAccess): BringTo {
  return (path, options, run) =>
    access.write(path, options, async (at, change) => {
      const signal = until(options.signal)
      const to = options.to === undefined ? undefined : volumes.at(options.to)
      if (to !== undefined && to.hosted !== at.hosted) {
        const how = 'use "shoal get --at" and "shoal put" for another volume'
        throw new ShoalError('usage', `--to must be in the volume that it is taken from; ${how}`)
      }
      const done = await run(at, { to: to?.parts, change, signal })
      await at.hosted.acknowledge(undefined, signal)
      return { ...done, path: placeIn(at.hosted, path)(done.path) }
    })
}
