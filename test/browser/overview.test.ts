// The first page of the console before three real nodes: how one comes in, and what it says.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { linkOf, openConsole, withBrowser, withNodes } from './with-console.ts'

const BIG = 3_000_000

describe('the first page', () => {
  test('says in one sentence how safe everything is, and what the loss of a machine would mean', async () => {
    await withNodes(['office', 'attic', 'cellar'], async (nodes) => {
      const [office, , cellar] = nodes
      assert.ok(office !== undefined && cellar !== undefined)
      await writeFile(join(office.folder, 'big'), randomBytes(BIG))
      await office.shoal('put', join(office.folder, 'big'), '/')
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        await page.getByText('Any 1 machine may be lost. Everything is readable.').waitFor()
        await page.getByRole('button', { name: 'cellar' }).click()
        await page.getByText('If cellar dies …').waitFor()
        await page.getByText('main: everything stays readable, and no more machines').waitFor()
        // It is live: a machine that leaves is seen to.
        await cellar.shoal('down')
        await page.getByText('No machine may be lost now. Everything is readable.').waitFor()
        assert.equal(new URL(page.url()).hash, '#/')
      })
    })
  })

  test('a link opens it once; who signs out is out, in every tab', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      await withBrowser(async (browser) => {
        const link = await linkOf(office)
        const context = await browser.newContext()
        const [page, other] = [await context.newPage(), await context.newPage()]
        await page.goto(link)
        await page.getByText('Only this machine has your data.').waitFor()
        await other.goto(link)
        // It has the session of the first tab, though its link is no good.
        await other.getByText('Only this machine has your data.').waitFor()
        const stranger = await (await browser.newContext()).newPage()
        await stranger.goto(link)
        await stranger.getByText('this link was used or is too old').waitFor()
        await page.getByRole('button', { name: 'Sign out' }).click()
        await page.getByText('shoal console', { exact: true }).waitFor()
        await other.reload()
        await other.getByText('shoal console', { exact: true }).waitFor()
      })
    })
  })
})
