// How much of a stripe stays with peers once a cold tier holds it: a volume's setting.
import type { Code } from '../placement/redundancy.ts'

/** Nothing, as much as makes one copy, or all shards. */
export type Keep = 'none' | 'copies1' | 'all'

/** Shards that stay with peers. */
export function floorOf(keep: Keep, { k, m }: Code): number {
  return { none: 0, copies1: k, all: k + m }[keep]
}
