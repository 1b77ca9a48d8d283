// The five journeys of docs/architecture.md, each taken on real nodes while V8 records which
// functions run (coverage-recorder.ts). Each journey is taken three times.
//
// - Each file that the list of a journey names has at least one function that ran in a run of it.
//   That a module was loaded is no function. The two threads of a mount tell only what they ran
//   over their whole life, so that is what counts for them.
// - A function is specific to a journey if it ran on the same node in all runs, and neither while
//   these nodes started and joined, nor on two idle nodes that do just that and are left alone for
//   as long as the journeys take. Each room of node/ with such a function is in the list, by one of
//   its files at least. Rooms are folders: the files directly in node/ put parts together, and pass
//   calls from one to another.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MIB } from '../protocol/units.ts'
import { agreeTo } from './cold/agree.ts'
import { TestCluster, eventually, runShoal } from './cluster/cluster.ts'
import type { StartOptions, TestNode } from './cluster/cluster.ts'
import { xorshiftBytes } from './protocol/vectors.ts'
import { none, root } from './sources.ts'

const RECORDER = new URL('./coverage-recorder.ts', import.meta.url)
/** A timer may fall into two of them, hardly into all. */
const RUNS = 3
/**
 * After this the background work caused by a change is over, and does not fall into the next run.
 */
const QUIET_MS = 1200
/** The distance from the end of the segment to the middle of a shard of one file's stripe. */
const FROM_END_BYTES: number = MIB / 4
const ROOM = /^node\/[^/]+\//
const THREAD = /^node\/mount\/drivers\/kernel\/(reader|notifier)-thread\.ts$/

interface Ran {
  readonly node: string
  /** As coverage-recorder.ts names functions. */
  readonly what: string
}

let cluster: TestCluster
let nodes: readonly [TestNode, TestNode, TestNode]
let leftAlone: readonly [TestNode, TestNode]
/** Signals that each node got. */
const signalled = new Map<TestNode, number>()
/** The code that ran in nodes without a request. */
const idle = new Set<string>()
/** By journey, what ran in each of its runs. */
const journeys = new Map<string, readonly Ran[]>()
const map = journeysIn(await readFile(join(root, 'docs/architecture.md'), 'utf8'))

before(async () => {
  cluster = await TestCluster.create()
  const [a, b, c, d, e] = ['n1', 'n2', 'n3', 'idle1', 'idle2'].map((name) => cluster.node(name))
  assert(a !== undefined && b !== undefined && c !== undefined)
  assert(d !== undefined && e !== undefined)
  nodes = [a, b, c]
  leftAlone = [d, e]
  await Promise.all([start(a, { mount: a.mountFolder }), start(d, {})])
  const ticket = await a.invite('--uses', '2')
  const ticketOfOthers = await d.invite()
  await Promise.all([
    start(b, { mount: b.mountFolder, ticket }),
    start(c, { ticket }),
    start(e, { ticket: ticketOfOthers }),
  ])
  await eventually('all are connected', async () => {
    const all = await Promise.all(nodes.map((node) => node.status()))
    return all.every(({ peers }) => peers.filter((peer) => peer.isConnected).length === 2)
  })
  await sleep(QUIET_MS)
  for (const { what } of await ranOn(nodes)) idle.add(what)
})

after(async () => {
  await cluster[Symbol.asyncDispose]()
})

test('a write in the mount, to durable', async () => {
  const [a] = nodes
  let file: FileHandle | undefined
  await takesJourney('A write in the mount, to durable', async (run) => {
    file = await open(join(a.mountFolder, `written-${run}`), 'w')
    await file.write(xorshiftBytes(run, MIB))
    await file.sync()
    const ran = await ranOn([a])
    await file.close()
    return ran
  })
})

test('a remote entry, to visible', async () => {
  const [a, b] = nodes
  await takesJourney('A remote entry, to visible', async (run) => {
    const text = 'x'.repeat(run)
    await writeFile(join(a.mountFolder, 'note'), text)
    await eventually('the other mount shows it', async () => {
      const found = await stat(join(b.mountFolder, 'note')).catch(() => undefined)
      return found?.size === text.length
    })
    return ranOn([b])
  })
})

test('put', async () => {
  const [a] = nodes
  await takesJourney('`put`', async (run) => {
    const source = join(cluster.folder, `source-${run}`)
    await writeFile(source, xorshiftBytes(10 + run, MIB))
    const command = await ranBy(a, 'put', '--ack', 'placed', source, `/put-${run}`)
    return [...command, ...(await ranOn(nodes))]
  })
})

test('a lost shard, to rebuilt', async () => {
  const [, , c] = nodes
  await takesJourney('A lost shard, to rebuilt', async () => {
    await eventually('all is whole', areWhole)
    await ranOn(nodes)
    await damage(c)
    await c.shoal('scrub')
    await eventually('it is whole again', areWhole)
    return ranOn(nodes)
  })
})

test('pin add --cold', async () => {
  const [a, b, c] = nodes
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  await a.shoal('cold', 'add', 'attic', `dir:${place}`)
  await agreeTo('attic', [b, c])
  await takesJourney('`pin add --cold`', async (run) => {
    const path = `/put-${run}`
    const command = await ranBy(a, 'pin', 'add', path, '--cold', 'attic')
    // Asked of another node: to count what is pinned is no part of the journey.
    await eventually('all of it lies in the tier', async () => {
      const pin = (await b.pins()).find((one) => one.path === path)
      return pin !== undefined && pin.wantedBytes > 0 && pin.actualBytes === pin.wantedBytes
    })
    return [...command, ...(await ranOn([a]))]
  })
})

