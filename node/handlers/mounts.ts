// The owner's calls about mounts on this machine.
import { ShoalError } from '../../protocol/errors.ts'
import { parseSize } from '../../protocol/size.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { MountsApi } from '../control/mounts.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { parsePath } from '../volume/paths.ts'
import type { NodeParts } from './parts.ts'

export function mountsApi({ hosted: volumes, mounts, space }: NodeParts): MountsApi {
  return {
    async mount(folder, options = {}) {
      const { volume, subdir, readOnly = false, nonEmpty = false, ...more } = options
      const { allowOther = false, driver, waitMs, cacheSize, sync, ...owner } = more
      const named = await volumes.findOrCreate(volume)
      const hosted = volumes.of(named)
      hosted.checkMayRead()
      const root = subdir === undefined ? undefined : folderAt(hosted, subdir)
      const how = {
        readOnly,
        allowOther,
        nonEmpty,
        root,
        owner,
        waitMs,
        driver,
        isSynced: sync === 'always',
      }
      if (cacheSize !== undefined) await space.limitCache(parseSize(cacheSize))
      return mounts.mount(folder, hosted, { volumeName: () => volumes.nameOf(hosted), ...how })
    },

    unmount: (folder, { force = false } = {}) => mounts.unmount(folder, force),

    listMounts: async () => mounts.list(),
  }
}

/** throws ShoalError 'usage', 'ENOENT', 'ENOTDIR'. */
function folderAt({ namespace }: HostedVolume, text: string): ViewTarget {
  const { volume, parts } = parsePath(text)
  if (volume !== undefined)
    throw new ShoalError('usage', `"${text}": name the volume with --volume`)
  const target = namespace.resolvePath(parts)
  if (target.kind !== 'dir') throw new ShoalError('ENOTDIR', `${text} is not a folder`)
  return target
}
