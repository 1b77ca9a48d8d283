// The files that benches put and get: one big one, and many small ones; and the machine on which
// they do.
import { mkdir } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { KIB, MIB } from '../protocol/units.ts'
import { runShoal } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { writeRandomFile, writeRandomFiles } from '../test/cluster/trees.ts'
import type { Work } from './copy.ts'

const SMALL = { from: 1 * KIB, to: 8 * KIB }

export function describeMachine(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  const model = cpus()[0]?.model ?? 'unknown CPU'
  return `${cpus().length} x ${model}, ${gibibytes} GiB, Node ${process.version}`
}

/** One file of so many MiB of random bytes, in a new folder. */
export async function bigWork(folder: string, mebibytes: number, name = 'big'): Promise<Work> {
  const path = await made(folder, name)
  await writeRandomFile(join(path, 'file'), mebibytes)
  return { name: `One file of ${mebibytes} MiB`, path, bytes: mebibytes * MIB, files: 1 }
}

/** So many files of 1 to 8 KiB of random bytes, in a new folder. */
export async function smallWork(folder: string, files: number, name = 'small'): Promise<Work> {
  const path = await made(folder, name)
  const bytes = await writeRandomFiles(path, files, SMALL)
  return { name: `${files} files of 1 to 8 KiB`, path, bytes, files }
}

/** A new folder. returns its path. */
export async function made(parent: string, name: string): Promise<string> {
  const path = join(parent, name)
  await mkdir(path)
  return path
}

/** Run a command of Shoal on a node. throws if it fails. */
export async function command({ home }: TestNode, ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await runShoal(['--home', home, '--quiet', ...words])
  if (code !== 0) throw new Error(`shoal ${words.join(' ')}: ${stderr}`)
}
