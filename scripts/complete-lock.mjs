// Run after a change of dependencies (`npm install` forgets optional packages that the registry in reach does not have,
// and `npm ci` of npm 11 then refuses the lock): names every optional package of every platform in package-lock.json.
// What platform a package is for is read from its name, as their publishers build it. Added entries have no integrity.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const before = Object.keys(lock.packages).length

for (const [path, parent] of Object.entries(lock.packages)) {
  const optional = Object.entries(parent.optionalDependencies ?? {})
  const sibling = optional.map(([name]) => lock.packages[`node_modules/${name}`]).find(Boolean)
  for (const [name, version] of optional) {
    if (lock.packages[`node_modules/${name}`] ?? lock.packages[`${path}/node_modules/${name}`])
      continue
    lock.packages[`node_modules/${name}`] = entryFor(name, version, parent, sibling)
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
)
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`)
console.error(`${Object.keys(lock.packages).length - before} packages added to the lock`)

function entryFor(name, version, parent, sibling) {
  const platform = name.slice(name.lastIndexOf('/') + 1)
  const os = /android|darwin|freebsd|linux|openbsd|openharmony|win32/.exec(platform)?.[0]
  const cpu = /-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|wasm32|x64)/.exec(platform)?.[1]
  const libc = os === 'linux' && /musl/.test(platform) ? 'musl' : 'glibc'
  return {
    version,
    ...(cpu && { cpu: [cpu] }),
    ...(parent.dev && { dev: true }),
    ...(os === 'linux' && sibling?.libc && { libc: [libc] }),
    ...(sibling?.license && { license: sibling.license }),
    optional: true,
    ...(os && { os: [os] }),
    ...(sibling?.engines && { engines: sibling.engines }),
  }
}
