// Others who try to use the session of a person at the console, or to have something run in it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { asked } from '../cli/ask-http.ts'
import { linkOf, openConsole, withBrowser, withNodes } from './with-console.ts'
import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import type { Member } from './with-console.ts'

const NASTY = [
  '<img src=x onerror="window.hit=1">',
  '"><script>window.hit=1<\u2215script>',
  'javascript:window.hit=1',
  '{{constructor.constructor("window.hit=1")()}}',
  '__proto__',
  'a\u202egpj.exe',
  '%2e%2e%2fb',
]

async function withOffice(use: (office: Member) => Promise<void>): Promise<void> {
  await withNodes(['office'], async ([office]) => {
    assert.ok(office !== undefined)
    await use(office)
  })
}

/** A server on another port of this machine, whose pages are of the same site to a browser. */
async function withOther(
  pageOf: () => { readonly html: string; readonly cookie?: string },
  use: (origin: string, seen: readonly (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const seen: (string | undefined)[] = []
  const server: Server = createServer((request, response) => {
    seen.push(request.headers.cookie)
    const { html, cookie } = pageOf()
    if (cookie !== undefined) response.setHeader('set-cookie', cookie)
    response.setHeader('content-type', 'text/html')
    response.end(html)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

describe('others at the console', () => {
  test('another page of this machine has neither a request made, nor an answer, nor a frame', async () => {
    await withOffice(async (office) => {
      await withBrowser(async (browser) => {
        const { context, url } = await openConsole(browser, office)
        const call = `${url.origin}/v1/calls/makeFolder`
        const body = '{"path":"main:/made"}'
        const attacks = `
          window.results = Promise.all([
            fetch('${call}', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '${body}' }),
            fetch('${call}', { method: 'POST', credentials: 'include', body: '${body}',
              headers: { 'shoal-page': 'x'.repeat(43) } }),
            fetch('${url.origin}/v1/status', { credentials: 'include' }).then((one) => one.text()),
          ].map((one) => one.then((answer) => String(answer.type ?? answer), () => 'refused')))`
        const html = `<script>${attacks}</script>
          <form method="post" enctype="text/plain" action="${call}" target="sent">
            <input name='${body.slice(0, -1)},"x":"' value='"}'></form>
          <iframe name="sent"></iframe>
          <iframe name="framed" src="${url.origin}/"></iframe>
          <script>document.forms[0].submit()</script>`
        await withOther(
          () => ({ html }),
          async (origin) => {
            const page = await context.newPage()
            await page.goto(origin, { waitUntil: 'load' })
            const results = await page.evaluate<string[]>('window.results')
            assert.deepEqual(results, ['refused', 'refused', 'refused'])
            const framed = page.frame('framed')
            assert.equal(await framed?.locator('nav').count(), 0)
            assert.equal((await office.shoal('ls', '/')).stdout, '')
          },
        )
      })
    })
  })

  test('a cookie that another port of this machine sees, or sets, opens nothing', async () => {
    await withOffice(async (office) => {
      await withBrowser(async (browser) => {
        const { context, page, url } = await openConsole(browser, office)
        const name = `shoal-${url.port}`
        const cookies = await context.cookies(`${url.origin}/v1/`)
        const cookie = cookies.find((one) => one.name === name)
        assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Strict'])
        assert.equal(await page.evaluate('document.cookie'), '')
        const key = await page.evaluate<string>(`localStorage.getItem('shoal-page')`)
        const both = { cookie: `${name}=${cookie?.value}`, 'shoal-page': key }
        const status = async (headers: Record<string, string>): Promise<number> =>
          (await asked(url, '/v1/status', { headers })).status
        assert.equal(await status(both), 200)
        assert.equal(await status({ cookie: both.cookie }), 401)
        assert.equal(await status({ 'shoal-page': key }), 401)
        assert.equal(await status({ ...both, 'shoal-page': 'x'.repeat(43) }), 401)
        assert.equal(await status({ ...both, 'sec-fetch-site': 'same-site' }), 403)
        assert.equal(await status({ ...both, origin: 'http://127.0.0.1:1' }), 403)
        // Fixation: a secret that somebody knows is set before a person comes in.
        const known = 'k'.repeat(43)
        await withOther(
          () => ({ html: '', cookie: `${name}=${known}; Path=/v1/` }),
          async (origin) => {
            const other = await browser.newContext()
            const victim = await other.newPage()
            await victim.goto(origin)
            await victim.goto(await linkOf(office))
            await victim.locator('nav').waitFor()
            const now = (await other.cookies(`${url.origin}/v1/`)).find((one) => one.name === name)
            assert.notEqual(now?.value, known)
            const shown = await victim.evaluate<string>(`localStorage.getItem('shoal-page')`)
            assert.notEqual(shown, key)
            assert.equal(await status({ cookie: `${name}=${known}`, 'shoal-page': shown }), 401)
          },
        )
        await page.getByRole('button', { name: 'Sign out' }).click()
        await page.getByText('shoal console', { exact: true }).waitFor()
        assert.equal(await status(both), 401)
      })
    })
  })

  test('by another name of this machine there is no console (DNS rebinding)', async () => {
    await withOffice(async (office) => {
      const link = new URL(await linkOf(office))
      const code = /#login=(.*)/.exec(link.hash)?.[1]
      for (const host of ['evil.example', `evil.example:${link.port}`, 'localhost.evil.example']) {
        assert.equal((await asked(link, '/', { headers: { host } })).status, 403, host)
        const body = JSON.stringify({ code })
        const answer = await asked(link, '/v1/session', { method: 'POST', headers: { host }, body })
        assert.equal(answer.status, 403, host)
      }
      const wrong = { method: 'POST', headers: { origin: 'http://evil.example' } }
      const refused = await asked(link, '/v1/session', { ...wrong, body: JSON.stringify({ code }) })
      assert.equal(refused.status, 403)
      // Nobody has used it so far.
      const body = JSON.stringify({ code })
      assert.equal((await asked(link, '/v1/session', { method: 'POST', body })).status, 200)
      assert.equal((await asked(link, '/v1/session', { method: 'POST', body })).status, 401)
    })
  })

  test('names of files are text wherever they show, and nothing else becomes a page', async () => {
    await withOffice(async (office) => {
      const folder = join(office.folder, 'nasty')
      await mkdir(folder)
      for (const name of NASTY) await writeFile(join(folder, name), '<script>window.hit=1</script>')
      await office.shoal('put', folder, '/')
      for (const name of NASTY) await office.shoal('mkdir', `/${name}`)
      await withBrowser(async (browser) => {
        const { page, url } = await openConsole(browser, office)
        const failures: string[] = []
        page.on('pageerror', (error) => failures.push(error.message))
        page.on('dialog', (dialog) => failures.push(dialog.message()))
        const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link')
        for (const name of await links.allTextContents()) {
          await links.filter({ hasText: name }).click()
          await page.locator('main h1').waitFor({ state: 'attached' })
        }
        await page.goto(`${url.origin}/#/files/main/nasty`)
        for (const name of NASTY) {
          const text = name.replace('\u202e', '\\u202e')
          await page.getByRole('button', { name: `Versions: ${text}`, exact: true }).click()
          await page.getByRole('heading', { name: `Versions of ${text}`, exact: true }).waitFor()
          await page.keyboard.press('Escape')
          const remove = page.getByRole('button', { name: `Delete: ${text}`, exact: true })
          await remove.click()
          await page.getByText(`Deleted ${text}.`, { exact: true }).waitFor()
        }
        await page.goto(`${url.origin}/#/files/main`)
        for (const name of NASTY) {
          await page.getByRole('link', { name: `${name.replace('\u202e', '\\u202e')}/` }).click()
          await page.getByText('This folder is empty.').waitFor()
          await page.goBack()
        }
        assert.equal(await page.evaluate('window.hit'), undefined)
        assert.deepEqual(failures, [])
        // Even a script of the page could make no markup of text.
        const made = await page.evaluate(
          `(() => { try { document.body.innerHTML = '<b>'; return 'made' } catch { return 'refused' } })()`,
        )
        assert.equal(made, 'refused')
      })
    })
  })

  test('paths that look like others lead to no other file, here or in the address', async () => {
    await withOffice(async (office) => {
      const url = new URL(await linkOf(office))
      for (const path of [
        '/console.js/../../package.json',
        '/%63onsole.js',
        '/console.css%00',
        '/../console.js',
        '//console.js',
        '/console/console.js',
        '/index.html',
        '/console.js.map',
      ])
        assert.notEqual((await asked(url, path)).status, 200, path)
      for (const method of ['POST', 'PUT', 'DELETE'])
        assert.notEqual((await asked(url, '/', { method })).status, 200, method)
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        for (const at of ['main/..%2f..', 'main/%00', 'none', 'main:%2f', '%E0%A4%A', '..']) {
          await page.goto(`${url.origin}/#/files/${at}`)
          await page.locator('p.bad').first().waitFor()
        }
      })
    })
  })
})
