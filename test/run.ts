// The test runner: `node --test` over test/**/*.test.ts, without test/long and test/programs. Files
// that mostly wait for nodes, mounts and servers have a process each; of those that only compute
// several share one, since to load what all of them import takes longer than most of the tests.
// Those of each folder are spread over the whole run, so that some that wait always run beside some
// that compute, in two processes more than there are cores. A run has a folder of
// its own, which is the tests' TMPDIR and holds their HOME, so that no test touches the user's, and
// whatever a run leaves behind is known by it. A whole run fails if it takes more CPU time than its
// budget.
// Arguments: parts of paths choose the files whose path has one of them (`npm test --
// protocol/tree`), flags go to node (`--test-name-pattern=...`). Exit code: 0 all passed, 1 a test
// failed, left something behind, or the budget was exceeded, 2 no such test.
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { mountsBelow } from './mounts.ts'
import { bundlePackages } from './packages.ts'
import { TIMES, readTimes } from './times.ts'

/**
 * For a file, and a test that names no time of its own. Those of test/cluster take minutes beside
 * each other.
 */
const FILE_TIMEOUT_MS = 8 * 60_000
/** A run should take less than 10 minutes; on a machine that others use it may take longer. */
const RUN_TIMEOUT_MS = 40 * 60_000
/** Folders of files whose tests only compute, and may share a process. */
const SHARING = ['test/node/', 'test/protocol/']
/**
 * Files that need programs which a bare machine lacks (`npm run test:programs`, `test:browser`).
 */
const NEEDING = /^test\/(programs|browser)\//
/** Files that share one process. */
const GROUP_FILES = 14
/**
 * CPU time of a whole run: it took 700 to 1,230 s on two cores with little else to do, whose worth
 * changes with what else their host does, and to 1,570 s beside other work. Elapsed time says
 * nothing on a machine that others use.
 */
const BUDGET_CPU_S = 1800
/** Tests under test/long may take this many times as long. */
const LONG_FACTOR = 12
/** How long processes may take to end by themselves after the last test. */
const GRACE_MS = 5_000

const root = join(import.meta.dirname, '..')
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('-'))
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))

