// The mounts of this machine, as tests and their runner look for what was left behind.
import { readFileSync } from 'node:fs'
import { parseMountInfo } from '../node/world/mount-info.ts'

/** The mounts below a folder, those within others first. None where there is no /proc. */
export function mountsBelow(folder: string): readonly string[] {
  if (process.platform !== 'linux') return []
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'))
    .map((mount) => Buffer.from(mount.folder, 'latin1').toString('utf8'))
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse()
}
