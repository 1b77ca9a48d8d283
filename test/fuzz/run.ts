// npm run fuzz: every decoder of what others send, or one, with inputs of all kinds, each for its
// share of the time. What it finds is written to a folder and named. Exit code: 0 nothing found, 1
// something was, 2 wrong usage.
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { TARGETS } from './all-targets.ts'
import { keep, nameOf } from './corpus.ts'
import type { Finding } from './fuzzer.ts'
import type { Report, Task } from './worker.ts'

const USAGE = `npm run fuzz -- [--seconds N] [--target T] [--seed S] [--keep]
  --seconds N   in all (default 60)
  --target T    one of ${TARGETS.map(({ name }) => name).join(', ')}
  --seed S      another number or text draws other inputs (default: the time)
  --keep        add inputs that go ways of their own to test/fuzz/corpus`

const INPUT_BYTES_MAX = 1_200_000
const HEAD_BYTES = 8
/** An input that takes longer hangs, whatever else the machine does. */
const HANG_MS = 30_000
/** The memory of a thread: an input that needs more needs too much. */
const LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 96 }

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string', default: String(Date.now()) },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const names = TARGETS.map(({ name }) => name).filter(
  (name) => values.target === undefined || name === values.target,
)
const seconds = Number(values.seconds) / names.length
if (values.help || names.length === 0 || !(seconds > 0)) {
  console.error(USAGE)
  process.exit(2)
}
const folder = join(tmpdir(), 'shoal-fuzz')
let found = 0
for (const name of names) {
  const report = await fuzz(name)
  if (values.keep) keep(name, report.ways)
  const rate = Math.round(report.inputs / report.seconds)
  console.log(`${name}: ${report.inputs} inputs, ${rate}/s, ${report.ways.length} ways`)
  for (const { input, what } of report.findings) {
    const path = join(folder, `${name}-${nameOf(input)}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(path, input)
    console.error(`${name}: ${path} (${input.length} bytes) ${what}`)
    found++
  }
}
console.log(`seed ${values.seed}: ${found === 0 ? 'nothing found' : `${found} findings`}`)
process.exitCode = found === 0 ? 0 : 1

function fuzz(target: string): Promise<Report> {
  const shared = new SharedArrayBuffer(HEAD_BYTES + INPUT_BYTES_MAX)
  const task: Task = { target, seed: values.seed, seconds, shared }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: LIMITS,
  })
  const words = new Int32Array(shared, 0, 2)
  return new Promise((resolve) => {
    const end = (findings: readonly Finding[]): void => {
      clearInterval(watchdog)
      resolve({ inputs: words[0] ?? 0, seconds, findings, ways: [] })
    }
    const last = (what: string): Finding => {
      const length = words[1] ?? 0
      return { input: Uint8Array.from(new Uint8Array(shared, HEAD_BYTES, length)), what }
    }
    let [count, since] = [-1, Date.now()]
    const watchdog = setInterval(() => {
      if (words[0] !== count) [count, since] = [words[0] ?? 0, Date.now()]
      if (Date.now() - since < HANG_MS) return
      void worker.terminate()
      end([last('hangs')])
    }, 1000)
    worker.once('message', (report: Report) => {
      clearInterval(watchdog)
      resolve(report)
    })
    worker.once('error', (error) => end([last(`ended the thread: ${String(error)}`)]))
  })
}
