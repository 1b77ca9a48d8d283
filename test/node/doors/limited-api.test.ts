// Which calls an account may make: every call there is, for every verb, within its grant and not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ROUTES } from '../../../node/control/routes.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import { limitedApi } from '../../../node/doors/limited-api.ts'
import { VERBS } from '../../../protocol/accounts/verbs.ts'
import type { Verb } from '../../../protocol/accounts/verbs.ts'
import type { Grant } from '../../../protocol/accounts/grants.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { VolumeId } from '../../../protocol/ids.ts'

const VOLUME = 'v1' as VolumeId

/** Takes every call, and says with what. */
function recorder(): { readonly api: NodeApi; readonly calls: (readonly unknown[])[] } {
  const calls: (readonly unknown[])[] = []
  const names = [
    { name: 'photos', kind: 'folder' },
    { name: 'secret', kind: 'file' },
  ]
  const answer = (name: string): unknown => {
    if (name === 'listPage') return { entries: names }
    return name === 'listSnapshots' ? [{ path: '/' }, { path: '/other' }, {}] : undefined
  }
  const api = Object.fromEntries(
    Object.entries(ROUTES).map(([name, route]) => [
      name,
      (...given: readonly unknown[]): unknown => {
        calls.push([name, ...given])
        if (route.answer === 'json' || route.answer === 'file') return Promise.resolve(answer(name))
        return pagesOf(name === 'list' ? [names] : [])
      },
    ]),
  )
  return { api: api as unknown as NodeApi, calls }
}

async function* pagesOf(pages: readonly unknown[]): AsyncGenerator<unknown> {
  yield* pages
}

function limited(
  grants: readonly Grant[],
  recorded = recorder(),
): {
  readonly api: NodeApi
  readonly calls: (readonly unknown[])[]
} {
  const limits = {
    login: 'anna@main',
    volume: VOLUME,
    volumeName: 'main',
    grants: () => grants,
    volumeOf: (name: string | undefined) => (name === 'other' ? ('v2' as VolumeId) : VOLUME),
  }
  return { api: limitedApi(recorded.api, limits), calls: recorded.calls }
}

/** Runs a call to its end. */
async function run(result: unknown): Promise<void> {
  if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
    for await (const _ of result as AsyncIterable<unknown>);
  else await result
}

async function isAllowed(use: () => unknown): Promise<boolean> {
  try {
    await run(use())
    return true
  } catch (error) {
    if (hasCode(error, 'EPERM')) return false
    throw error
  }
}

const NOTHING = pagesOf([]) as AsyncIterable<Uint8Array>

/** All that an account may ever call, at a path. */
const CALLS: Readonly<Record<string, (api: NodeApi, at: string) => unknown>> = {
  stat: (api, at) => api.stat(at),
  list: (api, at) => api.list(at),
  listPage: (api, at) => api.listPage(at),
  readFile: (api, at) => api.readFile(at),
  readSmallFiles: (api, at) => api.readSmallFiles([at]),
  listConflicts: (api, at) => api.listConflicts(at),
  showConflict: (api, at) => api.showConflict(at),
  listVersions: (api, at) => api.listVersions(at),
  findVersion: (api, at) => api.findVersion(at),
  listRemoved: (api, at) => api.listRemoved(at),
  makeFolder: (api, at) => api.makeFolder(at),
  writeFile: (api, at) => api.writeFile(at, NOTHING),
  replace: (api, at) => api.writeFile(at, NOTHING, {}, { ifTag: 'x' }),
  makeSymlink: (api, at) => api.makeSymlink(at, 'x'),
  remove: (api, at) => api.remove(at),
  setAttributes: (api, at) => api.setAttributes(at, {}),
  keepConflict: (api, at) => api.keepConflict(at),
  undelete: (api, at) => api.undelete(at),
  restore: (api, at) => api.restore(at),
  move: (api, at) => api.move(at, at),
  clone: (api, at) => api.clone(at, at),
  joinFiles: (api, at) => api.joinFiles(at, [at]),
}
const READ = words(
  'stat list listPage readFile readSmallFiles listConflicts showConflict listVersions',
  'findVersion listRemoved',
)
const ADD = words('stat makeFolder writeFile')
const WRITE = words(
  ...ADD,
  'replace makeSymlink remove setAttributes keepConflict undelete restore move',
)
const ALLOWED: Readonly<Record<Verb, readonly string[]>> = { read: READ, add: ADD, write: WRITE }

function words(...texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(' '))
}

