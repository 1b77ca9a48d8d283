// People with an account at the console: they come in by name and password, see what they may see,
// and are out once they may not any more.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import axe from 'axe-core'
import { CLIENT, CLIENT_SECRET, TestProvider } from '../hostile/openid-provider.ts'
import { linkOf, start, withBrowser, withNodes } from './with-console.ts'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import type { Member } from './with-console.ts'

const PASSWORD = 'correct horse battery staple'
const SLOW_MS = 60_000

async function prepare(office: Member): Promise<URL> {
  const file = join(office.folder, 'a.txt')
  await writeFile(file, 'a')
  await writeFile(join(office.folder, 'password'), `${PASSWORD}\n`)
  for (const folder of ['/anna', '/photos', '/private']) {
    await office.shoal('mkdir', folder)
    await office.shoal('put', file, `${folder}/a.txt`)
  }
  const password = ['--password-file', join(office.folder, 'password')]
  await office.shoal('user', 'add', 'anna', '--path', '/anna', ...password)
  await office.shoal('grant', 'anna', '/photos', 'read')
  return new URL(await linkOf(office))
}

async function signIn(page: Page, password: string = PASSWORD): Promise<void> {
  await page.getByLabel('Account').fill('anna@main')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

describe('an account at the console', () => {
  test('sees and changes what it may, reads what it may read, and nothing of the machine', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      const url = await prepare(office)
      await withBrowser(async (browser) => {
        const page = await (await browser.newContext({ locale: 'en-GB' })).newPage()
        page.setDefaultTimeout(SLOW_MS)
        const failures: string[] = []
        page.on('pageerror', (error) => failures.push(error.message))
        await page.goto(url.origin)
        await isAccessible(page)
        await signIn(page, 'wrong')
        await page.getByRole('alert').getByText('password is wrong').waitFor()
        await signIn(page)
        await page.getByRole('link', { name: 'anna/' }).waitFor()
        const links = page.locator('main').getByRole('link')
        assert.deepEqual(await links.allTextContents(), ['anna/', 'photos/'])
        assert.equal(await page.getByRole('button', { name: 'New folder' }).count(), 0)
        await isAccessible(page)

        await links.filter({ hasText: 'photos/' }).click()
        await page.getByRole('button', { name: 'Download: a.txt' }).waitFor()
        for (const name of ['Delete: a.txt', 'Rename: a.txt', 'Holders: a.txt', 'Upload files'])
          assert.equal(await page.getByRole('button', { name }).count(), 0, name)
        await page.getByRole('link', { name: 'main', exact: true }).click()
        await links.filter({ hasText: 'anna/' }).click()
        await page.getByRole('button', { name: 'New folder' }).click()
        await page.getByRole('dialog').getByLabel('Name').fill('new')
        await page.getByRole('button', { name: 'Make' }).click()
        await page.getByRole('link', { name: 'new/' }).waitFor()
        await page.getByRole('button', { name: 'Delete: a.txt' }).click()
        await page.getByText('Deleted a.txt.').waitFor()
        assert.match((await office.shoal('ls', '/anna')).stdout, /new/)

        await page.getByRole('link', { name: 'My account' }).click()
        await page.getByText('look and read, add files and folders, change and delete').waitFor()
        await isAccessible(page)
        for (const path of ['machines', 'volumes', 'settings', 'log', 'jobs', 'cold']) {
          await page.goto(`${url.origin}/#/${path}`)
          await page.getByText('for its owner alone').waitFor()
        }
        await page.goto(`${url.origin}/#/files/main/private`)
        await page.getByText('may not read at /private').waitFor()
        // Signed in it stays over a reload, with a cookie that no script reads.
        await page.goto(`${url.origin}/#/files`)
        await page.reload()
        await page.getByRole('link', { name: 'anna/' }).waitFor()
        assert.equal(await page.evaluate('document.cookie'), '')
        await office.shoal('revoke', 'anna', '/photos')
        await page.reload()
        await page.getByRole('link', { name: 'anna/' }).waitFor()
        assert.deepEqual(await links.allTextContents(), ['anna/'])
        await office.shoal('user', 'rm', 'anna')
        await page.getByRole('link', { name: 'anna/' }).click()
        await page.getByRole('heading', { name: 'Sign in' }).waitFor()
        assert.deepEqual(failures, [])
      })
    })
  })

  test('signs out for good, and its owner comes in at the same page', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      const url = await prepare(office)
      await withBrowser(async (browser) => {
        const context = await browser.newContext({ locale: 'en-GB' })
        const page = await context.newPage()
        page.setDefaultTimeout(SLOW_MS)
        await page.goto(url.origin)
        await signIn(page)
        await page.getByRole('link', { name: 'anna/' }).waitFor()
        const [cookie] = await context.cookies(`${url.origin}/v1/`)
        const key = await page.evaluate<string>(`localStorage.getItem('shoal-page')`)
        assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Strict'])
        await page.getByRole('button', { name: 'Sign out' }).click()
        await page.getByRole('heading', { name: 'Sign in' }).waitFor()
        const headers = { cookie: `${cookie?.name}=${cookie?.value}`, 'shoal-page': key }
        const after = await fetch(`${url.origin}/v1/files/main/anna/`, { headers })
        assert.equal(after.status, 401)
        await page.goto(await linkOf(office))
        await page.getByRole('link', { name: 'Machines' }).waitFor()
      })
    })
  })

  test('comes in by a provider of OpenID Connect, and is told where that does not let it', async () => {
    await using provider = await TestProvider.open()
    provider.groups.set('mum', ['home'])
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      await prepare(office)
      await useProvider(office, provider.issuer)
      const url = new URL(await linkOf(office))
      await withBrowser(async (browser) => {
        const page = await (await browser.newContext({ locale: 'en-GB' })).newPage()
        page.setDefaultTimeout(SLOW_MS)
        await page.goto(url.origin)
        await page.getByRole('button', { name: 'Sign in at 127.0.0.1' }).click()
        await page.locator('input[name=login]').fill('mum')
        await page.locator('input[name=password]').fill('x')
        await page.getByRole('button', { name: 'Sign-in' }).click()
        await page.getByRole('button', { name: 'Continue' }).click()
        await page.getByRole('link', { name: 'photos/' }).waitFor()
        assert.equal(new URL(page.url()).origin, url.origin)
        assert.equal(await page.locator('main').getByRole('link').count(), 1)
        await page.getByRole('button', { name: 'Sign out' }).click()
        provider.groups.set('mum', [])
        await page.getByRole('button', { name: 'Sign in at 127.0.0.1' }).click()
        await page.getByRole('button', { name: 'Continue' }).click()
        await page.getByRole('alert').getByText('puts you in no group').waitFor()
        await page.goto(`${url.origin}/v1/session/provider?code=x&state=x`)
        await page.getByRole('alert').getByText('did not confirm who you are').waitFor()
      })
    })
  })
})

/** A group for those who are "home" at a provider, and the door that they come in by. */
async function useProvider(office: Member, issuer: string): Promise<void> {
  await office.shoal('group', 'add', 'family')
  await office.shoal('grant', 'family', '/photos', 'read')
  await office.shoal('group', 'provider', 'family', '--issuer', issuer, '--value', 'home')
  await office.shoal('down')
  const secretFile = join(office.folder, 'client-secret')
  await writeFile(secretFile, CLIENT_SECRET)
  const file = join(office.home, 'config.yaml')
  const oidc = `{ issuer: "${issuer}", client: ${CLIENT}, secretFile: ${secretFile} }`
  const http = `{ listen: "127.0.0.1:0", oidc: ${oidc} }`
  const before = await readFile(file, 'utf8')
  await writeFile(file, before.replace(/^doors: .*$/m, `doors: [{ http: ${http} }]`))
  await start(office)
}

async function isAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  assert.deepEqual(
    serious.map(({ id }) => id),
    [],
  )
}
