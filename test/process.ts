// Imported by each process of a test run before all else. Compiled sources are kept beside the
// packages, so that a test file starts in a third less CPU time; apart from the cache of the
// command, which runs with other flags of V8. Packages are loaded bundled (packages.ts). The files
// of test/node sign as simulations do (simulations/signed.ts), for up to a quarter less CPU time;
// test/protocol, test/cluster and test/hostile have the true signatures. And a file's process notes
// at its end what it took.
//
// The test runner follows each promise that a test makes, to say which test an uncaught error is
// of. That takes a fifth of the CPU time of simulations: here such an error fails the whole file.
import asyncHooks from 'node:async_hooks'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { signCheaply } from '../simulations/patches.ts'
import './load-packages.ts'
import { TIMES, noteTime } from './times.ts'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'tests'))
// The file, or a group of such files.
if (/\btest[/-]node[/-]/.test(process.argv[1] ?? '')) signCheaply()

const { createHook } = asyncHooks
asyncHooks.createHook = (callbacks) => (isOfRunner() ? createHook({}) : createHook(callbacks))

// A CI may ask programs for colours (CI, FORCE_COLOR); tests compare plain text.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  process.env['NO_COLOR'] = '1'
  delete process.env['FORCE_COLOR']
}

const folder = process.env[TIMES]
// The runner has it, too, and is no test.
const isTest = process.env['NODE_TEST_CONTEXT'] !== undefined && isMainThread
if (isTest && folder !== undefined && process.platform === 'linux') {
  // Its children are counted with it.
  delete process.env[TIMES]
  process.on('exit', () => noteTime(process.argv[1] ?? '', folder))
}

/** Does the test runner ask for a hook? */
function isOfRunner(): boolean {
  return new Error('to see who calls').stack?.includes('test_runner') === true
}
