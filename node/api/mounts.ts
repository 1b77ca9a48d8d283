// The owner's calls about mounts on this machine.
import type { MountsApi } from '../control/api.ts'
import type { NodeParts } from './parts.ts'

export function mountsApi({ hosted: volumes, mounts }: NodeParts): MountsApi {
  return {
    async mount(folder, { volume, readOnly = false, allowOther } = {}) {
      const named = await volumes.findOrCreate(volume)
      const hosted = volumes.of(named)
      hosted.checkMayRead()
      return mounts.mount(folder, hosted, { volumeName: named.name, readOnly, allowOther })
    },

    unmount: (folder, { force = false } = {}) => mounts.unmount(folder, force),

    listMounts: async () => mounts.list(),
  }
}
