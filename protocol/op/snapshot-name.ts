// Names of snapshots: names of a file on any system.
import { SNAPSHOT_NAME_MAX } from '../limits.ts'
import type { WallTime } from '../units.ts'

/** A time as names have it, to the second: "2026-11-24T17:30:05Z". */
export function timeInName(atMs: WallTime): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`
}

/** Begins with a letter, a digit or "_". */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}\p{M} ._:+-]*$/u

export function isSnapshotName(name: string): boolean {
  return name.length <= SNAPSHOT_NAME_MAX && NAME.test(name) && !/[ .]$/.test(name)
}
