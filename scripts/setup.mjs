// What `npm start` and `npm test` run first, on any Node from 20: bring the clone up to date, or do nothing. After it
// node_modules is what package-lock.json says (with the pinned Node at node_modules/.bin/node), and `npm run prepare`
// has been done: the WASM kernels are newer than their sources, and `npx shoal` finds the command by a link (not by a
// `bin` in package.json: npx of npm 10 and 11 fails on a bin of the folder that it is in). Output goes to stderr.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const PINNED_NODE = join(root, 'node_modules', '.bin', 'node')

if (packagesAreCurrent()) {
  await import('./build-kernels.mjs')
} else {
  console.error('shoal: installing packages, Node included (once, about 500 MB on disk)')
  // npm ci removes node_modules: nothing that it runs may come from there, the Node that runs this file included.
  const path = (process.env.PATH ?? '').split(delimiter)
  const env = {
    ...process.env,
    PATH: path.filter((folder) => !folder.startsWith(root)).join(delimiter),
  }
  // Development packages whatever NODE_ENV says; an old Node is fine here, since ours comes with them.
  const flags = [
    '--include=dev',
    '--engine-strict=false',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const npm = spawnSync('npm', ['ci', ...flags], { cwd: root, env, stdio: ['ignore', 2, 2] })
  if (npm.status !== 0) {
    const how = npm.error?.message ?? `exit code ${npm.status}`
    console.error(`shoal: npm ci failed (${how}). Mend what it says above, then run this again.`)
    process.exit(1)
  }
}

/** npm keeps a copy of the lock of what it has installed; a package for another platform is missing there by right. */
function packagesAreCurrent() {
  const installedLock = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock) || !existsSync(PINNED_NODE)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    const present = installed[path]
    if (path === '' || (present === undefined && entry.optional)) return true
    return present?.version === entry.version && present.integrity === entry.integrity
  })
}
