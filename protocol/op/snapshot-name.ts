// Names of snapshots: names of a file on any system.
import { SNAPSHOT_NAME_MAX } from '../limits.ts'

/** Begins with a letter, a digit or "_". */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}\p{M} ._:+-]*$/u

export function isSnapshotName(name: string): boolean {
  return name.length <= SNAPSHOT_NAME_MAX && NAME.test(name) && !/[ .]$/.test(name)
}
