// The inputs of each target that are kept, as small files: each took a path through the decoder
// that no other did, or broke it once.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'corpus')
const NAME_CHARS = 16
/** The number of inputs kept of each target by itself, the smallest. */
const KEPT_MAX = 16
const KEPT_BYTES_MAX = 512

export function corpusOf(target: string): readonly Uint8Array[] {
  try {
    const folder = join(FOLDER, target)
    return readdirSync(folder)
      .toSorted()
      .map((name) => Uint8Array.from(readFileSync(join(folder, name))))
  } catch {
    return []
  }
}

/** Add inputs that went ways of their own. */
export function keep(target: string, inputs: readonly Uint8Array[]): void {
  const known = corpusOf(target).length
  const small = inputs
    .filter(({ length }) => length <= KEPT_BYTES_MAX)
    .toSorted((a, b) => a.length - b.length)
  mkdirSync(join(FOLDER, target), { recursive: true })
  for (const input of small.slice(0, Math.max(0, KEPT_MAX - known)))
    writeFileSync(join(FOLDER, target, nameOf(input)), input)
}

/** The name of an input, by its bytes. */
export function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, NAME_CHARS)
}
