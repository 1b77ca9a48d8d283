// The owner's calls about the log of the node.
import { ShoalError } from '../../../protocol/errors.ts'
import type { LogsApi } from '../../control/observe/logs.ts'
import { readLog, setLevel } from '../../observe/log-reader.ts'
import type { NodeParts } from '../parts.ts'

export function logsApi({ logs, until }: NodeParts): LogsApi {
  const own = (): NonNullable<NodeParts['logs']> => {
    if (logs !== undefined) return logs
    throw new ShoalError('unsupported', 'this node writes no log')
  }
  return {
    async *readLogs({ signal, transfers = false, ...options } = {}) {
      const { log, source } = transfers ? own().transfers : own()
      yield* readLog(log, source, { ...options, signal: until(signal) })
    },
    logLevels: () => Promise.resolve().then(() => Object.fromEntries(own().log.levels)),
    setLogLevel: (part, level) => Promise.resolve().then(() => setLevel(own().log, part, level)),
  }
}