describe('the calls of an account', () => {
  for (const verb of VERBS)
    test(`${verb}: its calls within what was granted, and none besides`, async () => {
      const { api } = limited([{ path: '/a', verbs: [verb] }])
      for (const [name, call] of Object.entries(CALLS)) {
        const expected = ALLOWED[verb].includes(name)
        assert.equal(await isAllowed(() => call(api, 'main:/a/b')), expected, name)
        for (const path of ['/ab', '/b', 'other:/a/b', '/A/b'])
          assert.equal(await isAllowed(() => call(api, path)), false, `${name} ${path}`)
      }
    })

  test('all that needs two places needs both', async () => {
    const { api } = limited([
      { path: '/r', verbs: ['read'] },
      { path: '/w', verbs: ['write'] },
    ])
    assert.equal(await isAllowed(() => api.clone('/r/x', '/w/x')), true)
    assert.equal(await isAllowed(() => api.clone('/w/x', '/w/y')), false)
    assert.equal(await isAllowed(() => api.joinFiles('/w/x', ['/r/x', '/r/y'])), true)
    assert.equal(await isAllowed(() => api.joinFiles('/w/x', ['/r/x', '/w/y'])), false)
    assert.equal(await isAllowed(() => api.joinFiles('/r/z', ['/r/x'])), false)
    assert.equal(await isAllowed(() => api.clone('/r/x', '/r/y')), false)
    assert.equal(await isAllowed(() => api.move('/r/x', '/w/x')), false)
    assert.equal(await isAllowed(() => api.move('/w/x', '/r/x')), false)
    assert.equal(await isAllowed(() => api.restore('/r/x', { to: '/w/x' })), true)
    assert.equal(await isAllowed(() => api.restore('/w/x', { to: '/r/x' })), false)
    assert.equal(await isAllowed(() => api.undelete('/w/x', { to: '/r/x' })), false)
    assert.equal(await isAllowed(() => api.readSmallFiles(['/r/x', '/w/x'])), false)
  })

  test('every other call is for the owner, though all is granted', async () => {
    const { api, calls } = limited([{ path: '/', verbs: VERBS }])
    const known = new Set([...Object.keys(CALLS), 'settle', 'readLog', 'listSnapshots'])
    known.add('diffSnapshots')
    const others = Object.keys(ROUTES).filter((name) => !known.has(name))
    assert.ok(others.includes('stop') && others.includes('invite') && others.includes('createKey'))
    for (const name of others)
      assert.equal(
        await isAllowed(() => (api[name as keyof NodeApi] as () => unknown)()),
        false,
        name,
      )
    assert.deepEqual(calls, [])
  })

  test('what is called is what was judged: one form of each path', async () => {
    const { api, calls } = limited([{ path: '/a b', verbs: VERBS }])
    await api.remove('//a b/./c\\x2e')
    await api.remove(':/\\x61 b/c')
    assert.deepEqual(
      calls.map(([, path]) => path),
      ['main:/a b/c.', 'main:/a b/c'],
    )
    await assert.rejects(api.remove('/a b/../c'), { code: 'usage' })
    await assert.rejects(api.remove('/a b\\x2fc'), { code: 'usage' })
    await assert.rejects(api.remove('/a b/\\x2e\\x2e/c'), { code: 'usage' })
  })

  test('who may only add replaces nothing', async () => {
    const { api, calls } = limited([{ path: '/in', verbs: ['add'] }])
    await api.writeFile('/in/x', NOTHING, undefined, { ack: 'local' })
    assert.deepEqual(calls[0]?.at(-1), { ack: 'local', ifTag: '' })
    assert.equal(await isAllowed(() => api.writeFile('/in/x', NOTHING, {}, { ifTag: '*' })), false)
  })

  test('a folder on the way shows what leads to a grant, and nothing else', async () => {
    const { api } = limited([{ path: '/all/photos/2026', verbs: ['read'] }])
    const { entries } = await api.listPage('/all')
    assert.deepEqual(
      entries.map(({ name }) => name),
      ['photos'],
    )
    assert.deepEqual((await api.listPage('/all/photos/2026')).entries.length, 2)
    for await (const page of api.list('/all'))
      assert.deepEqual(
        page.map(({ name }) => name),
        ['photos'],
      )
    assert.equal(await isAllowed(() => api.listPage('/all/secret')), false)
    assert.equal(await isAllowed(() => api.listPage('/all', { removed: true })), false)
    const past = '/all/photos/2026'
    assert.equal(await isAllowed(() => api.listPage(past, { removed: true })), true)
    assert.equal(await isAllowed(() => api.stat('/all')), true)
    assert.equal(await isAllowed(() => api.readFile('/all')), false)
    const snapshots = await api.listSnapshots()
    assert.deepEqual(
      snapshots.map(({ path }) => path),
      ['/'],
    )
  })

  test('the history and differences are for who may read all', async () => {
    const some = limited([{ path: '/a', verbs: VERBS }]).api
    const all = limited([{ path: '/', verbs: ['read'] }]).api
    for (const call of [
      (api: NodeApi) => api.readLog('/a'),
      (api: NodeApi) => api.diffSnapshots('/a', { from: 'x' }),
    ]) {
      assert.equal(await isAllowed(() => call(some)), false)
      assert.equal(await isAllowed(() => call(all)), true)
    }
  })

  test('a history that is followed ends with the grant', async () => {
    const grants: Grant[] = [{ path: '/', verbs: ['read'] }]
    const { api } = recorder()
    const readLog = (): AsyncIterable<unknown> => pagesOf([['one'], ['two']])
    const followed = limited(grants, { api: { ...api, readLog } as NodeApi, calls: [] }).api
    const seen: unknown[] = []
    const follow = async (): Promise<void> => {
      for await (const page of followed.readLog('/', { follow: true })) {
        seen.push(page)
        grants.pop()
      }
    }
    await assert.rejects(follow(), { code: 'EPERM' })
    assert.deepEqual(seen, [['one']])
  })

  test('nobody but the owner makes programs that run as somebody else', async () => {
    const { api } = limited([{ path: '/', verbs: VERBS }])
    assert.equal(await isAllowed(() => api.writeFile('/x', NOTHING, { mode: 0o4755 })), false)
    assert.equal(await isAllowed(() => api.setAttributes('/x', { mode: 0o2755 })), false)
    assert.equal(await isAllowed(() => api.makeFolder('/x', { mode: 0o2755 })), false)
    assert.equal(await isAllowed(() => api.setAttributes('/x', { mode: 0o755 })), true)
  })

  test('parents that lead to a grant may be made, and no others', async () => {
    const { api } = limited([{ path: '/home/anna', verbs: ['write'] }])
    assert.equal(await isAllowed(() => api.makeFolder('/home/anna', { parents: true })), true)
    assert.equal(await isAllowed(() => api.makeFolder('/home', { parents: true })), true)
    assert.equal(await isAllowed(() => api.makeFolder('/home')), false)
    assert.equal(await isAllowed(() => api.makeFolder('/home/ben', { parents: true })), false)
  })
})
