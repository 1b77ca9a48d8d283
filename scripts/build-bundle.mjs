// Bundles the program into a new folder in dist/, with packages that have native parts left
// outside, and then names that folder in dist/bundle.json with the list of what it was made of,
// which cli/bundle.mjs reads. The command, each module that is loaded when it is needed, and each
// thread are files there, beside the WASM kernels and the source maps. setup.mjs runs this, with
// the pinned Node, when there is no bundle of the sources as they are.
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { BUNDLES, MANIFEST, PACKAGES } from '../cli/bundle.mjs'
import { startsOfLines } from '../cli/source-positions.mjs'
import { BUNDLING } from './bundling.ts'

/** How a bundle is made. */
const OWN = ['scripts/build-bundle.mjs', 'scripts/bundling.ts']
/** The page that the HTTP door serves: its scripts are bundled, the others are as they are. */
const PAGE = ['index.html', 'console.css', 'icon.svg']
const CHART_STYLE = 'node_modules/uplot/dist/uPlot.min.css'
const KERNELS = ['protocol/kernels/galois.wasm', 'protocol/kernels/gear.wasm']
/** Older bundles stay for a while: nodes that run from one have yet to load parts of it. */
const KEPT = 3

/** A thread that is started by the name of its file. */
const THREAD = /new URL\('\.\/([\w-]+)\.ts', import\.meta\.url\)/g
/** Right in a bundle as it is: a kernel or the page beside the file, and a package. */
const PORTABLE =
  /new URL\('console\/', import\.meta\.url\)|new URL\('\.\.\/\.\.\/\.\.\/dist\/console\/', import\.meta\.url\)|new URL\(`\$\{name\}\.wasm`, import\.meta\.url\)|import\.meta\.resolve\('[a-z]/g

const root = fileURLToPath(new URL('..', import.meta.url))
/** Path -> size and modification time, as they were before it was read. */
const inputs = {}

const folder = join(root, BUNDLES, `bundle-${Date.now()}-${process.pid}`)
mkdirSync(folder, { recursive: true })
try {
  await build()
  writeManifest()
} catch (error) {
  rmSync(folder, { recursive: true, force: true })
  throw error
}
removeOld()

async function build() {
  for (const path of [PACKAGES, ...OWN, ...KERNELS]) note(path)
  const bundle = await rolldown({
    cwd: root,
    input: { main: 'cli/main.ts' },
    ...BUNDLING,
    plugins: [{ name: 'sources', load: noteSource, transform: placeThreads }],
  })
  await bundle.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    sourcemap: true,
    sourcemapExcludeSources: true,
    comments: false,
  })
  await bundle.close()
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.js.map'))) indexLines(name)
  for (const path of KERNELS) copyFileSync(join(root, path), join(folder, basename(path)))
  await buildConsole()
}

/** Beside the bundle, and where a node that runs from its sources finds it. */
async function buildConsole() {
  const into = join(folder, 'console')
  const bundle = await rolldown({
    cwd: root,
    input: { console: 'console/main.tsx' },
    platform: 'browser',
    plugins: [{ name: 'sources', load: noteSource }],
  })
  await bundle.write({ dir: into, entryFileNames: '[name].js', minify: true, comments: false })
  await bundle.close()
  for (const name of PAGE) {
    note(join('console', name))
    copyFileSync(join(root, 'console', name), join(into, name))
  }
  appendFileSync(join(into, 'console.css'), readFileSync(join(root, CHART_STYLE)))
  const shared = join(root, BUNDLES, 'console')
  rmSync(shared, { recursive: true, force: true })
  cpSync(into, shared, { recursive: true })
}

/** Finds each line in the mappings of a source map, once for all who read it. */
function indexLines(name) {
  const { mappings } = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  writeFileSync(join(folder, name.replace(/map$/, 'lines')), startsOfLines(mappings))
}

function noteSource(id) {
  if (isSource(id)) note(relative(root, id))
}

function note(path) {
  const { size, mtimeMs } = statSync(join(root, path))
  inputs[path] = [size, mtimeMs]
}

/** A thread becomes a file of its own beside the others. */
function placeThreads(code, id) {
  if (!isSource(id) || !code.includes('import.meta')) return undefined
  if (code.replaceAll(THREAD, '').replaceAll(PORTABLE, '').includes('import.meta'))
    throw new Error(`${id}: this use of import.meta would not work in the bundle`)
  const placed = code.replaceAll(THREAD, (_whole, name) => {
    this.emitFile({ type: 'chunk', id: join(dirname(id), `${name}.ts`), fileName: `${name}.js` })
    return `new URL('./${name}.js', import.meta.url)`
  })
  return { code: placed, map: null }
}

function isSource(id) {
  return id.startsWith(root) && !id.includes('/node_modules/')
}

/** Whole or not at all. */
function writeManifest() {
  const unfinished = join(folder, 'bundle.json')
  writeFileSync(unfinished, JSON.stringify({ folder: basename(folder), inputs }))
  renameSync(unfinished, join(root, MANIFEST))
}

function removeOld() {
  const oldestFirst = readdirSync(join(root, BUNDLES))
    .filter((name) => /^bundle-\d/.test(name))
    .sort()
  for (const name of oldestFirst.slice(0, -KEPT))
    rmSync(join(root, BUNDLES, name), { recursive: true, force: true })
}