const files = chosenFiles()
if (files.length === 0) {
  console.error(`no test file has ${parts.join(' or ')} in its path`)
  process.exit(2)
}
await bundlePackages()
const folder = mkdtempSync(join(tmpdir(), 'shoal-test-'))
// Tests that act as another user pass through it.
chmodSync(folder, 0o711)
try {
  process.exitCode = await runTests()
  if (parts.length === 0 && cpuSeconds() > BUDGET_CPU_S) {
    console.error(
      `the tests took ${cpuSeconds().toFixed(0)} s of CPU time; ${BUDGET_CPU_S} s is their budget`,
    )
    process.exitCode = 1
  }
  const left = await leftovers()
  for (const what of left) console.error(`left behind by a test: ${what}`)
  if (left.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function chosenFiles(): readonly string[] {
  const all = globSync('test/**/*.test.ts', { cwd: root }).sort()
  if (parts.length === 0) return all.filter((file) => !isLong(file) && !NEEDING.test(file))
  return all.filter((file) => parts.some((part) => file.includes(part.replace(/^\.\//, ''))))
}

/** The processes to start, in this order: files by themselves, and groups. */
function processes(): readonly string[] {
  // Chosen files are each told of by themselves.
  const isShared = (file: string): boolean =>
    parts.length === 0 && SHARING.some((folder) => file.startsWith(folder))
  const alone = files.filter((file) => !isShared(file))
  // Those of test/node have signatures of their own (process.ts).
  const groups = SHARING.flatMap((folder) => {
    const shared = files.filter((file) => isShared(file) && file.startsWith(folder))
    const count = Math.ceil(shared.length / GROUP_FILES)
    return Array.from({ length: count }, (_, index) =>
      groupOf(shared.filter((_file, at) => at % count === index)),
    )
  })
  const folders = Map.groupBy([...alone, ...groups], (file) => file.split('/', 2).join('/'))
  return [...folders.values()]
    .flatMap((some) => some.map((file, n) => ({ file, place: (n + 0.5) / some.length })))
    .toSorted((a, b) => a.place - b.place)
    .map(({ file }) => file)
}

/** A file that imports these. */
function groupOf(members: readonly string[]): string {
  const path = join(folder, `${members[0]?.replaceAll('/', '-')}-and-others.test.mjs`)
  const imports = members.map(
    (file) => `import ${JSON.stringify(pathToFileURL(join(root, file)))}\n`,
  )
  writeFileSync(path, imports.join(''))
  return path
}

/** The CPU time of all test processes and their children. */
function cpuSeconds(): number {
  return readTimes(folder).reduce((sum, { cpuMs }) => sum + cpuMs / 1000, 0)
}

function isLong(file: string): boolean {
  return file.startsWith(join('test', 'long'))
}

/**
 * Ends with the exit code of `node --test`. At the deadline it is told to stop, and names the file
 * it was in.
 */
function runTests(): Promise<number> {
  const factor = files.some(isLong) ? LONG_FACTOR : 1
  const home = join(folder, 'home')
  mkdirSync(home)
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TMPDIR: folder,
    HOME: home,
    [TIMES]: folder,
    SHOAL_POISON_BUFFERS: '1',
  }
  env['UV_THREADPOOL_SIZE'] = '16'
  delete env['SHOAL_HOME']
  const tests = spawn(
    process.execPath,
    [
      '--test',
      '--import=./test/process.ts',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=./test/slowest.ts',
      '--test-reporter-destination=stdout',
      `--test-concurrency=${Math.min(6, availableParallelism() + 2)}`,
      `--test-timeout=${FILE_TIMEOUT_MS * factor}`,
      ...flags,
      ...processes(),
    ],
    { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const stop = (): boolean => tests.kill('SIGTERM')
  // A Ctrl-C reaches the tests by itself; the runner stays to clean up after them.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', stop)
  const deadline = setTimeout(() => {
    console.error(`the run took longer than ${(RUN_TIMEOUT_MS * factor) / 60_000} minutes`)
    stop()
  }, RUN_TIMEOUT_MS * factor)
  return new Promise((resolve, reject) => {
    tests.on('error', reject)
    tests.on('exit', (code, signal) => {
      clearTimeout(deadline)
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}

/** Processes and mounts that tests left behind, by name. All of it is gone when this returns. */
async function leftovers(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return []
  for (let waitedMs = 0; waitedMs < GRACE_MS && strayProcesses().length > 0; waitedMs += 100) {
    await sleep(100)
  }
  const processes = strayProcesses()
  const mounts = mountsBelow(folder)
  for (const { pid } of processes) kill(pid)
  for (const mount of mountsBelow(folder)) unmount(mount)
  return [
    ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...mounts.map((mount) => `mount ${mount}`),
  ]
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Processes whose environment has this run's TMPDIR. */
function strayProcesses(): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    try {
      // A process stuck in the kernel holds a lock that reading more of it would wait for.
      if (/^\d+ \(.*\) D/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return []
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (!environment.includes(`TMPDIR=${folder}`)) return []
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      // A process that has ended but was not waited for has no command line.
      return command === '' ? [] : [{ pid, command }]
    } catch {
      return [] // another user's, or gone
    }
  })
}

function unmount(mount: string): void {
  const isRoot = process.getuid?.() === 0
  const { status, stderr } = isRoot
    ? spawnSync('umount', ['-l', mount], { encoding: 'utf8' })
    : spawnSync('fusermount3', ['-u', '-z', mount], { encoding: 'utf8' })
  if (status !== 0) console.error(`could not unmount ${mount}: ${stderr}`)
}
