// Trees of real files to store, and their comparison byte by byte.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, open, readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { TestCluster } from './cluster.ts'

/** Kind, permissions and content of each path of a tree. Paths are relative, with '/'. */
export type TreeDigest = ReadonlyMap<string, string>

const MIB = 1024 * 1024
const RANDOM_FOLDERS = 20
/** Sizes follow one another by so many bytes, so that all between two bounds occur. */
const SIZE_STEP = 1021

/** Read a whole tree. Times of files only where `times`. throws what reading throws. */
export async function digestTree(
  root: string,
  { times = false }: { times?: boolean } = {},
): Promise<TreeDigest> {
  const digest = new Map<string, string>()
  await walk(root, '', async (path, absolute) => {
    const stat = await lstat(absolute, { bigint: true })
    const mode = (stat.mode & 0o7777n).toString(8)
    if (stat.isSymbolicLink()) digest.set(path, `symlink ${await readlink(absolute)}`)
    else if (stat.isDirectory()) digest.set(path, `folder ${mode}`)
    else
      digest.set(
        path,
        `file ${mode} ${times ? stat.mtimeNs / 1_000_000n : ''} ${await digestFile(absolute)}`,
      )
  })
  return digest
}

/** Size and SHA-256 of a file. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  let size = 0
  await pipeline(
    createReadStream(path, { highWaterMark: MIB }),
    async (source: AsyncIterable<Buffer>) => {
      for await (const part of source) {
        size += part.length
        hash.update(part)
      }
    },
  )
  return `${size} ${hash.digest('hex')}`
}

/** Bytes of the files in a folder, some of which may go meanwhile. */
export async function bytesOfFiles(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) =>
    lstat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** The same paths with the same content; says the first few differences. */
export function assertSameTree(actual: TreeDigest, expected: TreeDigest, what: string): void {
  const paths = new Set([...actual.keys(), ...expected.keys()])
  const different = [...paths].filter((path) => actual.get(path) !== expected.get(path))
  const shown = different
    .slice(0, 5)
    .map(
      (path) => `${path}: ${actual.get(path) ?? 'absent'}, not ${expected.get(path) ?? 'absent'}`,
    )
  assert.equal(
    different.length,
    0,
    `${what}: ${different.length} of ${paths.size} paths differ:\n${shown.join('\n')}`,
  )
}

/** A file of random bytes. */
export async function writeRandomFile(path: string, mebibytes: number): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let i = 0; i < mebibytes; i++) await file.write(randomBytes(MIB))
  } finally {
    await file.close()
  }
}

/** Files of random bytes in 20 folders, of sizes between both bounds. returns their bytes. */
export async function writeRandomFiles(
  root: string,
  files: number,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number> {
  let bytes = 0
  for (let i = 0; i < files; i++) {
    const folder = join(root, `folder-${i % RANDOM_FOLDERS}`)
    if (i < RANDOM_FOLDERS) await mkdir(folder, { recursive: true })
    const length = from + ((i * SIZE_STEP) % (to - from))
    await writeFile(join(folder, `file-${i}`), randomBytes(length))
    bytes += length
  }
  return bytes
}

/** Small files in folders, with names that are hard on programs. returns their bytes. */
export async function writeSmallTree(root: string, files: number): Promise<number> {
  let bytes = 0
  const names = ['plain', 'with space', 'émoji 🐟', '-dash', "quo'te", 'tab\tname']
  for (let i = 0; i < files; i++) {
    const folder = join(root, `folder ${i % 7}`)
    if (i < 7) await mkdir(folder, { recursive: true })
    const content = i === 0 ? '' : `content of file ${i}\n`.repeat(1 + (i % 400))
    bytes += content.length
    await writeFile(join(folder, `${names[i % names.length]}-${i}`), content)
  }
  return bytes
}

async function walk(
  root: string,
  path: string,
  visit: (path: string, absolute: string) => Promise<void>,
): Promise<void> {
  for (const entry of await readdir(join(root, path), { withFileTypes: true })) {
    const child = path === '' ? entry.name : `${path}/${entry.name}`
    await visit(child, join(root, child))
    if (entry.isDirectory()) await walk(root, child, visit)
  }
}

/**
 * Put a tree with a large file and so many small ones at /tree of a cluster, on all of its nodes.
 * returns the folder that it is from.
 */
export async function putTree(cluster: TestCluster, files: number): Promise<string> {
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, files)
  await writeRandomFile(join(source, 'large'), 3)
  await cluster.nodes[0]?.shoal('put', source, '/tree')
  await cluster.converged()
  return source
}
