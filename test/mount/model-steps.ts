// The steps of the random test of files, each done to a file of the mount and to its model. What a
// step is about is drawn first and noted, so that a failure names it.
import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  ftruncateSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { KIB } from '../../protocol/units.ts'
import { ModelFile, assertSame, readAt } from './model-file.ts'
import type { Handle } from './model-file.ts'
import type { ModelRun } from './model.ts'
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  Mapping,
  SEEK_DATA,
  SEEK_HOLE,
  allocate,
  copyFileRange,
  seek,
} from './system-calls.ts'

export interface Step {
  readonly run: (model: ModelRun) => void | Promise<void>
  /** The share of the steps, in hundredths. */
  readonly weight: number
}

const PAGE: number = 4 * KIB
const NAMED_MIN = 3
const NAMES_MAX = 7

export const STEPS: readonly Step[] = [
  { run: read, weight: 14 },
  { run: write, weight: 24 },
  { run: readMapped, weight: 4 },
  { run: writeMapped, weight: 10 },
  { run: truncate, weight: 6 },
  { run: truncateByPath, weight: 3 },
  { run: changeAllocation, weight: 9 },
  { run: copy, weight: 6 },
  { run: findHoles, weight: 2 },
  { run: synchronize, weight: 4 },
  { run: close, weight: 8 },
  { run: open, weight: 3 },
  { run: make, weight: 2 },
  { run: rename, weight: 2 },
  { run: link, weight: 1 },
  { run: unlink, weight: 2 },
]

function read(model: ModelRun): void {
  const handle = someHandle(model)
  const position = somePosition(model, handle.file.size)
  const length = someLength(model)
  model.note(`read ${handle.kind} of ${handle.file.title} ${position}+${length}`)
  const expected = handle.file.content.subarray(position, position + length)
  assertSame(readAt(handle.fd, position, length), expected, handle.file.title)
}

function write(model: ModelRun): void {
  const handle = someHandle(model)
  const { file, fd, kind } = handle
  const position = kind === 'append' ? file.size : somePosition(model, file.size)
  const bytes = someBytes(model, Math.min(someLength(model), model.sizeMax - position))
  if (bytes.length === 0) return
  model.note(`write ${kind} to ${file.title} ${position}+${bytes.length}`)
  assert.equal(writeSync(fd, bytes, 0, bytes.length, position), bytes.length)
  file.write(position, bytes)
}

function readMapped(model: ModelRun): void {
  const handle = someHandle(model)
  const { position, length } = someRangeInside(model, handle.file)
  if (length === 0) return
  model.note(`read mapped ${handle.file.title} ${position}+${length}`)
  const found = mappingOf(model, handle).bytes.slice(position, position + length)
  assertSame(found, handle.file.content.subarray(position, position + length), handle.file.title)
}

function writeMapped(model: ModelRun): void {
  const handle = someHandle(model)
  const { file } = handle
  const { position, length } = someRangeInside(model, file)
  if (length === 0) return
  const isSynced = model.random.chance(0.3)
  const how = isSynced ? 'mapped and synced' : 'mapped'
  model.note(`write ${how} to ${file.title} ${position}+${length}`)
  const mapping = mappingOf(model, handle)
  const bytes = someBytes(model, length)
  mapping.bytes.set(bytes, position)
  file.write(position, bytes)
  if (isSynced) mapping.sync()
}

function truncate(model: ModelRun): void {
  const { file, fd, kind } = someHandle(model)
  const size = somePosition(model, file.size)
  model.note(`ftruncate ${kind} of ${file.title} ${file.size} to ${size}`)
  ftruncateSync(fd, size)
  file.truncate(size)
}

function truncateByPath(model: ModelRun): void {
  const file = someNamed(model)
  const size = somePosition(model, file.size)
  const name = model.someName(file)
  model.note(`truncate ${name} ${file.size} to ${size}`)
  truncateSync(model.path(name), size)
  file.truncate(size)
}

function changeAllocation(model: ModelRun): void {
  const { file, fd } = someHandle(model)
  const position = somePosition(model, file.size)
  const length = Math.min(someLength(model), model.sizeMax - position)
  if (length === 0) return
  const mode = model.random.pick([
    0,
    FALLOC_KEEP_SIZE,
    FALLOC_ZERO_RANGE,
    FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE,
    FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
  ])
  model.note(`fallocate mode ${mode} of ${file.title} ${position}+${length}`)
  allocate(fd, mode, position, length)
  const end = position + length
  if ((mode & (FALLOC_ZERO_RANGE | FALLOC_PUNCH_HOLE)) !== 0) file.zero(position, end)
  if ((mode & FALLOC_KEEP_SIZE) === 0) file.size = Math.max(file.size, end)
}

function copy(model: ModelRun): void {
  const from = someHandle(model)
  const to = someHandle(model)
  if (to.kind === 'append') return
  const position = somePosition(model, from.file.size)
  const target = somePosition(model, to.file.size)
  const length = Math.min(
    someLength(model),
    model.sizeMax - target,
    Math.max(0, from.file.size - position),
  )
  const isOverlap = from.file === to.file && Math.abs(position - target) < length
  if (length === 0 || isOverlap) return
  model.note(`copy ${from.file.title} ${position}+${length} to ${to.file.title} ${target}`)
  for (let done = 0; done < length;) {
    const copied = copyFileRange(
      { fd: from.fd, position: position + done },
      { fd: to.fd, position: target + done },
      length - done,
    )
    assert.ok(copied > 0, 'copy_file_range goes on')
    done += copied
  }
  to.file.write(target, Buffer.from(from.file.content.subarray(position, position + length)))
}

