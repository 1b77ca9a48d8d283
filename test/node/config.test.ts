// The home of a node: made once, closed to others, and every mistake in its files named.
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { protectionOf } from '../../node/protection.ts'
import { makeFolders } from '../../node/world/make-folder.ts'
import { updateConfig } from '../../node/config.ts'
import { initHome, isHome, loadHome } from '../../node/home.ts'

const LISTEN = ['/ip4/127.0.0.1/tcp/0'] as const

/** The text of config.yaml, and the error. */
const WRONG_FILES: readonly (readonly [string, RegExp])[] = [
  ['name: [', /config\.yaml is not YAML: [^\n]* at line \d, column \d+\.$/],
  ['name: a: b', /config\.yaml is not YAML: [^\n]* at line 1, column 7\.$/],
  ['listen: [/ip4/127.0.0.1/tcp/0]', /config\.yaml: name /],
  ['name: a b\nlisten: [/ip4/127.0.0.1/tcp/0]', /name must be letters, digits/],
  ['name: a\nlisten: []', /listen needs at least one multiaddr/],
  ['name: a\nlisten: [here]', /listen\.0 must be a multiaddr/],
  ['name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\ncapacity: much', /capacity must be a size/],
  ['name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\nrepairRate: 10', /repairRate must be at least 1KB/],
  ['name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\nmdns: maybe', /mdns must be true or false/],
  ...(
    [
      ['issuer: http://id.example, client: shoal', /must be the https:\/\/ URL of the provider/],
      ['issuer: "https://id.example/?x", client: shoal', /must be the https:\/\/ URL/],
      ['issuer: id.example, client: shoal', /must be the https:\/\/ URL of the provider/],
      ['issuer: https://id.example, client: a b', /must be a word/],
      ['issuer: https://id.example, client: a, secretFile: x', /must be the absolute path/],
    ] as const
  ).map(([oidc, error]): [string, RegExp] => [
    `name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\ndoors: [{ http: { listen: 127.0.0.1:0, oidc: { ${oidc} } } }]`,
    error,
  ]),
  [traces('to: ftp://127.0.0.1/'), /traces\.to must be a URL of http/],
  [traces('to: "http://me:secret@127.0.0.1/"'), /traces\.to must have no user or password/],
  [traces('to: "http://[::1]:4318/", sample: 2'), /traces\.sample must be from 0 to 1/],
  [traces('to: "http://[::1]:4318/", slow: 5'), /traces\.slow /],
  [traces('to: "http://[::1]:4318/", slow: soon'), /traces\.slow must be a time such as 1s/],
  [traces('to: "http://[::1]:4318/", headers: {Host: a}'), /traces\.headers/],
  [traces('to: "http://[::1]:4318/", headers: {a: "b\\nc: d"}'), /traces\.headers/],
  [
    'name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\nport: 1',
    /there is no key "port"\. The keys are name, zone/,
  ],
]

function traces(fields: string): string {
  return `name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\ntraces: {${fields}}`
}

