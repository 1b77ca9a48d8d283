// The table of mounts: from /proc/self/mountinfo (proc(5)), or else the output of mount(8); no dead
// or hung mount can hold up either.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { MOUNT_TYPE } from './mounter.ts'

export interface TableEntry {
  readonly folder: string
  /** For instance 'ext4' or 'fuse.shoal'. */
  readonly type: string
  /** 'major:minor', or the source where there are no such numbers. */
  readonly device: string
}

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

/** Paths are byte strings. Lines that do not parse are left out. */
export function parseMountInfo(text: string): readonly TableEntry[] {
  const line = /^\d+ \d+ (?<device>\d+:\d+) \S+ (?<folder>\S+) .*?- (?<type>\S+) /gm
  return [...text.matchAll(line)].map(({ groups = {} }) => ({
    device: groups['device'] ?? '',
    folder: unescape(groups['folder'] ?? ''),
    type: groups['type'] ?? '',
  }))
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

/** Space, tab, newline and backslash are written in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
