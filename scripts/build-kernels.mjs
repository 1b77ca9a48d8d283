// Compiles protocol/kernels/assembly/*.ts to protocol/kernels/*.wasm with AssemblyScript; `npm run
// prepare`. Runs on any Node from 20. Does nothing while every output is newer than every source.
// An output is written whole or not at all, since tests and nodes may be reading it.
import { existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// No garbage collector, no imports: a kernel works in static memory of a size fixed when it is
// compiled. 16 pages of 64 KiB are what the largest may take.
const FLAGS = ['--optimizeLevel', '3', '--runtime', 'stub', '--noAssert', '--use', 'abort=']
const FEATURES = ['--enable', 'simd', '--enable', 'relaxed-simd', '--maximumMemory', '16']

const script = fileURLToPath(import.meta.url)
const kernels = join(dirname(script), '..', 'protocol', 'kernels')
const sources = readdirSync(join(kernels, 'assembly'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({
    source: join(kernels, 'assembly', name),
    output: join(kernels, name.replace(/\.ts$/, '.wasm')),
  }))

if (!areCurrent()) {
  const { default: asc } = await import('assemblyscript/asc')
  for (const { source, output } of sources) await build(asc, source, output)
}

function areCurrent() {
  if (!sources.every(({ output }) => existsSync(output))) return false
  const newest = Math.max(...[script, ...sources.map(({ source }) => source)].map(modified))
  return sources.every(({ output }) => modified(output) >= newest)
}

function modified(path) {
  return statSync(path).mtimeMs
}

async function build(asc, source, output) {
  const written = new Map()
  const { error, stderr } = await asc.main([source, '--outFile', output, ...FLAGS, ...FEATURES], {
    writeFile: (_name, contents) => void written.set(output, contents),
  })
  const wasm = written.get(output)
  if (error || wasm === undefined) {
    console.error(`cannot build ${output}: ${error?.message ?? 'no output'}\n${stderr.toString()}`)
    process.exit(1)
  }
  const unfinished = `${output}.${process.pid}`
  writeFileSync(unfinished, wasm)
  renameSync(unfinished, output)
}
