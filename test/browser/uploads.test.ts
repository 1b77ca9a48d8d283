// A large file that is sent from the console over a network that breaks, and by a page that was
// closed in between.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openConsole, withBrowser, withNodes } from './with-console.ts'
import type { Page } from 'playwright-core'

const MIB = 1024 * 1024
const UPLOADS = '**/v1/uploads/*'

async function choose(page: Page, file: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Files' }).click()
  await page.locator('input[type=file]').first().setInputFiles(file)
}

test('a large upload goes on after it broke off, and after the page was closed', async () => {
  await withNodes(['office'], async ([node]) => {
    assert.ok(node)
    const bytes = Buffer.alloc(40 * MIB, 'a large file ')
    const file = join(node.folder, 'large.bin')
    await writeFile(file, bytes)
    await withBrowser(async (browser) => {
      const { context, page } = await openConsole(browser, node)
      const offsets: string[] = []
      let patches = 0
      const stuck = Promise.withResolvers<undefined>()
      await context.route(UPLOADS, async (route) => {
        const request = route.request()
        if (request.method() !== 'PATCH') return route.continue()
        offsets.push(request.headers()['upload-offset'] ?? '')
        patches++
        // The second breaks; the third is never answered.
        if (patches === 2) return route.abort()
        if (patches === 3) return stuck.resolve(undefined)
        return route.continue()
      })
      await choose(page, file)
      await stuck.promise
      await page.close()
      const again = await context.newPage()
      await again.goto(page.url())
      await choose(again, file)
      await again.getByText('Uploaded 1 file.').waitFor()
      const [first, ...later] = offsets.map(Number)
      assert.equal(first, 0)
      // How much came before it broke is chance: no byte of the first piece is sent again.
      assert.ok(later.length >= 3 && Math.min(...later) >= 16 * MIB, offsets.join())
    })
    const got = join(node.folder, 'got')
    await node.shoal('get', '/large.bin', got)
    assert.ok(bytes.equals(await readFile(got)))
  })
})