describe('home', () => {
  test('load reads the config that init makes', async () => {
    await withFolder(async (folder) => {
      assert.equal(await isHome(folder), false)
      const made = await initHome(folder, {
        name: 'attic',
        zone: 'house',
        capacity: '2GB',
        repairRate: '5MB',
        cacheSize: '2GiB',
        listen: LISTEN,
        mdns: false,
      })
      assert.equal(await isHome(folder), true)
      assert.deepEqual(await loadHome(folder), { ...made, key: undefined })
      assert.deepEqual(made.config, {
        name: 'attic',
        zone: 'house',
        capacityBytes: 2e9,
        repairBytesPerSecond: 5e6,
        cacheBytes: 2 * 2 ** 30,
        listen: LISTEN,
        advertise: [],
        mdns: false,
        metrics: undefined,
        traces: undefined,
        doors: [],
        requestRate: undefined,
        alerts: { targets: [], off: [], afterMs: {} },
        backups: {},
      })
      assert.equal(made.seed.byteLength, 32)
    })
  })

  test('folder and key are private, and a key that others may read is refused', async () => {
    await withFolder(async (folder) => {
      await chmod(folder, 0o755)
      await initHome(folder)
      assert.equal((await stat(folder)).mode & 0o777, 0o700)
      const key = join(folder, 'identity.key')
      assert.equal((await stat(key)).mode & 0o777, 0o600)
      await chmod(key, 0o640)
      await assert.rejects(loadHome(folder), { code: 'EPERM', message: /Fix it with "chmod 600/ })
      await chmod(key, 0o600)
      await writeFile(key, 'zz')
      await assert.rejects(loadHome(folder), {
        code: 'corrupt',
        message: /not a key of 64 hex digits/,
      })
    })
  })

  test('two homes have different keys, and default ports that stay the same', async () => {
    await withFolder(async (folder) => {
      const one = await initHome(join(folder, 'one'))
      const two = await initHome(join(folder, 'two'))
      assert.notDeepEqual(one.seed, two.seed)
      assert.match(one.config.listen[0] ?? '', /^\/ip4\/0\.0\.0\.0\/tcp\/[23]\d{4}$/)
      assert.deepEqual((await loadHome(join(folder, 'one'))).config, one.config)
    })
  })

  test('init completes a half-made home, and otherwise needs an empty folder', async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, 'config.yaml'), 'half')
      await writeFile(join(folder, 'identity.key.new'), 'half')
      await initHome(folder, { name: 'attic' })
      assert.equal((await loadHome(folder)).config.name, 'attic')
      await assert.rejects(initHome(folder), { code: 'EEXIST', message: /is a Shoal home already/ })
      const other = join(folder, 'other')
      await mkdir(other)
      await writeFile(join(other, 'file'), '')
      await assert.rejects(initHome(other), { code: 'EEXIST', message: /is not empty \(file\)/ })
    })
  })

  test('a home without its key is told from a folder that is none, and stays as it is', async () => {
    await withFolder(async (folder) => {
      await initHome(folder)
      for (const name of ['index', 'segments']) await mkdir(join(folder, name))
      await rm(join(folder, 'identity.key'))
      const expected = {
        code: 'corrupt',
        message: /nothing was changed\. Restore that file from a/,
      }
      await assert.rejects(initHome(folder), expected)
      await assert.rejects(loadHome(folder), expected)
      await assert.rejects(protectionOf(folder), expected)
      assert.deepEqual(await readdir(folder), ['config.yaml', 'index', 'segments'])
    })
  })

  test('a home where no folder can be made fails at once', async () => {
    for (const home of ['/proc/shoal', '/proc/shoal/home'])
      await assert.rejects(initHome(home), { code: 'ENOENT', message: /can be made in \/proc;/ })
    await withFolder(async (folder) => {
      await writeFile(join(folder, 'file'), '')
      for (const home of ['file', 'file/below'])
        await assert.rejects(initHome(join(folder, home)), { code: 'ENOTDIR' })
      await Promise.all([1, 2, 3].map(() => makeFolders(join(folder, 'a/b/c'))))
    })
  })

  test('invalid options create no home', async () => {
    await withFolder(async (folder) => {
      await assert.rejects(initHome(folder, { name: 'a b' }), {
        code: 'usage',
        message: /name must be/,
      })
      await assert.rejects(initHome(folder, { capacity: 'x' }), {
        code: 'usage',
        message: /capacity/,
      })
      assert.deepEqual(await readdir(folder), [])
    })
  })

  test('update changes the given settings and keeps the rest, with comments', async () => {
    await withFolder(async (folder) => {
      await initHome(folder, { name: 'attic', listen: LISTEN })
      const file = join(folder, 'config.yaml')
      await writeFile(file, `${await readFile(file, 'utf8')}# mine\nzone: house\n`)
      await updateConfig(folder, { zone: 'shed', name: undefined })
      const text = await readFile(file, 'utf8')
      assert.match(text, /^# This node's settings[^]*name: attic[^]*# mine\nzone: shed\n$/)
      await assert.rejects(updateConfig(folder, { zone: '' }), { code: 'usage' })
      assert.equal(await readFile(file, 'utf8'), text)
    })
  })

  for (const [text, expected] of WRONG_FILES) {
    test(`config ${JSON.stringify(text)} is refused by file and key`, async () => {
      await withFolder(async (folder) => {
        await initHome(folder)
        await writeFile(join(folder, 'config.yaml'), text)
        await assert.rejects(loadHome(folder), { code: 'malformed', message: expected })
      })
    })
  }

  test('a missing home is reported with the next step', async () => {
    await withFolder(async (folder) => {
      await assert.rejects(loadHome(folder), {
        code: 'ENOENT',
        message: /Create one with "shoal init"/,
      })
      await initHome(folder)
      await rm(join(folder, 'config.yaml'))
      await assert.rejects(loadHome(folder), {
        code: 'ENOENT',
        message: /config\.yaml cannot be read/,
      })
    })
  })

  test('the cache size has a default and a minimum', async () => {
    await withFolder(async (folder) => {
      const { config } = await initHome(folder)
      assert.equal(config.cacheBytes, 2 ** 30)
      const code = 'usage'
      const message = /--cache-size must be at least 32MiB/
      await assert.rejects(updateConfig(folder, { cacheSize: '31MiB' }), { code, message })
      await updateConfig(folder, { cacheSize: '32MiB' })
      assert.equal((await loadHome(folder)).config.cacheBytes, 2 ** 25)
    })
  })

  test('sizes are decimal with B and binary with iB', async () => {
    await withFolder(async (folder) => {
      await initHome(folder)
      const sizes: (number | undefined)[] = []
      for (const capacity of ['0', '1024', '200GB', '1.5 kb', '10GiB', '2T']) {
        await updateConfig(folder, { capacity })
        sizes.push((await loadHome(folder)).config.capacityBytes)
      }
      assert.deepEqual(sizes, [0, 1024, 2e11, 1500, 10 * 2 ** 30, 2e12])
      for (const capacity of ['', '-1', '1.2.3', '1XB', 'GB', '9999999PB', '1e3'])
        await assert.rejects(updateConfig(folder, { capacity }), { code: 'usage' }, capacity)
    })
  })
})

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-home-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
