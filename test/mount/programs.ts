// Other people's programs, run on a mount: which of them are here, and what some of them work on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { chmod, link, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { SeededRandom } from '../../simulations/random.ts'
import { run } from './mounted.ts'

/**
 * Run a line of sh in a folder, which may be on a mount that another process serves. returns what
 * it says.
 */
export function shell(folder: string, line: string): Promise<string> {
  return run('sh', '-c', `cd "$0" && ${line}`, folder)
}

/** Git without what the user has set. */
export function git(...words: readonly string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org']
  return run(
    'env',
    'GIT_CONFIG_NOSYSTEM=1',
    'git',
    ...identity,
    '-c',
    'advice.detachedHead=false',
    ...words,
  )
}

export const BRANCHES = ['one', 'two', 'three', 'four'] as const

/**
 * A bare repository: so many commits on main, each to a file of hundreds, and the branches, which
 * leave it on its way.
 */
export async function makeRepository(folder: string, commits: number): Promise<void> {
  await git('init', '-q', '--bare', '-b', 'main', folder)
  const child = spawn('git', ['-C', folder, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const said = text(child.stderr)
  const random = new SeededRandom(1, 'repository')
  const commit = (branch: string, n: number, from: string): string => {
    const path = `folder ${n % 7}/part ${n % 3}/file ${random.below(15)}.txt`
    const content = `${branch} ${n}\n${'a line that many share\n'.repeat(random.below(200))}`
    const who = `committer t <t@example.org> ${1_700_000_000 + n} +0000\n`
    const message = `${branch} ${n}`
    return (
      `commit refs/heads/${branch}\n${who}data ${message.length}\n${message}\n${from}` +
      `M 100${n % 9 === 0 ? 755 : 644} inline ${path}\ndata ${content.length}\n${content}\n`
    )
  }
  for (let n = 0; n < commits; n++) {
    child.stdin.write(commit('main', n, ''))
    const branch =
      n % Math.ceil(commits / BRANCHES.length) === 99
        ? BRANCHES[Math.floor((n * BRANCHES.length) / commits)]
        : undefined
    if (branch !== undefined) {
      for (let m = 0; m < 60; m++)
        child.stdin.write(commit(branch, 10_000 * n + m, m === 0 ? 'from refs/heads/main\n' : ''))
    }
  }
  child.stdin.end()
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, await said)
}

/** A tree with modes, times, symbolic and hard links, holes, and odd names. */
export async function makeOddTree(folder: string, files: number): Promise<void> {
  const random = new SeededRandom(1, 'tree')
  for (let n = 0; n < files; n++) {
    const inside = join(folder, `d${n % 13}`, `ü ${n % 3}`)
    await mkdir(inside, { recursive: true })
    const path = join(inside, `${n} ${'x'.repeat(n % 100)}`)
    await writeFile(path, random.bytes(random.pick([0, 100, 2048, 2049, 9000, 200_000])))
    await chmod(path, 0o400 + random.below(0o400))
    await utimes(path, 1_000_000_000, 1_600_000_000 + random.below(1_000_000_000) / 1000)
    if (n % 10 === 0) await symlink(`../${n} not there`, `${path} symbolic`)
    if (n % 15 === 0) await link(path, join(folder, `hard ${n}`))
  }
}

/** A C program of so many files, and its Makefile. Prints the sum of 0 to parts - 1. */
export async function makeProgram(folder: string, parts: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  const numbers = Array.from({ length: parts }, (_, n) => n)
  for (const n of numbers)
    await writeFile(
      join(folder, `part${n}.c`),
      `#include "parts.h"\nint part${n}(void) { return ${n}; }\n`,
    )
  const declared = numbers.map((n) => `int part${n}(void);`).join('\n')
  await writeFile(join(folder, 'parts.h'), `${declared}\n`)
  const sum = numbers.map((n) => `part${n}()`).join(' + ')
  const main = createWriteStream(join(folder, 'main.c'))
  main.end(`#include <stdio.h>\n#include "parts.h"\nint main(void) { printf("%d\\n", ${sum}); }\n`)
  await finished(main)
  const objects = ['main.o', ...numbers.map((n) => `part${n}.o`)].join(' ')
  await writeFile(
    join(folder, 'Makefile'),
    `program: ${objects}\n\t$(CC) -o $@ ${objects}\n${objects}: parts.h\n`,
  )
}
