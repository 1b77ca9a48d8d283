// Users of the machine besides root, and what they may read. For tests that run as root.
import assert from 'node:assert/strict'
import { lstatSync, readFileSync } from 'node:fs'

export interface Someone {
  readonly uid: number
  readonly gid: number
}

/** A user in no group of root's. */
export const STRANGER: Someone = { uid: 12_345, gid: 12_345 }

export function modeOf(path: string): number {
  return lstatSync(path).mode & 0o7777
}

/** The content as another user reads it; undefined if refused. */
export function readBy(who: Someone, path: string): string | undefined {
  return as(who, () => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EACCES')
      return undefined
    }
  })
}

/** Run it with the rights of somebody else. */
export function as<Result>(who: Someone, run: () => Result): Result {
  const groups = process.getgroups?.() ?? []
  process.setgroups?.([])
  process.setegid?.(who.gid)
  process.seteuid?.(who.uid)
  try {
    return run()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
    process.setgroups?.(groups)
  }
}
