// Runs before `npm start` and `npm test`, on any Node from 20: brings the clone up to date, or does
// nothing. After it node_modules is as package-lock.json says, each package with the hash there
// (with the pinned Node at node_modules/.bin/node); the WASM kernels are newer than their sources;
// `npx shoal` finds the command by a link (not by a `bin` in package.json: npx of npm 10 and 11
// fails on a bin of the folder that it is in); and the bundle in dist/ is made from the present
// sources (build-bundle.mjs). No package runs a program of its own. Output goes to stderr.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findBundle } from '../cli/bundle.mjs'

const NODE_MAJOR_MIN = 24
const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const PINNED_NODE = join(bin, 'node')

if (!packagesAreCurrent()) install()
if (!existsSync(PINNED_NODE)) linkNode()
if (!existsSync(join(bin, 'shoal'))) symlinkSync('../../cli/shoal.mjs', join(bin, 'shoal'))
await import('./build-kernels.mjs')
if (findBundle(root).folder === undefined) bundle()

function install() {
  console.error('shoal: installing packages, Node included (once, about 500 MB on disk)')
  // npm ci removes node_modules: nothing that it runs may come from there, the Node that runs this
  // file included.
  const path = (process.env.PATH ?? '').split(delimiter)
  const env = {
    ...process.env,
    PATH: path.filter((folder) => !folder.startsWith(root)).join(delimiter),
  }
  // All packages whatever NODE_ENV and the user's settings say; an old Node is fine here, since
  // ours comes with them.
  const flags = [
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--engine-strict=false',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const npm = spawnSync('npm', ['ci', ...flags], { cwd: root, env, stdio: ['ignore', 2, 2] })
  if (npm.status === 0) return
  const how = npm.error?.message ?? `exit code ${npm.status}`
  fail(`npm ci failed (${how}). Mend what it says above, then run this again.`)
}

/** npm 10 does not, and for some machines the packages have none. */
function linkNode() {
  const { platform, arch, version, versions, execPath } = process
  const packaged = join('..', `node-${platform}-${arch}`, 'bin', 'node')
  if (existsSync(join(bin, packaged))) return symlinkSync(packaged, PINNED_NODE)
  if (Number.parseInt(versions.node, 10) < NODE_MAJOR_MIN)
    fail(
      `there is no Node for ${platform}-${arch} among the packages, ` +
        `and this is ${version}: run it with Node ${NODE_MAJOR_MIN}.`,
    )
  symlinkSync(execPath, PINNED_NODE)
}

/** Only the time to start depends on it: without a bundle the program runs from its sources. */
function bundle() {
  console.error('shoal: bundling the program')
  const script = join(root, 'scripts', 'build-bundle.mjs')
  const { status, error } = spawnSync(PINNED_NODE, [script], { stdio: ['ignore', 2, 2] })
  if (status === 0) return
  const how = error?.message ?? `exit code ${status}`
  console.error(`shoal: bundling failed (${how}): it runs from the sources, and starts slowly`)
}

/**
 * npm keeps a copy of the lock of what it has installed; a package for another platform is missing
 * there by right.
 */
function packagesAreCurrent() {
  const installedLock = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    const present = installed[path]
    if (path === '' || (present === undefined && entry.optional)) return true
    return present?.version === entry.version && present.integrity === entry.integrity
  })
}

/** @returns {never} */
function fail(message) {
  console.error(`shoal: ${message}`)
  process.exit(1)
}
