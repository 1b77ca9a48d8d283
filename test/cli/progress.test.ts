// Progress of long work: what is said of it, where, and to whom.
import assert from 'node:assert/strict'
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Work } from '../../cli/progress.ts'
import { MIB } from '../../protocol/units.ts'
import { runInProcess } from './in-process.ts'
import { withNode } from './shoal.ts'
import type { Outcome } from './in-process.ts'

describe('Work', () => {
  test('says amount, counts, rate, and the time left once that is no guess', () => {
    let nowMs = 0
    const work = new Work('put', { now: () => nowMs, counts: () => '3 of 10 files' })
    assert.equal(work.text(), '0 B of 0 B, 3 of 10 files')
    work.total = 4e6
    assert.equal(work.text(), '0 B of 4.00 MB, 3 of 10 files')
    work.done = 1e6
    nowMs = 2000
    assert.equal(work.text(), '1.00 MB of 4.00 MB, 3 of 10 files, 500 KB/s')
    nowMs = 10_000
    assert.equal(work.text(), '1.00 MB of 4.00 MB, 3 of 10 files, 100 KB/s, 31 s left')
    assert.equal(work.share, 0.25)
    work.done = 5e6
    assert.equal(work.text(), '5.00 MB, 3 of 10 files, 500 KB/s')
  })

  test('another step begins anew, and counts what it is about', () => {
    let nowMs = 0
    const work = new Work('Looking at files', { now: () => nowMs })
    assert.equal(work.text(), '...')
    work.begin('Looking at files', 'file')
    work.total = 200
    work.done = 50
    nowMs = 60_000
    assert.equal(work.text(), '50 of 200 files, 3 min left')
    work.begin('Waiting', 'ms')
    assert.equal(work.share, 0)
    work.total = 60_000
    nowMs = 65_000
    work.done = 5000
    assert.equal(work.text(), '5 s of at most 60 s')
  })
})

describe('progress', () => {
  test('a copy shows bytes and files in the width of the terminal, and nothing if quiet', () =>
    withNode(async ({ home, folder }) => {
      const columns = 80
      const run = (...words: readonly string[]): Promise<Outcome> =>
        runInProcess(['--home', home, ...words], { isTerminal: true, columns })
      const src = join(folder, 'src')
      await mkdir(src)
      for (const name of ['a', 'b']) await writeFile(join(src, name), Buffer.alloc(MIB, name))
      const { stderr } = await run('put', src, '/src')
      assert.match(stderr, /put .*2\.10 MB of 2\.10 MB, 2 of 2 files, /)
      // eslint-disable-next-line no-control-regex -- what moves the cursor
      for (const line of stderr.split(/\u001b\[[0-9?;]*[A-Za-z]/))
        assert.ok(line.length <= columns, `${line.length} columns`)
      assert.deepEqual(await run('put', '--quiet', src, '/again'), {
        code: 0,
        stdout: '',
        stderr: '',
      })
    }))

  test('the bar moves while sync --checksum compares, and comes to its end', () =>
    withNode(async ({ home, folder }) => {
      const run = (...words: readonly string[]): Promise<Outcome> =>
        runInProcess(['--home', home, ...words], { isTerminal: true })
      const [src, back] = [join(folder, 'src'), join(folder, 'back')]
      await mkdir(src)
      await writeFile(join(src, 'same'), Buffer.alloc(MIB))
      await writeFile(join(src, 'other'), Buffer.alloc(MIB))
      await run('sync', src, ':/src')
      await run('sync', ':/src', back)
      for (const folder of [src, back]) {
        const path = join(folder, 'other')
        const last = Buffer.alloc(MIB)
        last[MIB - 1] = folder === src ? 1 : 2
        await writeFile(path, last)
        await utimes(path, 1, 1)
      }
      for (const places of [
        [src, ':/src'],
        [':/src', back],
      ] as const) {
        // What differs is read to its end, and then copied.
        const { stderr } = await run('sync', '--checksum', ...places)
        assert.match(stderr, /3\.15 MB of 3\.15 MB, 2 of 2 files/)
      }
    }))
})
