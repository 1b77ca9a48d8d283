// Packages as tests load them: bundled, since a network takes 1,200 files of packages, and each
// test process would spend half a second of CPU time on finding and reading them. Made by the
// runner beside the packages, with which they go, and again when the sources import another. Those
// with native parts are left as they are, and so is all that has other exports when it is bundled.
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BUNDLING, NATIVE } from '../scripts/bundling.ts'

const ROOT = join(import.meta.dirname, '..')
/** Programs for tests that start a browser; they find files of their own, as native ones do. */
const FOR_BROWSERS = ['playwright-core', 'axe-core']
const CACHE = join(ROOT, 'node_modules', '.cache')
const FOLDER = join(CACHE, 'packages')
const LIST = 'packages.json'
const IMPORT = /(?:from|import\() *'((?:@[\w-]+\/)?[a-z][\w./-]*)'/g

/** The names that the sources import, and those of them that are bundled. */
interface Bundled {
  readonly imported: readonly string[]
  readonly names: readonly string[]
}

/** Bundle what the sources import, unless that is there. */
export async function bundlePackages(): Promise<void> {
  const imported = importedNames()
  if (readBundled()?.imported.join() === imported.join()) return
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'packages-'))
  try {
    const names = await bundle(imported, folder)
    const bundled: Bundled = { imported, names }
    writeFileSync(join(folder, LIST), JSON.stringify(bundled))
    rmSync(FOLDER, { recursive: true, force: true })
    renameSync(folder, FOLDER)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** From here on this process loads the bundled packages, if there are any. */
export function loadBundledPackages(): void {
  const urls = new Map(
    readBundled()?.names.map((name) => [name, pathToFileURL(join(FOLDER, fileOf(name))).href]),
  )
  registerHooks({
    resolve: (specifier, context, next) => {
      const url = urls.get(specifier)
      if (url === undefined || context.parentURL?.includes('/node_modules/') === true)
        return next(specifier, context)
      return { url, format: 'module', shortCircuit: true }
    },
  })
}

function readBundled(): Bundled | undefined {
  const path = join(FOLDER, LIST)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Bundled) : undefined
}

function importedNames(): readonly string[] {
  const names = new Set<string>()
  for (const file of globSync('{cli,node,protocol,simulations,test}/**/*.ts', { cwd: ROOT }))
    for (const [, name = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT))
      if (![...NATIVE, ...FOR_BROWSERS].includes(name) && isPackage(name)) names.add(name)
  return [...names].sort()
}

function isPackage(name: string): boolean {
  const [first = '', second = ''] = name.split('/')
  return existsSync(join(ROOT, 'node_modules', first.startsWith('@') ? join(first, second) : first))
}

/** returns the names of those that are as they were. */
async function bundle(imported: readonly string[], folder: string): Promise<readonly string[]> {
  const { rolldown } = await import('rolldown')
  const made = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(imported.map((name) => [fileOf(name), name])),
    ...BUNDLING,
    logLevel: 'silent',
  })
  await made.write({ dir: folder, format: 'esm', entryFileNames: '[name]', comments: false })
  await made.close()
  const names: string[] = []
  for (const name of imported) {
    const [ours, theirs] = await Promise.all([
      exportsOf(pathToFileURL(join(folder, fileOf(name))).href),
      exportsOf(name),
    ])
    if (ours === theirs) names.push(name)
  }
  return names
}

async function exportsOf(specifier: string): Promise<string> {
  const module = (await import(specifier)) as object
  return Object.keys(module).sort().join()
}

function fileOf(name: string): string {
  return `${name.replaceAll('/', '__')}.js`
}
