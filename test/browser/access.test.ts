// The pages of the console for people with a keyboard, a screen reader, or a phone: no finding of
// axe that is serious, nothing wider than the screen, everything reached by the keyboard.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import axe from 'axe-core'
import { openConsole, withBrowser, withNodes } from './with-console.ts'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const WIDTHS = [1280, 390]
const SERIOUS = ['serious', 'critical']

describe('the pages for everybody', () => {
  test('axe finds nothing serious, in both themes and on a phone; no page is too wide', async () => {
    await withNodes(['office', 'attic'], async ([office]) => {
      assert.ok(office !== undefined)
      await writeFile(join(office.folder, 'a.txt'), 'a')
      await office.shoal('put', join(office.folder, 'a.txt'), '/')
      await withBrowser(async (browser) => {
        for (const colorScheme of ['light', 'dark'] as const)
          for (const width of WIDTHS) {
            const viewport = { width, height: 900 }
            const { page, context } = await openConsole(browser, office, { colorScheme, viewport })
            for (const name of await pageNames(page)) await check(page, name, width)
            await context.close()
          }
      })
    })
  })

  test('a folder is opened, and a file deleted and brought back, by the keyboard alone', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      await writeFile(join(office.folder, 'a.txt'), 'a')
      await office.shoal('mkdir', '/docs')
      await office.shoal('put', join(office.folder, 'a.txt'), '/docs')
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        await page.keyboard.press('Tab')
        await tabTo(page, 'Files')
        await page.keyboard.press('Enter')
        await page.getByRole('link', { name: 'docs/' }).waitFor()
        await tabTo(page, 'docs/')
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Delete: a.txt' }).waitFor()
        await tabTo(page, 'Delete: a.txt')
        await page.keyboard.press('Enter')
        await page.getByText('Deleted a.txt.').waitFor()
        await tabTo(page, 'Undo')
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Delete: a.txt' }).waitFor()
      })
    })
  })
})

function pageNames(page: Page): Promise<string[]> {
  return page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents()
}

async function check(page: Page, name: string, width: number): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click()
  await page.locator('main h1').waitFor({ state: 'attached' })
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  const serious = violations
    .filter(({ impact }) => SERIOUS.includes(impact ?? ''))
    .map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join('\n')}`)
  assert.deepEqual(serious, [])
  const wide = await page.evaluate('document.documentElement.scrollWidth')
  assert.ok(Number(wide) <= width, `${name} is ${String(wide)} wide on ${width}`)
}

/** Press Tab until something of that name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let step = 0; step < 100; step++) {
    const focused = await page.evaluate(
      `document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent`,
    )
    if (focused === name) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`the keyboard does not reach ${name}`)
}
