// The expected state of a file: an array of bytes, and its names. Behind `size` all is zero.
import assert from 'node:assert/strict'
import { readSync } from 'node:fs'
import type { Mapping } from './system-calls.ts'

export type HandleKind = 'plain' | 'append' | 'direct'

export interface Handle {
  readonly fd: number
  readonly kind: HandleKind
  readonly file: ModelFile
  mapping: Mapping | undefined
}

export class ModelFile {
  readonly names: Set<string>
  readonly handles: Handle[] = []
  readonly #bytes: Buffer
  readonly #first: string
  size = 0

  /** It gets no longer than `sizeMax`. */
  constructor(name: string, sizeMax: number) {
    this.#bytes = Buffer.alloc(sizeMax)
    this.names = new Set([name])
    this.#first = name
  }

  /** How people know it. */
  get title(): string {
    return [...this.names].join('=') || `${this.#first}, unlinked`
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.size)
  }

  write(position: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, position)
    this.size = Math.max(this.size, position + bytes.length)
  }

  truncate(size: number): void {
    this.#bytes.fill(0, size)
    this.size = size
  }

  /** Zeros up to `end`, or the end of the file. */
  zero(start: number, end: number): void {
    this.#bytes.fill(0, start, end)
  }
}

/** As many bytes as there are from `position` on, at most `length`. */
export function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (;;) {
    const read = readSync(fd, bytes, at, length - at, position + at)
    at += read
    if (read === 0 || at === length) return bytes.subarray(0, at)
  }
}

/** Say where bytes differ, and how. */
export function assertSame(found: Uint8Array, expected: Uint8Array, title: string): void {
  if (Buffer.compare(found, expected) === 0) return
  const length = Math.min(found.length, expected.length)
  let at = 0
  while (at < length && found[at] === expected[at]) at++
  let end = length
  while (end > at && found[end - 1] === expected[end - 1]) end--
  const bytes = (of: Uint8Array): string => Buffer.from(of.subarray(at, at + 8)).toString('hex')
  assert.fail(
    `${title}: ${found.length} bytes for ${expected.length}; ` +
      `from ${at} to ${end}: ${bytes(found)} for ${bytes(expected)}`,
  )
}
