// The owner's calls about conflicts.
import type { Conflict, ConflictsApi } from '../control/conflicts.ts'
import {
  conflictAt,
  conflictsBelow,
  keepConflict,
  moreOfConflict,
} from '../volume/conflict-resolution.ts'
import { parsePath } from '../volume/paths.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { pagesOf } from '../world/paging.ts'
import type { NodeParts } from './parts.ts'

const PAGE = 64
/** Maximum of removed versions that are listed. */
const REMOVED_MAX = 1024

export function conflictsApi({ hosted: volumes, until }: NodeParts): ConflictsApi {
  return {
    async *listConflicts(path, { signal } = {}) {
      const { hosted, parts } = volumes.at(path)
      const ended = until(signal)
      const place = placeIn(hosted, path)
      const found = async function* (): AsyncGenerator<Conflict> {
        for await (const conflict of conflictsBelow(hosted.namespace, parts)) {
          ended.throwIfAborted()
          yield inVolume(place, conflict)
        }
      }
      yield* pagesOf(found(), PAGE)
    },

    async showConflict(path, { from } = {}) {
      const { hosted, parts } = volumes.at(path)
      const { namespace } = hosted
      const found =
        from === undefined ? conflictAt(namespace, parts) : moreOfConflict(namespace, parts, from)
      return inVolume(placeIn(hosted, path), found)
    },

    async keepConflict(path, { signal } = {}) {
      const { hosted, parts } = await volumes.atForWriting(path)
      const change = hosted.changing(until(signal))
      const removed: string[] = []
      let kept: ReturnType<typeof keepConflict> = { path, removed, next: parts }
      while (kept.next !== undefined) {
        const side = kept.next
        kept = await change(() => keepConflict(hosted.namespace, side))
        if (removed.length < REMOVED_MAX) removed.push(...kept.removed)
      }
      await hosted.volume.commit()
      const place = placeIn(hosted, path)
      return { path: place(kept.path), removed: removed.map(place) }
    },
  }
}

/** A path as an answer has it: with the volume if the call named that. */
export type Place = (path: string) => string

function inVolume(place: Place, { path, sides, moreCount }: Conflict): Conflict {
  return {
    path: place(path),
    moreCount,
    sides: sides.map((side) => ({
      ...side,
      path: place(side.path),
      ...(side.moveTo !== undefined && { moveTo: place(side.moveTo) }),
    })),
  }
}

/** Answers name the volume where the question does, or there are several. */
export function placeIn({ namespace }: HostedVolume, asked: string): Place {
  const { volume } = parsePath(asked)
  return volume === undefined ? namespace.shownPath : (path) => `${volume}:${path}`
}
