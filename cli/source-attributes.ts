// The attributes of a file of this machine that its copy in the namespace gets.
import type { BigIntStats } from 'node:fs'

const PERMISSIONS = 0o7777n

export function attributesOf(stat: BigIntStats): {
  readonly mode: number
  readonly modifiedNs: bigint
} {
  return { mode: Number(stat.mode & PERMISSIONS), modifiedNs: stat.mtimeNs }
}
