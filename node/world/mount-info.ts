// The mounts of this machine, as /proc/self/mountinfo lists them (proc(5)).

/** The type of mounts of Shoal. */
export const MOUNT_TYPE = 'fuse.shoal'

export interface TableEntry {
  readonly folder: string
  /** For instance 'ext4' or 'fuse.shoal'. */
  readonly type: string
  /** 'major:minor', or the source where there are no such numbers. */
  readonly device: string
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

/** Space, tab, newline and backslash are written in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
