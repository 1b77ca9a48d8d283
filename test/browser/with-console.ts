// Real nodes of this machine, and a real browser before the console of one. A test fails where
// there is no browser.
import { existsSync } from 'node:fs'
import { writeFile, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import { ALONE } from '../cli/with-door.ts'
import { withPlace } from '../cli/shoal.ts'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Place } from '../cli/shoal.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const SLOW_MS = 60_000

export interface Member extends Place {
  readonly name: string
}

export interface Console {
  readonly browser: Browser
  readonly context: BrowserContext
  /** Before the console, signed in. */
  readonly page: Page
  readonly url: URL
}

/** Some nodes of one volume `main`, of which the first made it. */
export async function withNodes(
  names: readonly string[],
  use: (nodes: readonly Member[]) => Promise<void>,
): Promise<void> {
  await withMachines(names, async (nodes) => {
    const [first] = nodes
    if (first === undefined) return use(nodes)
    await first.shoal('volume', 'create', 'main')
    for (const node of nodes.slice(1)) await joinBy(first, node)
    await use(nodes)
  })
}

/** Nodes that run, each by itself and with nothing in it. */
export async function withMachines(
  names: readonly string[],
  use: (nodes: readonly Member[]) => Promise<void>,
  up: readonly Member[] = [],
): Promise<void> {
  const [name, ...rest] = names
  if (name === undefined) return use(up)
  await withPlace(async (place) => {
    await place.shoal('init', '--name', name)
    const file = join(place.home, 'config.yaml')
    await writeFile(file, `${await readFile(file, 'utf8')}doors: [{ http: "127.0.0.1:0" }]\n`)
    await start(place)
    try {
      await withMachines(rest, use, [...up, { ...place, name }])
    } finally {
      await place.shoal('down')
    }
  })
}

export async function start(node: Place): Promise<void> {
  const { code, stderr } = await node.shoal('up', '--detach', ...ALONE)
  if (code !== 0) throw new Error(stderr)
}

async function joinBy(inviter: Place, node: Place): Promise<void> {
  const { ticket } = (await inviter.json('invite')) as { readonly ticket: string }
  const { code, stderr } = await node.shoal('join', ticket)
  if (code !== 0) throw new Error(stderr)
}

/** The browser of this machine. throws where it has none. */
export async function withBrowser(use: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({
    executablePath: browserPath(),
    // Tests run as root in containers, where the sandbox of Chromium cannot be made.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
  try {
    await use(browser)
  } finally {
    await browser.close()
  }
}

function browserPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  const found = paths.find((path) => existsSync(path))
  if (found === undefined)
    throw new Error('there is no Chromium on this machine: "apt-get install chromium"')
  return found
}

/** The link to the console of a node, with its code. */
export async function linkOf(node: Place): Promise<string> {
  return ((await node.json('console')) as { readonly url: string }).url
}

/** The console of a node, signed in, at a size and in a theme. */
export async function openConsole(
  browser: Browser,
  node: Place,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Console> {
  const context = await browser.newContext({ locale: 'en-GB', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(SLOW_MS)
  const link = await linkOf(node)
  await page.goto(link)
  await page.locator('nav').waitFor()
  await page.locator('.sentence, main h1').first().waitFor()
  return { browser, context, page, url: new URL(link) }
}