/**
 * Checks that holes read as zeros; mapped writes are unknown to the file system before they are
 * synced.
 */
function findHoles(model: ModelRun): void {
  const handle = someHandle(model)
  const { fd, file } = handle
  model.note(`find holes of ${file.title}`)
  fsyncSync(handle.fd)
  let end = 0
  while (end < file.size) {
    const data = seek(fd, end, SEEK_DATA) ?? file.size
    const hole = file.content.subarray(end, data)
    assertSame(Buffer.alloc(hole.length), hole, `${file.title}, a hole from ${end} to ${data}`)
    if (data === file.size) return
    end = seek(fd, data, SEEK_HOLE) ?? assert.fail('every file ends with a hole')
    assert.ok(end > data && end <= file.size, `data from ${data} to ${end} of ${file.size}`)
  }
}

function synchronize(model: ModelRun): void {
  const handle = someHandle(model)
  model.note(`fsync ${handle.file.title}`)
  fsyncSync(handle.fd)
  const { blocks } = fstatSync(handle.fd)
  assert.ok(blocks * 512 <= model.sizeMax + PAGE, `${blocks} blocks`)
}

async function close(model: ModelRun): Promise<void> {
  const open = model.files.flatMap(({ handles }) => handles)
  if (open.length === 0) return
  const handle = model.random.pick(open)
  if (model.random.chance(0.2)) model.compare(handle.file)
  await model.close(handle)
}

/** Open what is closed, and see that it is what it was; now and then empty it. */
function open(model: ModelRun): void {
  const file = someNamed(model)
  if (file.handles.length > 0) return
  if (model.random.chance(0.2)) {
    const name = model.someName(file)
    model.note(`open ${name} to empty it`)
    closeSync(openSync(model.path(name), constants.O_WRONLY | constants.O_TRUNC))
    file.truncate(0)
  }
  model.open(file)
  model.compare(file)
}

function make(model: ModelRun): ModelFile | undefined {
  const name = freeName(model)
  if (name === undefined) return undefined
  model.note(`make ${name}`)
  closeSync(openSync(model.path(name), 'wx'))
  const file = new ModelFile(name, model.sizeMax)
  model.files.push(file)
  return file
}

function rename(model: ModelRun): void {
  const file = someNamed(model)
  const from = model.someName(file)
  const to = `f${model.random.below(NAMES_MAX)}`
  model.note(`rename ${from} to ${to}`)
  renameSync(model.path(from), model.path(to))
  const replaced = model.files.find(({ names }) => names.has(to))
  // Two names of one file: rename(2) does nothing.
  if (replaced === file) return
  if (replaced !== undefined) forgetName(model, replaced, to)
  file.names.delete(from)
  file.names.add(to)
}

function link(model: ModelRun): void {
  const file = someNamed(model)
  const name = freeName(model)
  if (name === undefined) return
  const from = model.someName(file)
  model.note(`link ${from} as ${name}`)
  linkSync(model.path(from), model.path(name))
  file.names.add(name)
}

function unlink(model: ModelRun): void {
  if (model.named.length <= NAMED_MIN) return
  const file = someNamed(model)
  const name = model.someName(file)
  model.note(`unlink ${name}`)
  unlinkSync(model.path(name))
  forgetName(model, file, name)
}

/** Removes a name; a file without one lives on while it is open. */
function forgetName(model: ModelRun, file: ModelFile, name: string): void {
  file.names.delete(name)
  if (file.names.size === 0 && file.handles.length === 0)
    model.files.splice(model.files.indexOf(file), 1)
}

function freeName(model: ModelRun): string | undefined {
  const all = Array.from({ length: NAMES_MAX }, (_, index) => `f${index}`)
  const free = all.filter((name) => !model.files.some(({ names }) => names.has(name)))
  return free.length === 0 ? undefined : model.random.pick(free)
}

function someNamed(model: ModelRun): ModelFile {
  if (model.named.length === 0) make(model)
  return model.random.pick(model.named)
}

function someHandle(model: ModelRun): Handle {
  if (model.named.length === 0) make(model)
  return model.someHandle()
}

function mappingOf({ sizeMax }: ModelRun, handle: Handle): Mapping {
  return (handle.mapping ??= new Mapping(handle.fd, Math.ceil(sizeMax / PAGE) * PAGE))
}

/** Anywhere, or where it matters: near the start, at the end of the file, at the edge of a page. */
function somePosition({ random, sizeMax }: ModelRun, size: number): number {
  const near = [random.below(3 * KIB), size, size - random.below(PAGE), size + random.below(PAGE)]
  const page = random.below(sizeMax / PAGE) * PAGE + random.below(3) - 1
  const anywhere = [random.below(size + 1), random.below(size + 1), random.below(sizeMax)]
  const position = random.pick([...near, page, ...anywhere])
  return Math.max(0, Math.min(position, sizeMax))
}

function someLength({ random, sizeMax }: ModelRun): number {
  return 1 + random.below(random.pick([10, 3 * KIB, 20_000, 20_000, sizeMax / 7, sizeMax / 2]))
}

function someRangeInside(model: ModelRun, file: ModelFile): { position: number; length: number } {
  const position = Math.min(somePosition(model, file.size), file.size)
  return { position, length: Math.min(someLength(model), file.size - position) }
}

/** Random, or all alike, zeros among them. */
function someBytes({ random }: ModelRun, length: number): Uint8Array {
  if (random.chance(0.7)) return random.bytes(length)
  return new Uint8Array(length).fill(random.below(4))
}