test('the threads of a mount', async () => {
  const [a, b] = nodes
  for (const node of [a, b]) await node.shoal('unmount', node.mountFolder)
  const ran = new Set<string>()
  for (const node of [a, b])
    for (const name of await readdir(coverageOf(node)))
      if (name.startsWith('thread-') && name.endsWith('.json'))
        for (const one of await read(join(coverageOf(node), name))) ran.add(fileOf(one))
  const listed = [...map.values()].flat().filter((path) => THREAD.test(path))
  assert.ok(listed.length > 0)
  none(listed.filter((path) => !ran.has(path)).map((path) => `${path} did not run`))
})

test('no room is missing', async () => {
  for (const { what } of await ranOn(leftAlone)) idle.add(what)
  none(
    [...journeys].flatMap(([name, ran]) => {
      const named = new Set((map.get(name) ?? []).filter((path) => ROOM.test(path)).map(roomOf))
      const own = new Set(ran.map(({ what }) => what).filter((what) => !idle.has(what)))
      const rooms = Map.groupBy(
        [...own].filter((what) => ROOM.test(what)),
        roomOf,
      )
      return [...rooms]
        .filter(([room]) => !named.has(room))
        .map(([room, what]) => `${name}: node/${room} is not listed: ${what.join(', ')} ran`)
    }),
  )
})

/** run: from 1 on. returns the functions that ran. */
async function takesJourney(
  name: string,
  take: (run: number) => Promise<readonly Ran[]>,
): Promise<void> {
  const listed = map.get(name)
  assert(listed !== undefined, `docs/architecture.md has the journey "${name}"`)
  const runs: (readonly Ran[])[] = []
  for (let run = 1; run <= RUNS; run++) {
    await sleep(QUIET_MS)
    await ranOn(nodes)
    runs.push(await take(run))
  }
  const files = new Set(runs.flat().map(({ what }) => fileOf(what)))
  const isListedOnly = (path: string): boolean => !files.has(path) && !THREAD.test(path)
  none(listed.filter(isListedOnly).map((path) => `${path} is listed and did not run`))
  const [first = new Map<string, Ran>(), ...others] = runs.map(
    (ran) => new Map(ran.map((one) => [keyOf(one), one])),
  )
  journeys.set(
    name,
    [...first].filter(([key]) => others.every((ran) => ran.has(key))).map(([, one]) => one),
  )
}

/** The lists of docs/architecture.md, by heading. */
function journeysIn(text: string): ReadonlyMap<string, readonly string[]> {
  const [, section = ''] = text.split('\n## Five journeys\n')
  const parts = (section.split('\n## ')[0] ?? '').split('\n### ').slice(1)
  return new Map(
    parts.map((part) => [
      part.split('\n')[0] ?? '',
      Array.from(part.matchAll(/^\d+\. `([^`]+)`: \S/gm), ([, path = '']) => path),
    ]),
  )
}

async function start(node: TestNode, options: StartOptions): Promise<void> {
  await node.start({ ...options, preload: recorderTo(coverageOf(node)) })
}

function coverageOf(node: TestNode): string {
  return join(node.folder, 'coverage')
}

function recorderTo(folder: string): string {
  return `${RECORDER.href}?folder=${encodeURIComponent(folder)}`
}

/** Functions that ran on nodes since this was last asked. */
async function ranOn(some: readonly TestNode[]): Promise<readonly Ran[]> {
  const all = await Promise.all(
    some.map(async (node) => {
      const count = (signalled.get(node) ?? 0) + 1
      signalled.set(node, count)
      process.kill(node.pid, 'SIGUSR2')
      const path = join(coverageOf(node), `${count}.json`)
      await eventually(`${node.name} says what it ran`, async () => existsSync(path))
      return (await read(path)).map((what) => ({ node: node.name, what }))
    }),
  )
  return all.flat()
}

/** Functions that a command of a node runs in its own process. */
async function ranBy(node: TestNode, ...words: readonly string[]): Promise<readonly Ran[]> {
  const folder = join(cluster.folder, 'command')
  const preload = recorderTo(folder)
  const { code, stderr } = await runShoal(['--home', node.home, ...words], 'ignore', { preload })
  assert.equal(code, 0, stderr)
  const ran = await read(join(folder, 'end.json'))
  return ran.map((what) => ({ node: 'command', what }))
}

async function read(path: string): Promise<readonly string[]> {
  return JSON.parse(await readFile(path, 'utf8')) as readonly string[]
}

async function areWhole(): Promise<boolean> {
  const all = await Promise.all(nodes.map(async (node) => (await node.volume()).stripes))
  return all.every(({ full, degraded, atRisk, lost }) => full > 0 && degraded + atRisk + lost === 0)
}

/** Flip a bit of the shard that was stored last. */
async function damage(node: TestNode): Promise<void> {
  const folder = join(node.home, 'segments')
  const all = (await readdir(folder)).map(async (name) => {
    const path = join(folder, name)
    const { size, mtimeMs } = await stat(path)
    return { path, size, mtimeMs }
  })
  const [last] = (await Promise.all(all)).toSorted((x, y) => y.mtimeMs - x.mtimeMs)
  assert(last !== undefined)
  await using file = await open(last.path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, last.size - FROM_END_BYTES)
  await file.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, last.size - FROM_END_BYTES)
  await file.sync()
}

function keyOf({ node, what }: Ran): string {
  return `${node} ${what}`
}

function fileOf(what: string): string {
  return what.slice(0, what.indexOf(':'))
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}
