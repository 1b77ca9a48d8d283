// A person with two machines, and then a third, who never opens a terminal again once the consoles
// are open: from nothing to files on both, a conflict that is settled, a machine that is lost and
// one that takes its place.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { linkOf, openConsole, start, withBrowser, withMachines } from './with-console.ts'
import type { Page } from 'playwright-core'
import type { Member } from './with-console.ts'

const NASTY = '<img src=x onerror=document.title=1>'

describe('the first run', () => {
  test('two machines, a folder, a conflict, a loss and a replacement, by the page alone', async () => {
    await withMachines(['office', 'attic', 'cellar'], async (nodes) => {
      const [office, attic, cellar] = nodes
      assert.ok(office !== undefined && attic !== undefined && cellar !== undefined)
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        const { page: other } = await openConsole(browser, attic)
        await page.getByText('Nothing is stored here yet.').waitFor()
        await go(page, 'Volumes')
        await page.getByLabel('Name').fill('main')
        await page.getByRole('button', { name: 'Make', exact: true }).click()
        await page.getByText('Made main.').waitFor()
        await joinByTicket(page, other)
        await go(page, 'Overview')
        await page.getByText('Any 1 machine may be lost. Everything is readable.').waitFor()

        await putFolder(page, office)
        await go(other, 'Files')
        await other.getByRole('link', { name: 'holiday/' }).click()
        await other.getByRole('button', { name: NASTY, exact: true }).waitFor()

        await makeConflict(office, attic)
        await page.goto(await linkOf(office))
        const keep = page.getByRole('button', { name: /^Keep .* by attic$/ })
        await keep.click()
        await page.getByText(/^Kept /).waitFor()
        assert.equal((await office.shoal('cat', '/clash')).stdout, 'of attic')

        await attic.shoal('down')
        await page.getByText('No machine may be lost now.').waitFor()
        const { page: third } = await openConsole(browser, cellar)
        await go(page, 'Machines')
        await page.getByRole('button', { name: 'Remove now: attic' }).click()
        await page.getByRole('dialog').getByRole('button', { name: 'Remove now' }).click()
        await page.getByText('attic is no member any more.').waitFor()
        await joinByTicket(page, third)
        await go(page, 'Overview')
        await page.getByText('Any 1 machine may be lost. Everything is readable.').waitFor()
        await go(third, 'Files')
        await third.getByRole('link', { name: 'holiday/' }).waitFor()
      })
    })
  })
})

async function go(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click()
}

/** One invites, the other joins. */
async function joinByTicket(page: Page, other: Page): Promise<void> {
  await go(page, 'Machines')
  await page.getByRole('button', { name: 'Make a ticket' }).click()
  await page.getByRole('img', { name: 'The ticket as a QR code' }).waitFor()
  const ticket = await page.locator('textarea').inputValue()
  await go(other, 'Machines')
  await other.getByLabel('Ticket').fill(ticket)
  await other.getByRole('button', { name: 'Join' }).click()
  await other.getByText('This machine has joined main.').waitFor()
}

async function putFolder(page: Page, { folder }: Member): Promise<void> {
  const holiday = join(folder, 'holiday')
  await mkdir(join(holiday, 'more'), { recursive: true })
  await writeFile(join(holiday, NASTY), 'photo')
  await writeFile(join(holiday, 'more', 'b.txt'), 'b')
  await go(page, 'Files')
  await page.locator('input[webkitdirectory]').setInputFiles(holiday)
  await page.getByText('Uploaded 2 files.').waitFor()
  await page.getByRole('link', { name: 'holiday/' }).waitFor()
}

/** Each writes the same name while the other is away. */
async function makeConflict(one: Member, other: Member): Promise<void> {
  await one.shoal('down')
  await putText(other, 'of attic')
  await other.shoal('down')
  await start(one)
  await putText(one, 'of office')
  await start(other)
  const status = (await one.json('status')) as { node: { addresses: readonly string[] } }
  await other.shoal('peer', 'add', status.node.addresses[0] ?? '')
}

async function putText(node: Member, text: string): Promise<void> {
  const file = join(node.folder, 'clash')
  await writeFile(file, text)
  const { code, stderr } = await node.shoal('put', file, '/')
  assert.equal(code, 0, stderr)
}
