// The real command in processes of its own, beside a MemoryNode that this process serves. Each use
// has its own home and folder, and all of it is gone at its end.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { serveControl } from '../../node/control/server.ts'
import { socketPathOf } from '../../node/control/wire.ts'
import { MemoryNode } from './memory-node.ts'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

export const SHOAL: string = join(import.meta.dirname, '..', '..', 'cli', 'shoal.mjs')

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly bytes: Uint8Array
  readonly stderr: string
}

export type Process = ChildProcessByStdio<Writable, Readable, Readable>

export interface Place {
  /** The folder for files of the test. */
  readonly folder: string
  readonly home: string
  /** Start the command in `folder`, with the place's home. */
  readonly start: (...argv: readonly string[]) => Process
  /** Run the command to its end. */
  readonly shoal: (...argv: readonly string[]) => Promise<Outcome>
  /** Run it with --json and parse what it prints, which is one value. */
  readonly json: (...argv: readonly string[]) => Promise<unknown>
}

/** Run `use` with a home in which no node runs. */
export async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-cli-'))
  const [home, folder] = [join(root, 'home'), join(root, 'folder')]
  await mkdir(folder)
  const started: Process[] = []
  const start = (...argv: readonly string[]): Process => {
    const { SHOAL_HOME: _, SHOAL_SESSION: __, npm_lifecycle_event: ___, ...env } = process.env
    const child = spawn(process.execPath, [SHOAL, ...argv], {
      cwd: folder,
      env: { ...env, HOME: root, SHOAL_HOME: home, NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    // It may end before it has read all that it is given.
    child.stdin.on('error', () => {})
    started.push(child)
    return child
  }
  const shoal = (...argv: readonly string[]): Promise<Outcome> => {
    const child = start(...argv)
    child.stdin.end()
    return outcomeOf(child)
  }
  const json = async (...argv: readonly string[]): Promise<unknown> =>
    JSON.parse((await shoal('--json', ...argv)).stdout)
  try {
    await use({ folder, home, start, shoal, json })
  } finally {
    for (const child of started) child.kill('SIGKILL')
    await rm(root, { recursive: true, force: true })
  }
}

/** Run `use` with a home in which `node` runs. */
export async function withNode(
  use: (place: Place & { readonly node: MemoryNode }) => Promise<void>,
  node: MemoryNode = new MemoryNode(),
): Promise<void> {
  await withPlace(async (place) => {
    await mkdir(place.home, { recursive: true })
    const door = await serveControl(node, {
      socketPath: socketPathOf(place.home),
      onError: (error) => console.error(error),
    })
    try {
      await use({ ...place, node })
    } finally {
      await door.close()
    }
  })
}

export async function outcomeOf(child: Process): Promise<Outcome> {
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code))
  })
  const [code, bytes, stderr] = await Promise.all([ended, buffer(child.stdout), text(child.stderr)])
  return { code, bytes, stdout: bytes.toString('utf8'), stderr }
}
