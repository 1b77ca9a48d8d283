// The WebDAV door of a real node, as clients use it. litmus and real clients are in
// test/programs/webdav-door.test.ts, those who try to get in, in test/hostile.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  hrefsIn,
  inEach,
  lockInfo,
  prop,
  statuses,
  textAt,
  tokenOf,
  oneDavDoor,
} from './ask-dav.ts'
import type { Answer } from './ask-http.ts'

const MANY = 1200
const update = (inner: string): string =>
  `<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">${inner}</D:propertyupdate>`

describe('the WebDAV door', () => {
  const inDoor = oneDavDoor()

  test('folders are listed page by page, and no deeper than one level', async () => {
    await inDoor(async (door) => {
      const { dav, shoal, folder } = door
      await mkdir(join(folder, 'many'))
      for (let i = 0; i < MANY; i++) await writeFile(join(folder, 'many', `f${i}`), 'x')
      await shoal('put', join(folder, 'many'), '/')
      const listed = await dav('PROPFIND', '/many/', { depth: '1', body: prop('getcontentlength') })
      assert.equal(listed.status, 207)
      assert.deepEqual(
        hrefsIn(listed.text).toSorted(),
        ['/many/', ...Array.from({ length: MANY }, (_, i) => `/many/f${i}`)].toSorted(),
      )
      for (const depth of ['infinity', '1, 0', '2']) {
        const { status, text } = await dav('PROPFIND', '/many', { depth })
        assert.equal(status, depth === 'infinity' ? 403 : 400)
        if (depth === 'infinity') assert.match(text, /<D:propfind-finite-depth>/)
      }
      assert.equal((await dav('PROPFIND', '/many')).status, 403)
      const all = (await dav('PROPFIND', '/', { depth: '0' })).text
      for (const name of ['resourcetype', 'displayname', 'supportedlock', 'lockdiscovery'])
        assert.equal(inEach(all, name).length, 1, name)
      assert.equal(inEach(all, 'quota-used-bytes').length, 0)
      const quota = await dav('PROPFIND', '/', {
        depth: '0',
        body: prop('quota-used-bytes', 'quota-available-bytes', 'getetag'),
      })
      assert.equal(inEach(quota.text, 'quota-used-bytes')[0], String(MANY))
      assert.match(inEach(quota.text, 'quota-available-bytes')[0] ?? '', /^\d{6,}$/)
      assert.match(quota.text, /<D:getetag xmlns:D="DAV:"\/><\/D:prop><D:status>HTTP\/1.1 404 /)
    })
  })

  test('files: whole and in parts, replaced on condition, whatever their names are', async () => {
    await inDoor(async (door) => {
      const { dav, json } = door
      const at = String.raw`/d/%FF%20back\x41slash&%3C%C3%BC`
      const made = await statuses(door, [
        ['PUT', at, { body: 'x' }],
        ['MKCOL', '/d', { body: 'x' }],
        ['MKCOL', '/no/d'],
        ['MKCOL', '/d'],
        ['MKCOL', '/d/'],
        ['PUT', at, { body: 'hello world' }],
        ['PUT', '/d', { body: 'x' }],
        ['PUT', '/d/a/', { body: 'x' }],
        ['PUT', at, { body: 'x', headers: { 'content-range': 'bytes 0-0/1' } }],
        ['PUT', '/d/short', { body: 'x', headers: { 'x-expected-entity-length': '1' } }],
      ])
      assert.deepEqual(made, [409, 415, 409, 201, 405, 201, 405, 405, 400, 201])
      const { headers } = await dav('HEAD', at)
      assert.deepEqual([headers['content-length'], headers['accept-ranges']], ['11', 'bytes'])
      assert.equal(headers['x-content-type-options'], 'nosniff')
      const part = await dav('GET', at, { headers: { range: 'bytes=6-' } })
      assert.deepEqual([part.status, part.text], [206, 'world'])
      const etag = headers.etag ?? ''
      const put = (body: string, conditions: Record<string, string>): Promise<Answer> =>
        dav('PUT', at, { body, headers: conditions })
      assert.equal((await put('no', { 'if-none-match': '*' })).status, 412)
      assert.equal((await put('no', { if: '(["other"])' })).status, 412)
      assert.equal((await put('no', { if: `(Not [${etag}])` })).status, 412)
      const rivals = await Promise.all([
        ...['a', 'b'].map((body) => put(body, { 'if-match': etag })),
        ...['c', 'd'].map((body) => put(body, { if: `(["other"]) ([${etag}])` })),
      ])
      assert.deepEqual(
        rivals.map(({ status }) => status).toSorted((a, b) => a - b),
        [204, 412, 412, 412],
      )
      assert.match(await textAt(door, at), /^[abcd]$/)
      const files = (await json('ls', '/d')) as readonly { readonly name: string }[]
      const name = String.raw`\xff back\x5cx41slash&<ü`
      assert.deepEqual(files.map((file) => file.name).toSorted(), [name, 'short'].toSorted())
      const listed = await dav('PROPFIND', '/d', { depth: '1' })
      assert.deepEqual(hrefsIn(listed.text), [
        '/d/',
        '/d/short',
        '/d/%FF%20back%5Cx41slash%26%3C%C3%BC',
      ])
      await dav('PUT', '/d/old', { body: 'x', headers: { 'x-oc-mtime': '1000000000' } })
      assert.equal(
        (await dav('HEAD', '/d/old')).headers['last-modified'],
        'Sun, 09 Sep 2001 01:46:40 GMT',
      )
      assert.deepEqual(
        await statuses(door, [
          ['GET', '/d'],
          ['GET', '/d/old/'],
          ['GET', '/d/old/x'],
          ['DELETE', '/d', { depth: '0' }],
          ['DELETE', '/d'],
          ['GET', at],
          ['DELETE', '/'],
        ]),
        [200, 404, 404, 400, 204, 404, 403],
      )
    })
  })

  test('properties are set all or none, and go with what they are of', async () => {
    await inDoor(async (door) => {
      const { dav, shoal } = door
      await dav('PUT', '/a', { body: 'a' })
      const value = '<Z:color xml:lang="de" Z:x="1">b<i xmlns="">l&amp;</i>au</Z:color>'
      const windows =
        '<W:Win32FileAttributes xmlns:W="urn:schemas-microsoft-com:">00000020</W:Win32FileAttributes>'
      const set = update(`<D:set><D:prop>${value}${windows}</D:prop></D:set>`)
      const done = await dav('PROPPATCH', '/a', { body: set })
      assert.equal(done.status, 207)
      assert.equal(inEach(done.text, 'status').join(), 'HTTP/1.1 200 OK')
      const mixed = update(
        '<D:remove><D:prop><Z:color/></D:prop></D:remove>' +
          '<D:set><D:prop><D:getetag>"x"</D:getetag></D:prop></D:set>',
      )
      const refused = (await dav('PROPPATCH', '/a', { body: mixed })).text
      assert.match(refused, /getetag.*403 .*cannot-modify-protected-property.*color.*424 /s)
      const ask =
        '<D:propfind xmlns:D="DAV:"><D:prop><color xmlns="urn:z"/><no xmlns="urn:z"/></D:prop></D:propfind>'
      const told = async (path: string): Promise<string> =>
        (await dav('PROPFIND', path, { depth: '0', body: ask })).text
      assert.match(await told('/a'), /<Z:color [^>]*xml:lang="de"[^>]*>b<i xmlns="">l&amp;<\/i>au</)
      assert.match(await told('/a'), /<no xmlns="urn:z"\/><\/D:prop><D:status>HTTP\/1.1 404 /)
      const to = (path: string): { headers: Record<string, string> } => ({
        headers: { destination: path },
      })
      await dav('MKCOL', '/f')
      await dav('PROPPATCH', '/f', { body: set })
      const made = await statuses(door, [
        ['COPY', '/a', to('/f/copy')],
        ['MOVE', '/a', to('/f/moved')],
        ['COPY', '/f', { ...to('/g'), depth: '0' }],
        ['COPY', '/f', to('/h')],
      ])
      assert.deepEqual(made, [201, 201, 201, 201])
      for (const path of ['/f/copy', '/f/moved', '/g', '/h/copy'])
        assert.match(await told(path), /<Z:color /, path)
      assert.equal(await textAt(door, '/g/copy'), '404')
      const names = (
        await dav('PROPFIND', '/f/copy', {
          depth: '0',
          body: '<D:propfind xmlns:D="DAV:"><D:propname/></D:propfind>',
        })
      ).text
      assert.match(names, /<D:getetag\/>.*<Z:color [^>]*\/>/s)
      const run = (text: string): Promise<Answer> =>
        dav('PROPPATCH', '/f/copy', {
          body: update(
            `<D:set><D:prop><executable xmlns="http://apache.org/dav/props/">${text}</executable></D:prop></D:set>`,
          ),
        })
      await run('T')
      const stat = JSON.parse((await shoal('--json', 'stat', '/f/copy')).stdout) as { mode: number }
      assert.equal(stat.mode & 0o111, 0o111)
      assert.match((await run('maybe')).text, / 409 /)
      const long = `<D:set><D:prop><Z:long>${'x'.repeat(70_000)}</Z:long></D:prop></D:set>`
      assert.match((await dav('PROPPATCH', '/f/copy', { body: update(long) })).text, / 507 /)
      // Many long ones are too much for a file, and end a page of a listing.
      const outcomes: boolean[] = []
      for (let i = 0; i < 17; i++) {
        const one = `<D:set><D:prop><Z:p${i}>${'x'.repeat(49_000)}</Z:p${i}></D:prop></D:set>`
        outcomes.push(/ 507 /.test((await dav('PROPPATCH', '/f', { body: update(one) })).text))
      }
      assert.equal(outcomes.indexOf(true), 16)
      for (const path of ['/f1', '/f2', '/f3', '/f4']) await dav('COPY', '/f', to(path))
      const hrefs = hrefsIn((await dav('PROPFIND', '/', { depth: '1' })).text)
      assert.deepEqual(hrefs, ['/', '/f/', '/f1/', '/f2/', '/f3/', '/f4/', '/g/', '/h/'])
    })
  })

  test('what is copied or moved replaces what is there, and is never put into it', async () => {
    await inDoor(async (door) => {
      const { dav, url } = door
      for (const path of ['/a', '/a/in', '/b', '/b/old', '/c']) await dav('MKCOL', path)
      await dav('PUT', '/a/in/f', { body: 'f' })
      const to = (destination: string, more: Record<string, string> = {}): object => ({
        headers: { destination, ...more },
      })
      const upper = url.origin.replace('http', 'HTTP')
      assert.deepEqual(
        await statuses(door, [
          ['COPY', '/a', to('/b', { overwrite: 'F' })],
          ['COPY', '/a', to(`${upper}/b/`)],
          ['MOVE', '/b', to('/c')],
          ['COPY', '/a', to('/a')],
          ['MOVE', '/a', to('/a/')],
          ['MOVE', '/a', to('/a/in/x')],
          ['COPY', '/a/in', to('/a')],
          ['COPY', '/a', to('/no/x')],
          ['COPY', '/no', to('/x')],
          ['COPY', '/a', to('http://example.org/x')],
          ['COPY', '/c', to('https://example.org/y', { 'x-forwarded-host': 'example.org' })],
          ['DELETE', '/y'],
          ['COPY', '/a', to('/../x')],
          ['COPY', '/a', {}],
          ['COPY', '/a', to('/d', { overwrite: 'X' })],
          ['MOVE', '/a/in/f', to('/c')],
          ['MOVE', '/a', to('/c', { overwrite: 'F' })],
          ['COPY', '/a', to('/c')],
          ['MOVE', '/', to('/x')],
        ]),
        [
          412, 204, 204, 403, 403, 403, 403, 409, 404, 502, 201, 204, 400, 400, 400, 204, 412, 204,
          403,
        ],
      )
      const left = (await dav('PROPFIND', '/', { depth: '1' })).text
      assert.deepEqual(hrefsIn(left), ['/', '/a/', '/c/'])
      assert.deepEqual(hrefsIn((await dav('PROPFIND', '/c', { depth: '1' })).text), [
        '/c/',
        '/c/in/',
      ])
    })
  })

  test('snapshots are listed nowhere, and read where they are asked for', async () => {
    await inDoor(async (door) => {
      const { dav, shoal } = door
      await dav('MKCOL', '/d')
      await dav('PUT', '/d/f', { body: 'then' })
      await shoal('snapshot', 'create', '/d', 'monday')
      await dav('PUT', '/d/f', { body: 'now' })
      const at = '/d/.snapshots/monday'
      for (const [path, hrefs] of [
        ['/d', ['/d/', '/d/f']],
        ['/d/.snapshots', ['/d/.snapshots/', `${at}/`]],
        [at, [`${at}/`, `${at}/f`]],
        ['/.snapshots', ['/.snapshots/']],
      ] as const)
        assert.deepEqual(hrefsIn((await dav('PROPFIND', path, { depth: '1' })).text), hrefs)
      const part = await dav('GET', `${at}/f`, { headers: { range: 'bytes=1-2' } })
      assert.deepEqual([part.status, part.text], [206, 'he'])
      const to = (destination: string): object => ({ headers: { destination } })
      assert.deepEqual(
        await statuses(door, [
          ['PUT', `${at}/f`, { body: 'x' }],
          ['DELETE', at],
          ['MKCOL', '/.snapshots'],
          ['LOCK', `${at}/f`, { body: lockInfo('exclusive') }],
          ['MOVE', `${at}/f`, to('/x')],
          ['COPY', '/d/f', to(`${at}/g`)],
          ['GET', '/d/.snapshots/tuesday'],
          ['COPY', at, to('/back')],
        ]),
        [403, 403, 403, 403, 403, 403, 404, 201],
      )
      assert.equal(await textAt(door, '/back/f'), 'then')
    })
  })

  test('locks keep others out until they are given back', async () => {
    await inDoor(async (door) => {
      const { dav } = door
      const lock = (path: string, scope: 'exclusive' | 'shared', depth = '0'): Promise<Answer> =>
        dav('LOCK', path, { depth, body: lockInfo(scope), headers: { timeout: 'Second-300' } })
      const made = await lock('/new', 'exclusive')
      assert.equal(made.status, 201)
      const token = tokenOf(made)
      assert.match(token, /^opaquelocktoken:[0-9a-f-]{36}$/)
      assert.equal(inEach(made.text, 'timeout').join(), 'Second-300')
      assert.match(made.text, /me &amp; you/)
      await dav('MKCOL', '/f')
      const deep = tokenOf(await lock('/f', 'shared', 'infinity'))
      assert.equal((await lock('/f', 'shared', 'infinity')).status, 200)
      const destination = { headers: { destination: '/moved' } }
      assert.deepEqual(
        await statuses(door, [
          ['LOCK', '/new', { body: lockInfo('shared') }],
          ['PUT', '/new', { body: 'no' }],
          ['DELETE', '/new'],
          ['PROPPATCH', '/new', { body: update('<D:remove><D:prop><Z:x/></D:prop></D:remove>') }],
          ['MOVE', '/new', destination],
          ['PUT', '/new', { body: 'no', tokens: [`${token}0`] }],
          ['PUT', '/new', { body: 'yes', tokens: [token] }],
          ['PUT', '/f/x', { body: 'no' }],
          ['MKCOL', '/f/x'],
          ['LOCK', '/f/x', { body: lockInfo('exclusive') }],
          ['PUT', '/f/x', { body: 'yes', tokens: [deep], headers: { if: `</f> (<${deep}>)` } }],
          ['DELETE', '/f'],
          ['LOCK', '/new', { tokens: [token] }],
          ['LOCK', '/new', { tokens: [deep] }],
          ['LOCK', '/new', {}],
          ['UNLOCK', '/f', { headers: { 'lock-token': `<${token}>` } }],
          ['UNLOCK', '/new', { headers: { 'lock-token': token } }],
          ['UNLOCK', '/new', { headers: { 'lock-token': `<${token}>` } }],
          ['PUT', '/new', { body: 'free' }],
          ['LOCK', '/no/x', { body: lockInfo('exclusive') }],
          ['LOCK', '/new', { depth: '1', body: lockInfo('exclusive') }],
        ]),
        [
          423, 423, 423, 423, 423, 412, 204, 423, 423, 423, 201, 423, 200, 412, 400, 409, 400, 204,
          204, 409, 400,
        ],
      )
      const discovery = await dav('PROPFIND', '/f/x', { depth: '0', body: prop('lockdiscovery') })
      assert.equal(inEach(discovery.text, 'activelock').length, 2)
      // It runs out.
      await dav('LOCK', '/new', { body: lockInfo('exclusive'), headers: { timeout: 'Second-1' } })
      assert.equal((await dav('PUT', '/new', { body: 'no' })).status, 423)
      while ((await dav('PUT', '/new', { body: 'late' })).status === 423) continue
      assert.equal(await textAt(door, '/new'), 'late')
    })
  })
})
