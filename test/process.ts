// Imported by each process of a test run before all else. Compiled sources are kept beside the
// packages, so that a test file starts in a third less CPU time; apart from the cache of the
// command, which runs with other flags of V8. And a file's process notes at its end what it took.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { TIMES, noteTime } from './times.ts'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'tests'))

const folder = process.env[TIMES]
// The runner has it, too, and is no test.
const isTest = process.env['NODE_TEST_CONTEXT'] !== undefined && isMainThread
if (isTest && folder !== undefined && process.platform === 'linux') {
  // Its children are counted with it.
  delete process.env[TIMES]
  process.on('exit', () => noteTime(process.argv[1] ?? '', folder))
}
