// A program that makes system calls as it is told: a list of them in JSON a line, each answered by
// a line with their results, up to the first that fails. One file is open at a time.
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { createInterface } from 'node:readline'
import type { Answer, Call } from './machine.ts'

const READ_BYTES = 200_000

let open: number | undefined

function make([name, ...words]: Call): string {
  const [path = '', other = ''] = words.map(String)
  switch (name) {
    case 'open':
      open = openSync(path, flagsOf(other), 0o644)
      return ''
    case 'write':
      writeSync(file(), path, other === '' ? null : Number(other))
      return ''
    case 'read': {
      const bytes = Buffer.alloc(Math.min(READ_BYTES, Number(path)))
      return bytes.toString('latin1', 0, readSync(file(), bytes, 0, bytes.length, 0))
    }
    case 'cut':
      ftruncateSync(file(), Number(path))
      return ''
    case 'close': {
      const closing = file()
      open = undefined
      closeSync(closing)
      return ''
    }
    case 'truncate':
      truncateSync(path, Number(other))
      return ''
    case 'rename':
      renameSync(path, other)
      return ''
    case 'unlink':
      unlinkSync(path)
      return ''
    case 'link':
      linkSync(path, other)
      return ''
    case 'mkdir':
      mkdirSync(path)
      return ''
    case 'sync': {
      const folder = openSync(path, constants.O_RDONLY)
      try {
        fsyncSync(folder)
      } finally {
        closeSync(folder)
      }
      return ''
    }
  }
}

function file(): number {
  if (open === undefined) throw new Error('no file is open')
  return open
}

function flagsOf(text: string): number {
  const named: Readonly<Record<string, number>> = {
    write: constants.O_WRONLY,
    both: constants.O_RDWR,
    create: constants.O_CREAT,
    exclusive: constants.O_EXCL,
    empty: constants.O_TRUNC,
    append: constants.O_APPEND,
  }
  return text.split(' ').reduce((flags, word) => flags | (named[word] ?? 0), 0)
}

function answer(calls: readonly Call[]): Answer {
  const results: string[] = []
  try {
    for (const call of calls) results.push(make(call))
    return { results, failure: undefined }
  } catch (error) {
    if (open !== undefined) {
      try {
        closeSync(open)
      } catch {
        // Its node is gone.
      }
      open = undefined
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return { results, failure: code }
  }
}

for await (const line of createInterface(process.stdin))
  writeSync(1, `${JSON.stringify(answer(JSON.parse(line) as Call[]))}\n`)
