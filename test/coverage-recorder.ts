// Records which functions of a process run, for test/journeys.test.ts: preloaded with `--import`,
// with the folder to write to in the URL's query. SIGUSR2 writes what ran since the last signal,
// and the end of the process writes the rest. A thread cannot be signalled: it writes all that it
// ever ran, again and again while it waits for events, and at its end.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import type { Profiler } from 'node:inspector'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, threadId } from 'node:worker_threads'

const root = join(import.meta.dirname, '..')
const folder = new URL(import.meta.url).searchParams.get('folder') ?? ''

const THREAD_MS = 100
const ofThread = new Set<string>()

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
mkdirSync(folder, { recursive: true })
process.on('exit', () => (isMainThread ? record('end') : recordThread()))
if (isMainThread) {
  let count = 0
  process.on('SIGUSR2', () => record(String(++count)))
} else {
  setInterval(recordThread, THREAD_MS).unref()
}

function record(name: string): void {
  write(name, taken())
}

function recordThread(): void {
  const before = ofThread.size
  for (const ran of taken()) ofThread.add(ran)
  if (ofThread.size > before) write(`thread-${process.pid}-${threadId}`, [...ofThread])
}

/** Functions that ran since the last time, as `path:name:offset`. The body of a module is none. */
function taken(): readonly string[] {
  let ran: readonly string[] = []
  session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
    ran = result.flatMap(functionsOf)
  })
  return ran
}

function write(name: string, ran: readonly string[]): void {
  const path = join(folder, name)
  writeFileSync(`${path}.part`, JSON.stringify(ran))
  renameSync(`${path}.part`, `${path}.json`)
}

function functionsOf({ url, functions }: Profiler.ScriptCoverage): string[] {
  if (!url.startsWith('file:')) return []
  const path = fileURLToPath(url)
  if (!path.startsWith(root) || path.includes('node_modules')) return []
  return functions.flatMap(({ functionName, ranges: [range] }) =>
    range === undefined || range.count === 0 || (functionName === '' && range.startOffset === 0)
      ? []
      : [`${path.slice(root.length + 1)}:${functionName}:${range.startOffset}`],
  )
}
