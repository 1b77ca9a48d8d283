// The console before much: a folder of 100,000 files, a hundred machines, ten thousand alerts. The
// first of it shows within a second, in little memory; and an open page costs its node little.
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openConsole, withBrowser, withNodes } from './with-console.ts'
import type { Page } from 'playwright-core'
import type { NodeStatus } from '../../node/control/status.ts'
import type { Seen } from '../../node/control/observe/watch.ts'

const FILES = 100_000
const PEERS = 100
const ALERTS = 10_000
const PAINT_MS = 1000
const HEAP_BYTES_MAX = 100_000_000
/** The release of memory after work (idle-memory.ts) is over by then. */
const SETTLE_MS = 70_000
const WATCH_MS = 60_000
const TICKS_PER_SECOND = 100
/** Share of one CPU, beside what the node takes without a page. */
const IDLE_SHARE_MAX = 0.01

describe('the console before much', () => {
  test('a folder of 100,000 files shows within a second, and is gone through', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      const folder = join(office.folder, 'many')
      await mkdir(folder)
      const names = Array.from({ length: FILES }, (_, at) => `file-${String(at).padStart(6, '0')}`)
      for (let at = 0; at < FILES; at += 1000)
        await Promise.all(
          names.slice(at, at + 1000).map((name) => writeFile(join(folder, name), '')),
        )
      assert.equal((await office.shoal('put', folder, '/')).code, 0)
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        const tookMs = await shownWithin(page, '#/files/main/many', '.files tbody tr')
        assert.ok(tookMs < PAINT_MS, `${tookMs} ms`)
        for (let at = 0; at < 20; at++) {
          await page.getByRole('button', { name: 'Next', exact: true }).click()
          await page.getByText(`Page ${at + 2}`, { exact: true }).waitFor()
        }
        await page.getByRole('button', { name: 'Versions: file-004000' }).waitFor()
        await checkHeap(page)
      })
    })
  })

  test('a hundred machines and ten thousand alerts show within a second, in little memory', async () => {
    await withNodes(['office'], async ([office]) => {
      assert.ok(office !== undefined)
      const status = (await office.json('status')) as NodeStatus
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        const events = Array.from({ length: 50 }, (_, at) => eventOf(seenWithMuch(status, at)))
        await page.route('**/v1/watch', (route) =>
          route.fulfill({ contentType: 'text/event-stream', body: events.join('') }),
        )
        const began = Date.now()
        await page.reload()
        await page.getByRole('button', { name: 'machine-99', exact: true }).waitFor()
        const tookMs = Date.now() - began
        assert.ok(tookMs < PAINT_MS, `${tookMs} ms`)
        await page.getByText('and 9,992 more').waitFor()
        await checkHeap(page)
      })
    })
  })

  test('an open page that nobody touches costs its node below 1 % of a CPU', async () => {
    await withNodes(['office', 'attic', 'cellar'], async ([office]) => {
      assert.ok(office !== undefined)
      const { node } = (await office.json('status')) as NodeStatus
      await withBrowser(async (browser) => {
        const { page } = await openConsole(browser, office)
        await sleep(SETTLE_MS)
        const withPage = await shareOf(node.pid)
        await page.goto('about:blank')
        const without = await shareOf(node.pid)
        const share = withPage - without
        assert.ok(share < IDLE_SHARE_MAX, `${(share * 100).toFixed(2)} %`)
      })
    })
  })
})

/** How long it takes from an address to what it shows. */
async function shownWithin(page: Page, hash: string, selector: string): Promise<number> {
  const began = Date.now()
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  await page.locator(selector).first().waitFor()
  return Date.now() - began
}

async function checkHeap(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  const { metrics } = await session.send('Performance.getMetrics')
  const used = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Infinity
  assert.ok(used < HEAP_BYTES_MAX, `${used} bytes`)
}

function seenWithMuch(status: NodeStatus, at: number): Seen {
  const [first] = status.volumes
  const peers = Array.from({ length: PEERS }, (_, index) => ({
    id: `12D3KooW${index}`,
    name: `machine-${index}`,
    zone: `zone-${index % 10}`,
    state: 'online',
    isConnected: true,
    addresses: [],
    volumes: [{ name: first?.name, role: 'writer' }],
    lastSeenMs: Date.now(),
    roundTripMs: at + index,
    capacityBytes: 1e12,
    freeBytes: 5e11,
    shards: 1000,
    shardBytes: 1e9,
  }))
  const alerts = Array.from({ length: PEERS }, (_, index) => ({
    name: 'peer-late',
    severity: 'warning',
    subject: `machine-${index}`,
    message: `machine-${index} is late`,
    next: 'switch it on',
    sinceMs: Date.now(),
  }))
  const traffic = { minutes: [], peers: [] }
  return {
    kind: 'seen',
    status: { ...status, peers },
    alerts,
    alertCount: ALERTS,
    traffic,
  } as unknown as Seen
}

function eventOf(seen: Seen): string {
  return `event: seen\ndata: ${JSON.stringify(seen)}\n\n`
}

/** The part of a CPU that a process takes for a while, in user and system mode. */
async function shareOf(pid: number): Promise<number> {
  const before = await ticksOf(pid)
  await sleep(WATCH_MS)
  return ((await ticksOf(pid)) - before) / TICKS_PER_SECOND / (WATCH_MS / 1000)
}

async function ticksOf(pid: number): Promise<number> {
  const [, fields = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const all = fields.split(' ')
  return Number(all[11]) + Number(all[12])
}
