// The owner's calls about what happened.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { HistoryApi } from '../control/history.ts'
import { formatPath } from '../volume/paths.ts'
import { readHistory } from '../tree/history.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { NodeParts } from './parts.ts'

export function historyApi({ world, hosted: volumes, until }: NodeParts): HistoryApi {
  return {
    async *readLog(path, { signal, ...options } = {}) {
      const { hosted, parts } = volumes.at(path)
      const target = parts.length === 0 ? undefined : targetAt(hosted.namespace, parts)
      const components = { volume: hosted.volume, clock: world.clock }
      yield* readHistory(components, { ...options, target, signal: until(signal) })
    },
  }
}

function targetAt(namespace: Namespace, parts: readonly string[]): ViewTarget {
  try {
    return namespace.resolvePath(parts)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    const { code, message } = asShoalError(error)
    const above = namespace.shownPath(formatPath(parts.slice(0, -1)))
    const hint = `if it was removed, give the folder that contained it, such as ${above}`
    throw new ShoalError(code, `${message}; ${hint}`, { cause: error })
  }
}
