// The table of mounts: from /proc/self/mountinfo (proc(5)), or else the output of mount(8); no dead
// or hung mount can hold up either.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { MOUNT_TYPE, parseMountInfo } from '../../world/mount-info.ts'
import type { TableEntry } from '../../world/mount-info.ts'

/**
 * The mount exactly at `folder`, an absolute path without symbolic links; the topmost if there are
 * several.
 */
export function mountAt(folder: string): TableEntry | undefined {
  const table =
    process.platform === 'linux'
      ? parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'))
      : parseMountList(spawnSync('mount', { encoding: 'latin1' }).stdout)
  const sought = Buffer.from(folder, 'utf8').toString('latin1')
  return table.findLast((entry) => entry.folder === sought)
}

/**
 * Lines of mount(8) on macOS: "SOURCE on FOLDER (TYPE, OPTIONS)". Ours has the source
 * "shoal@macfuse0".
 */
export function parseMountList(text: string): readonly TableEntry[] {
  const line = /^(?<device>\S+) on (?<folder>.+) \((?<type>[^,)]+)/gm
  return [...text.matchAll(line)].map(({ groups = {} }) => {
    const { device = '', folder = '', type = '' } = groups
    return { device, folder, type: device.startsWith('shoal@') ? MOUNT_TYPE : type }
  })
}
