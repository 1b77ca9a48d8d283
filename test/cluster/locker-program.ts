// Locks a file as it is told: `locker-program.ts FILE`, a command a line, each answered by a line.
// SIGUSR2 interrupts what waits.
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { controlLock, flock, letSignalInterrupt } from '../mount/system-calls.ts'

const [SHARED, EXCLUSIVE, NONE] = [0, 1, 2]
const [GETLK, SETLK, SETLKW] = [5, 6, 7]
const [FLOCK_SHARED, FLOCK_EXCLUSIVE, FLOCK_TRY, FLOCK_NONE] = [1, 2, 4, 8]
const READ_BYTES = 1000

const [, , path = ''] = process.argv
let fd = openSync(path, 'r+')

function lock(wait: boolean, [family, kind, ...place]: readonly string[]): string {
  const isShared = kind === 'shared'
  if (family === 'flock')
    flock(fd, (isShared ? FLOCK_SHARED : FLOCK_EXCLUSIVE) | (wait ? 0 : FLOCK_TRY))
  else controlLock(fd, wait ? SETLKW : SETLK, isShared ? SHARED : EXCLUSIVE, rangeOf(place))
  return 'ok'
}

function unlock([family, ...place]: readonly string[]): string {
  if (family === 'flock') flock(fd, FLOCK_NONE)
  else controlLock(fd, SETLK, NONE, rangeOf(place))
  return 'ok'
}

function who([, kind, ...place]: readonly string[]): string {
  const wanted = kind === 'shared' ? SHARED : EXCLUSIVE
  const found = controlLock(fd, GETLK, wanted, rangeOf(place))
  if (found.kind === NONE) return 'nobody'
  return `${found.kind === SHARED ? 'shared' : 'exclusive'} ${found.start} ${found.length}`
}

function rangeOf([start = '0', length = '0']: readonly string[]): {
  readonly start: number
  readonly length: number
} {
  return { start: Number(start), length: Number(length) }
}

function write(words: readonly string[]): string {
  const text = words.join(' ')
  writeSync(fd, text, 0)
  ftruncateSync(fd, Buffer.byteLength(text))
  fsyncSync(fd)
  return 'ok'
}

function read([family]: readonly string[]): string {
  if (family !== undefined) lock(true, [family, 'shared'])
  const text = readText()
  if (family !== undefined) unlock([family])
  return text
}

function readText(): string {
  const bytes = Buffer.alloc(READ_BYTES)
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, READ_BYTES, 0))
}

/** returns how often somebody else had counted between. */
function count([family = '', rounds]: readonly string[]): string {
  let last: number | undefined
  let changes = 0
  for (let round = 0; round < Number(rounds); round++) {
    lock(true, [family, 'exclusive'])
    const number = Number(readText())
    if (number !== last) changes++
    last = number + 1
    writeSync(fd, String(last), 0)
    unlock([family])
  }
  return String(changes)
}

function reopen(): string {
  closeSync(fd)
  fd = openSync(path, 'r+')
  return 'ok'
}

const COMMANDS: Readonly<Record<string, (words: readonly string[]) => string>> = {
  try: (words) => lock(false, words),
  wait: (words) => lock(true, words),
  unlock,
  who,
  write,
  read,
  count,
  reopen,
}

process.on('SIGUSR2', () => undefined)
letSignalInterrupt('SIGUSR2')
for await (const line of createInterface(process.stdin)) {
  const [command = '', ...words] = line.split(' ')
  let answer: string | undefined
  try {
    answer = COMMANDS[command]?.(words)
  } catch (error) {
    answer = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  writeSync(1, `${answer}\n`)
}
