// Writes many small files, some at a time: first their contents, then their names, so that an abort
// leaves each of them whole or as it was. One that fails keeps none of the others back.
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { NewFile, NewSmallFile } from '../control/files.ts'
import type { Content } from '../content/content.ts'
import type { ContentPlace, FileContents } from './file-contents.ts'
import type { Change } from './files.ts'
import { parsePath } from './paths.ts'

/** Files that are stored and named at once: more would hold the event loop for too long. */
const AT_ONCE = 32

export interface SmallWritesParts {
  readonly contents: Pick<FileContents, 'begin' | 'writeSmall'>
  readonly volume: { makeRoom(): Promise<void> }
  /** throws what keeps a file from being written there. */
  readonly findPlace: (path: readonly string[]) => ContentPlace
  /** Gives a content its name, in place of what has it. */
  readonly name: (path: readonly string[], content: Content, attributes: NewFile) => void
}

export interface SmallWrites {
  /** Their paths go on from here. */
  readonly folder: readonly string[]
  readonly files: readonly NewSmallFile[]
  readonly change: Change
}

/** See Files.writeSmallFiles. */
export async function writeSmallFiles(
  parts: SmallWritesParts,
  writes: SmallWrites,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, ShoalError>> {
  const { files } = writes
  const failures = new Map<number, ShoalError>()
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE)
    for (const [index, outcome] of (
      await writeSome(parts, { ...writes, files: some }, signal)
    ).entries())
      if (outcome.status === 'rejected') failures.set(at + index, failureOf(outcome.reason))
    await parts.volume.makeRoom()
  }
  return failures
}

async function writeSome(
  { contents, findPlace, name }: SmallWritesParts,
  { folder, files, change }: SmallWrites,
  signal: AbortSignal,
): Promise<readonly PromiseSettledResult<void>[]> {
  const lease = contents.begin()
  try {
    const stored = await Promise.allSettled(
      files.map(async (file) => {
        const path = [...folder, ...parsePath(`/${file.path}`).parts]
        const content = await contents.writeSmall(file.bytes, findPlace(path), signal)
        return { path, content, file }
      }),
    )
    signal.throwIfAborted()
    return await Promise.allSettled(
      stored.map(async (outcome) => {
        if (outcome.status === 'rejected') throw outcome.reason
        const { path, content, file } = outcome.value
        await change(() => name(path, content, file))
      }),
    )
  } finally {
    lease.end()
  }
}

/** The fault of one file. throws what is a fault of this node. */
function failureOf(thrown: unknown): ShoalError {
  const error = asShoalError(thrown)
  if (error.code === 'internal') throw error
  return error
}
