// The work of programs on a file system, done in a folder and timed: a program of its own, so that
// it may wait for the mount it works on, and the same for every file system. Prints one JSON
// object: kind of work -> amount of it per second. Options: --folder DIR --mib N --files N.
import { spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { writeSmallTree } from '../test/cluster/trees.ts'

const PAGE = 4096
const RANDOM_COUNT = 20_000

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.' },
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '10000' },
  },
})
const folder = join(values.folder, 'work')
const mebibytes = Number(values.mib)
const fileCount = Number(values.files)

/** How much per second: MB, ops or runs, as the name says. */
const rates: Record<string, number> = {}

/** amount: of what the rate counts. */
function measure(name: string, amount: number, work: () => void): void {
  const start = performance.now()
  work()
  rates[name] = amount / ((performance.now() - start) / 1000)
}

/** Drop what the kernel keeps of files, names and attributes. */
function chill(): void {
  program('.', 'sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

function program(cwd: string, name: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(name, words, { cwd, maxBuffer: 64 * MIB })
  if (status !== 0) throw new Error(`${name} ${words.join(' ')}: ${String(stderr)}`)
}

function bigFile(file: string): void {
  const block = randomBytes(MIB)
  const bytes = (mebibytes * MIB) / 1e6
  measure('sequential write and fsync, MB/s', bytes, () => {
    const fd = openSync(file, 'w')
    for (let i = 0; i < mebibytes; i++) {
      block.writeUInt32LE(i)
      writeSync(fd, block)
    }
    fsyncSync(fd)
    closeSync(fd)
  })
  const readAll = (): void => {
    const fd = openSync(file, 'r')
    while (readSync(fd, block) > 0);
    closeSync(fd)
  }
  chill()
  measure('sequential read, cold, MB/s', bytes, readAll)
  readAll()
  measure('sequential read, warm, MB/s', bytes, readAll)
}

function randomPages(file: string): void {
  const pages = (mebibytes * MIB) / PAGE
  const page = randomBytes(PAGE)
  const readRandom = (): void => {
    const fd = openSync(file, 'r')
    for (let i = 0; i < RANDOM_COUNT; i++) readSync(fd, page, 0, PAGE, randomInt(pages) * PAGE)
    closeSync(fd)
  }
  measure('4 KiB random read, warm, ops/s', RANDOM_COUNT, readRandom)
  chill()
  measure('4 KiB random read, cold, ops/s', RANDOM_COUNT, readRandom)
  measure('4 KiB random write and fdatasync, ops/s', RANDOM_COUNT, () => {
    const fd = openSync(file, 'r+')
    for (let i = 0; i < RANDOM_COUNT; i++) writeSync(fd, page, 0, PAGE, randomInt(pages) * PAGE)
    fdatasyncSync(fd)
    closeSync(fd)
  })
}

function smallFiles(within: string): void {
  mkdirSync(within)
  // By short paths: to go down a long one takes as long as what is measured.
  process.chdir(within)
  const names = Array.from({ length: fileCount }, (_, i) => `file ${i}`)
  const content = randomBytes(1024)
  measure('create, write 1 KiB, close, files/s', fileCount, () => {
    for (const name of names) writeFileSync(name, content)
  })
  const statAll = (): void => {
    for (const name of names) statSync(name)
  }
  const readAll = (): void => {
    for (const name of names) readFileSync(name)
  }
  statAll()
  measure('stat, warm, files/s', fileCount, statAll)
  chill()
  measure('stat, cold, files/s', fileCount, statAll)
  readAll()
  measure('open, read, close, warm, files/s', fileCount, readAll)
  measure('ls -lR, warm, files/s', fileCount, () => program('.', 'ls', '-lR', '.'))
  measure('unlink, files/s', fileCount, () => {
    for (const name of names) unlinkSync(name)
  })
  process.chdir(folder)
}

async function tree(within: string): Promise<void> {
  mkdirSync(within)
  await writeSmallTree(within, fileCount)
  program(within, 'git', 'init', '-q')
  program(within, 'git', 'add', '.')
  const git = ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'all']
  program(within, 'git', ...git)
  const status = (): void => program(within, 'git', 'status', '--porcelain')
  status()
  measure('git status, warm, runs/s', 1, status)
  measure('rg, warm, runs/s', 1, () =>
    program(within, 'rg', '-c', '--no-messages', '[a-z0-9]', '.'),
  )
  chill()
  measure('git status, cold, runs/s', 1, status)
  measure('rm -r, files/s', fileCount, () => rmSync(within, { recursive: true }))
}

mkdirSync(folder)
try {
  const file = join(folder, 'big')
  bigFile(file)
  randomPages(file)
  smallFiles(join(folder, 'small'))
  await tree(join(folder, 'tree'))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(JSON.stringify(rates))
