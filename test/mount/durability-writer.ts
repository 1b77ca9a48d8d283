// A program that changes files of a folder, and says what is to outlive the node from then on:
// `durability-writer.ts FOLDER SEED FROM`. A line before each change, with the states that the
// folder goes through, and a line `synced` after its fsync, or `closed` after its close. It goes on
// until the node is gone, or it is ended.
import {
  appendFileSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { SeededRandom } from '../../simulations/random.ts'
import { digestOf } from './durability-change.ts'
import type { Change, Done } from './durability-change.ts'
import { Mapping } from './system-calls.ts'

const NAMES = 12
/** Inline, one chunk, several. */
const LENGTHS = [10, 1500, 2100, 30_000, 400_000]

const [folder = '', seed = '', from = '0'] = process.argv.slice(2)
const random = new SeededRandom(seed, `writer from ${from}`)

const KINDS = [
  rewrite,
  rewrite,
  make,
  synchronous,
  append,
  mapped,
  rename,
  remove,
  close,
  close,
  replaceByClose,
] as const
for (;;) random.pick(KINDS)()

/**
 * Say what comes, do it, say that it is done; only then close what is still open for it, which
 * would keep it too.
 */
function changing(
  stages: readonly Change[],
  change: () => number | undefined,
  done: Done = 'synced',
): void {
  say(JSON.stringify(stages))
  const fd = change()
  say(done)
  if (fd !== undefined) closeSync(fd)
}

function say(line: string): void {
  appendFileSync(1, `${line}\n`)
}

/** In place: what was there before, or what is now, nothing between. */
function rewrite(): void {
  const name = someName(true)
  if (name === undefined) return
  const bytes = someBytes()
  changing([{ [name]: digestOf(bytes) }], () => {
    const fd = openSync(join(folder, name), constants.O_WRONLY | constants.O_TRUNC)
    writeAll(fd, bytes)
    fsyncSync(fd)
    return fd
  })
}

/** A new file, or one written anew, outlives the node once it is closed. */
function close(): void {
  const name = `${random.below(NAMES)}`
  const bytes = someBytes()
  const empty = digestOf(Buffer.alloc(0))
  const stages = [{ [name]: empty }, { [name]: digestOf(bytes) }]
  const write = (): undefined => {
    const fd = openSync(join(folder, name), 'w')
    writeAll(fd, bytes)
    closeSync(fd)
  }
  changing(stages, write, 'closed')
}

/** As editors do: the file is as it was, or as it is now; as it is once a writer closes after. */
function replaceByClose(): void {
  const [name, beside] = [`${random.below(NAMES)}`, `${random.below(NAMES)}`]
  if (name === beside) return
  const bytes = someBytes()
  const made = [{ [beside]: digestOf(Buffer.alloc(0)) }, { [beside]: digestOf(bytes) }]
  const replace = (): undefined => {
    const fd = openSync(join(folder, beside), 'w')
    writeAll(fd, bytes)
    closeSync(fd)
    renameSync(join(folder, beside), join(folder, name))
    // Who only read says nothing of its close.
    closeSync(openSync(join(folder, name), 'r+'))
  }
  changing([...made, { [name]: digestOf(bytes), [beside]: null }], replace, 'closed')
}

/** A name is there for good after the fsync of its folder. */
function make(): void {
  const name = someName(false)
  if (name === undefined) return
  const bytes = someBytes()
  const empty = digestOf(Buffer.alloc(0))
  changing([{ [name]: empty }, { [name]: digestOf(bytes) }], () => {
    const fd = openSync(join(folder, name), 'wx')
    writeAll(fd, bytes)
    fsyncSync(fd)
    syncFolder()
    return fd
  })
}

/** Each write(2) is an fsync. */
function synchronous(): void {
  const name = someName(true)
  if (name === undefined) return
  const before = readFileSync(join(folder, name))
  const bytes = Buffer.from(random.bytes(700))
  const after = Buffer.concat([bytes, before.subarray(bytes.length)])
  changing([{ [name]: digestOf(after) }], () => {
    const fd = openSync(join(folder, name), constants.O_WRONLY | constants.O_SYNC)
    writeAll(fd, bytes)
    return fd
  })
}

function append(): void {
  const name = someName(true)
  if (name === undefined) return
  const path = join(folder, name)
  const bytes = someBytes()
  changing([{ [name]: digestOf(Buffer.concat([readFileSync(path), bytes])) }], () => {
    const fd = openSync(path, 'a')
    writeAll(fd, bytes)
    fsyncSync(fd)
    return fd
  })
}

/** msync(2) is an fsync. */
function mapped(): void {
  const name = someName(true)
  if (name === undefined) return
  const path = join(folder, name)
  const after = readFileSync(path)
  if (after.length === 0) return
  const at = random.below(after.length)
  const bytes = random.bytes(Math.min(6000, after.length - at))
  after.set(bytes, at)
  changing([{ [name]: digestOf(after) }], () => {
    const fd = openSync(path, 'r+')
    const mapping = new Mapping(fd, after.length)
    mapping.bytes.set(bytes, at)
    mapping.sync()
    mapping.unmap()
    return fd
  })
}

/** Over another file or not: both names change at once. */
function rename(): void {
  const name = someName(true)
  if (name === undefined) return
  const to = `${random.below(NAMES)}`
  if (to === name) return
  changing([{ [name]: null, [to]: digestOf(readFileSync(join(folder, name))) }], () => {
    renameSync(join(folder, name), join(folder, to))
    syncFolder()
    return undefined
  })
}

function remove(): void {
  const name = someName(true)
  if (name === undefined || random.chance(0.5)) return
  const isCut = random.chance(0.5)
  const stages = isCut ? [{ [name]: digestOf(Buffer.alloc(0)) }] : []
  changing([...stages, { [name]: null }], () => {
    if (isCut) truncateSync(join(folder, name))
    unlinkSync(join(folder, name))
    syncFolder()
    return undefined
  })
}

function someName(isThere: boolean): string | undefined {
  const name = `${random.below(NAMES)}`
  const found = statSync(join(folder, name), { throwIfNoEntry: false })
  return (found !== undefined) === isThere ? name : undefined
}

function someBytes(): Buffer {
  return Buffer.from(random.bytes(1 + random.below(random.pick(LENGTHS))))
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

function syncFolder(): void {
  const fd = openSync(folder, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
