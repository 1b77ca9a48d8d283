#!/usr/bin/env node
// Starts the command on a Node that can run it: in this process if its Node is new enough, else as
// a child on the one installed beside the command. Plain JavaScript that any Node since 16
// understands.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { debuglog } from 'node:util'
import { countBuffersAsHeap } from './buffer-accounting.mjs'
import { findBundle } from './bundle.mjs'
import { keepCodeOnMainThread } from './compiler-threads.mjs'
import { hideTicket } from './hidden-ticket.mjs'
import { nameSourcesInTraces } from './source-positions.mjs'

const NODE_MAJOR_MIN = 24
const here = dirname(fileURLToPath(import.meta.url))

// Hashing, compression, disk and DNS share libuv's pool; its default of 4 threads starves them.
// Read at first use.
process.env.UV_THREADPOOL_SIZE ??= '16'

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
  hideTicket()
  keepCodeOnMainThread()
  countBuffersAsHeap()
  await runHere()
} else {
  runInstalled()
}

/** Runs the bundle; the sources where these are newer, or SHOAL_FROM_SOURCE is set, not to 0. */
async function runHere() {
  const root = join(here, '..')
  const asked = !['', '0'].includes(process.env.SHOAL_FROM_SOURCE ?? '')
  const { folder, reason } = asked ? { reason: 'SHOAL_FROM_SOURCE is set' } : findBundle(root)
  // NODE_DEBUG=shoal shows it.
  const debug = debuglog('shoal')
  if (folder === undefined) debug('runs from the sources: %s', reason)
  else debug('runs from the bundle %s', folder)
  // Keeps compiled code where others cannot write: half of the time to start.
  module.enableCompileCache(join(folder ?? join(root, 'node_modules', '.cache'), 'compiled'))
  if (folder === undefined) return import('./main.ts')
  nameSourcesInTraces(folder)
  return import(pathToFileURL(join(folder, 'main.js')).href)
}

function runInstalled() {
  const node = findInstalled()
  if (node === undefined) {
    console.error(
      `shoal: needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.version}. ` +
        `Run "node scripts/setup.mjs" in ${dirname(here)}.`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  // A terminal sends Ctrl-C to both processes; what is sent to this one only is passed on.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

/** @returns {string | undefined} the path of the Node that is installed with the packages */
function findInstalled() {
  const path = join(here, '..', 'node_modules', '.bin', 'node')
  return existsSync(path) ? path : undefined
}
