// The program as a clone has it after setup: bundled, and never from a bundle that is stale. In a
// copy of the sources, beside the packages of this clone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { root } from '../sources.ts'
import { outcomeOf } from './shoal.ts'
import type { Outcome } from './shoal.ts'

const SOURCES = [
  'cli',
  'client',
  'console',
  'node',
  'protocol',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
] as const
/** As setup names them: by the time at which they are made. */
const OLDER = ['bundle-1000000000001-1', 'bundle-1000000000002-1', 'bundle-1000000000003-1']
/** A node that is alone: no other machine or test sees it. */
const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const

describe('the bundle', () => {
  let folder = ''
  let clone = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-bundle-'))
    clone = join(folder, 'clone')
    await mkdir(join(clone, 'node_modules'), { recursive: true })
    for (const name of SOURCES)
      await cp(join(root, name), join(clone, name), { recursive: true, preserveTimestamps: true })
    for (const name of await readdir(join(root, 'node_modules')))
      await symlink(join(root, 'node_modules', name), join(clone, 'node_modules', name))
    const main = join(clone, 'cli', 'main.ts')
    const broken = "function breakHere(): void {\n  throw new Error('broken')\n}\n"
    await appendFile(main, `\n${broken}if (process.env['BREAK'] !== undefined) breakHere()\n`)
    for (const name of OLDER) await mkdir(join(clone, 'dist', name), { recursive: true })
    const { code, stderr } = await run({}, 'scripts/setup.mjs')
    assert.deepEqual({ code, stderr }, { code: 0, stderr: 'shoal: bundling the program\n' })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  function run(env: NodeJS.ProcessEnv, script: string, ...argv: string[]): Promise<Outcome> {
    // Without npm on the path: were the packages not those of the lock, it fails.
    const inherited = { HOME: folder, SHOAL_HOME: join(folder, 'home'), PATH: '/usr/bin:/bin' }
    const child = spawn(process.execPath, [join(clone, script), ...argv], {
      env: { ...inherited, NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.end()
    return outcomeOf(child)
  }

  /** The origin of the code that the command reports. */
  async function origin(env: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, stdout, stderr } = await run(
      { NODE_DEBUG: 'shoal', ...env },
      'cli/shoal.mjs',
      '--version',
    )
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '0.1.0\n' }, stderr)
    return stderr.replace(/^SHOAL \d+: /, '').trim()
  }

  async function newest(): Promise<string> {
    const text = await readFile(join(clone, 'dist', 'bundle.json'), 'utf8')
    return join(clone, 'dist', (JSON.parse(text) as { folder: string }).folder)
  }

  test('setup makes a bundle, keeps two older ones, and does nothing when run again', async () => {
    const names = await readdir(join(clone, 'dist'))
    assert.deepEqual(
      names.filter((name) => OLDER.includes(name)),
      OLDER.slice(1),
    )
    assert.equal((await run({}, 'scripts/setup.mjs')).stderr, '')
    assert.deepEqual(await readdir(join(clone, 'dist')), names)
  })

  test('the command runs from the bundle, or with SHOAL_FROM_SOURCE from the sources', async () => {
    assert.equal(await origin(), `runs from the bundle ${await newest()}`)
    assert.equal(
      await origin({ SHOAL_FROM_SOURCE: '1' }),
      'runs from the sources: SHOAL_FROM_SOURCE is set',
    )
    assert.equal(await origin({ SHOAL_FROM_SOURCE: '' }), await origin())
  })

  test('a stack trace names the line of the source', async () => {
    const main = join(clone, 'cli', 'main.ts')
    const line = (await readFile(main, 'utf8')).split('\n').findIndex((text) => /broken/.test(text))
    const [bundled, unbundled] = await Promise.all([
      run({ BREAK: '1' }, 'cli/shoal.mjs', '--version'),
      run({ BREAK: '1', SHOAL_FROM_SOURCE: '1' }, 'cli/shoal.mjs', '--version'),
    ])
    const trace = `Error: broken\n    at breakHere (file://${main}:${line + 1}:9)\n`
    assert(bundled.stderr.includes(trace), bundled.stderr)
    assert(unbundled.stderr.includes(trace), unbundled.stderr)
  })

  test('a bundle is stale when a source is touched, or changed with the same mtime', async () => {
    for (const path of ['protocol/units.ts', 'protocol/kernels/gear.wasm', 'package.json']) {
      const stale = `runs from the sources: ${path} is not what the bundle was made of`
      const whole = join(clone, path)
      const { atime, mtime } = await stat(whole)
      await utimes(whole, atime, new Date(mtime.getTime() + 1))
      assert.equal(await origin(), stale)
      if (path === 'protocol/units.ts') {
        await appendFile(whole, '\n')
        await utimes(whole, atime, mtime)
        assert.equal(await origin(), stale)
      }
      await cp(join(root, path), whole, { preserveTimestamps: true })
      assert.equal(await origin(), `runs from the bundle ${await newest()}`)
    }
  })

  test('a bundle is stale when a package was installed after it was made', async () => {
    const lock = join(clone, 'node_modules', '.package-lock.json')
    await rm(lock)
    await writeFile(lock, '{}')
    assert.match(await origin(), /^runs from the sources: node_modules\/\.package-lock\.json /)
    await rm(lock)
    await symlink(join(root, 'node_modules', '.package-lock.json'), lock)
    assert.equal(await origin(), `runs from the bundle ${await newest()}`)
  })

  test('a node that runs from the bundle finds its worker threads and kernels in it', async () => {
    const at = join(folder, 'mounted')
    const shoal = (...words: string[]): Promise<Outcome> => run({}, 'cli/shoal.mjs', ...words)
    const up = await shoal('up', '--detach', '--name', 'attic', ...ALONE)
    assert.equal(up.code, 0, up.stderr)
    try {
      for (const path of ['node/mount', 'protocol/kernels', 'node/world'])
        await rm(join(clone, path), { recursive: true })
      assert.match(await origin(), /^runs from the sources: /)
      const mount = await shoal('mount', at)
      assert.equal(mount.code, 0, mount.stderr)
      const bytes = new Uint8Array(1 << 20).map((_byte, index) => (index * index) >> 8)
      await writeFile(join(at, 'file'), bytes)
      assert.deepEqual(new Uint8Array(await readFile(join(at, 'file'))), bytes)
    } finally {
      assert.equal((await shoal('down')).code, 0)
    }
  })
})
