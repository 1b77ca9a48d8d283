// What is mounted where, from /proc/self/mountinfo (proc(5)), which no dead or hung mount can hold up.
import { readFileSync } from 'node:fs'

export interface TableEntry {
  readonly folder: string
  /** For instance 'ext4' or 'fuse.shoal'. */
  readonly type: string
  /** 'major:minor'. */
  readonly device: string
}

/** What is mounted exactly at `folder`, an absolute path without symbolic links; the topmost if there are several. */
export function mountAt(folder: string): TableEntry | undefined {
  const table = parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'))
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

/** Space, tab, newline and backslash are written in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
