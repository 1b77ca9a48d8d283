// The owner's calls about what happened.
import type { HistoryApi } from '../control/api.ts'
import { readHistory } from '../namespace/history.ts'
import type { NodeParts } from './parts.ts'

export function historyApi({ world, hosted: volumes, until }: NodeParts): HistoryApi {
  return {
    async *readLog(path, { signal, ...options } = {}) {
      const { hosted, parts } = volumes.at(path)
      const target = parts.length === 0 ? undefined : hosted.namespace.resolvePath(parts)
      const components = { volume: hosted.volume, clock: world.clock }
      yield* readHistory(components, { ...options, target, signal: until(signal) })
    },
  }
}
