// The security log (docs/formats/security-log.md): it survives restarts and crashes, and any
// truncation or change is reported.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SecurityLog } from '../../../node/observe/security-log.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { PLAIN_LINES } from '../../../node/world/home-key.ts'
import type { LineSeal } from '../../../node/world/home-key.ts'
import type { Disk } from '../../../node/world/world.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { isSecurityHeadOf } from '../../../protocol/wire/security.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedDisk } from '../../../simulations/disk.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { temporaryHome } from '../store/fixtures.ts'

const IDENTITY = identityFromSeed(new Uint8Array(32).fill(7))
const MADE: SecurityEvent = { kind: 'ticket-made', message: 'a ticket' }

/** One log over its restarts. */
class Home {
  readonly disk: Disk
  readonly kv: MemoryKv
  readonly clock: ManualClock = new ManualClock()
  readonly said: string[] = []
  lines: LineSeal = PLAIN_LINES

  constructor(disk: Disk, kv: MemoryKv = MemoryKv.open()) {
    this.disk = disk
    this.kv = kv
  }

  open(fileBytes?: number): Promise<SecurityLog> {
    const { clock, disk, kv } = this
    const components = {
      world: { clock, disk, random: new SeededRandom(1, 'log') },
      kv,
      identity: IDENTITY,
      lines: this.lines,
      nameOf: (peer: PeerId) => (peer === IDENTITY.peer ? 'me' : undefined),
      log: (message: string) => this.said.push(message),
    }
    return SecurityLog.open(components, { fileBytes })
  }

  /** Record events in a run of their own. */
  async run(...events: readonly SecurityEvent[]): Promise<void> {
    const log = await this.open()
    for (const event of events) log.record(event)
    await log.close()
  }

  async messages(): Promise<string[]> {
    const log = await this.open()
    const all = await messagesOf(log)
    await log.close()
    return all
  }
}

async function messagesOf(log: SecurityLog): Promise<string[]> {
  const { signal } = new AbortController()
  const all: string[] = []
  for await (const page of log.read({ signal })) all.push(...page.map(({ message }) => message))
  return all
}

function events(from: number, to: number): SecurityEvent[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ ...MADE, message: `e${from + i}` }))
}

const FILE = 'logs/security.log'

describe('security log', () => {
  test('records survive restarts, numbered and complete, with a signed head', async (t) => {
    const home = new Home(new SystemDisk(await temporaryHome(t)))
    const log = await home.open()
    assert.equal(log.head, undefined)
    await log.close()
    await home.run(...events(1, 3), { kind: 'role-given', peer: IDENTITY.peer, message: 'e4' })
    await home.run(...events(5, 5))
    assert.deepEqual(await home.messages(), ['e1', 'e2', 'e3', 'e4', 'e5'])
    const again = await home.open()
    const { first, last, problems } = await again.check()
    assert.deepEqual([first, last?.number, problems], [1, 5, []])
    assert(again.head !== undefined && isSecurityHeadOf(IDENTITY.peer, again.head))
    assert.equal(await again.compare(again.head), 'same')
    const other = { ...again.head, hash: new Uint8Array(32) }
    assert.equal(await again.compare(other), 'differs')
    assert.equal(await again.compare({ ...other, number: 6 }), 'differs')
    const { signal } = new AbortController()
    const named = []
    for await (const page of again.read({ limit: 2, signal })) named.push(...page)
    assert.deepEqual(
      named.map(({ number, name }) => [number, name]),
      [
        [4, 'me'],
        [5, undefined],
      ],
    )
    await again.close()
  })

  const tampered: readonly {
    readonly what: string
    readonly tamper: (file: string) => Promise<void>
    readonly found: RegExp
  }[] = [
    { what: 'removed', tamper: (file) => rm(file), found: /events 1 to 9 are missing/ },
    { what: 'emptied', tamper: (file) => truncate(file), found: /events 1 to 9 are missing/ },
    {
      what: 'cut at its end',
      tamper: async (file) => write(file, (await lines(file)).slice(0, 5)),
      found: /events 6 to 9 are missing/,
    },
    {
      what: 'cut at its beginning',
      tamper: async (file) => write(file, (await lines(file)).slice(4)),
      found: /events 1 to 4 are missing/,
    },
    {
      what: 'without a line of its middle',
      tamper: async (file) => write(file, (await lines(file)).toSpliced(3, 1)),
      found: /event 4 is missing/,
    },
    {
      what: 'with another word',
      tamper: async (file) =>
        write(
          file,
          (await lines(file)).map((l) => l.replace('"e3"', '"x"')),
        ),
      found: /event 4 does not follow from event 3/,
    },
    {
      what: 'with another last word',
      tamper: async (file) =>
        write(
          file,
          (await lines(file)).map((l) => l.replace('"e9"', '"x"')),
        ),
      found: /event 9 was altered/,
    },
    {
      what: 'garbled at its end',
      tamper: async (file) => write(file, [...(await lines(file)).slice(0, 8), 'garbage']),
      found: /1 lines after event 8 cannot be read; event 9 is missing/,
    },
  ]
  for (const { what, tamper, found } of tampered) {
    test(`a log that was ${what} says so once at the next start, and goes on`, async (t) => {
      const folder = await temporaryHome(t)
      const home = new Home(new SystemDisk(folder))
      await home.run(...events(1, 9))
      await tamper(join(folder, FILE))
      await home.run()
      const told = (await home.messages()).filter((message) => message.startsWith('this log'))
      assert.equal(told.length, 1)
      assert.match(told[0] ?? '', found)
      const log = await home.open()
      log.record({ ...MADE, message: 'after' })
      const { last, problems } = await log.check()
      assert.equal(last?.number, 11, 'no number is used again')
      assert.ok(problems.length > 0, 'and to look at it tells so for ever')
      assert.equal((await messagesOf(log)).at(-1), 'after')
      await log.close()
    })
  }

  test('a record half written at a crash raises no alarm', async (t) => {
    const folder = await temporaryHome(t)
    const home = new Home(new SystemDisk(folder))
    await home.run(...events(1, 3))
    await writeFile(join(folder, FILE), '{"n":4,"time":"2026-', { flag: 'a' })
    await home.run(...events(4, 4))
    assert.deepEqual(await home.messages(), ['e1', 'e2', 'e3', 'e4'])
  })

  test('no crash at any moment raises an alarm, or loses a record told to others', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const scheduler = new Scheduler(seed)
      const random = new SeededRandom(seed, 'crash')
      const conduct = async (): Promise<void> => {
        const clock = new VirtualClock(new SimulatedProcess(scheduler, 'conductor'))
        let process = new SimulatedProcess(scheduler, 'node')
        let disk = new SimulatedDisk({ process, random })
        let kv = MemoryKv.open()
        let told = 0
        for (let run = 0; run < 6; run++) {
          const home = new Home(disk, kv)
          const log = await home.open()
          assert.deepEqual((await log.check()).problems, [], `seed ${seed}`)
          assert.ok((log.head?.number ?? 0) >= told, `seed ${seed}: what was told is there`)
          assert.ok(!home.said.some((message) => message.startsWith('this log')))
          for (let n = 0; n < random.below(30); n++) {
            log.record(MADE)
            if (random.below(3) === 0) await clock.sleep(random.below(4))
          }
          told = log.head?.number ?? told
          process.kill()
          process = new SimulatedProcess(scheduler, 'node')
          disk = disk.crash(process)
          kv = kv.crash(random.below(20))
        }
      }
      await scheduler.finish(conduct(), HOUR_MS)
    }
  })

  test('a full file is rotated, the oldest is deleted, and the chain holds', async (t) => {
    const folder = await temporaryHome(t)
    const home = new Home(new SystemDisk(folder))
    const message = 'x'.repeat(1000)
    for (let run = 0; run < 30; run++) {
      const log = await home.open(20_000)
      for (let n = 0; n < 20; n++) log.record({ ...MADE, message })
      await log.close()
    }
    const log = await home.open()
    const { first, last, problems } = await log.check()
    assert.deepEqual(problems, [])
    assert.equal(last?.number, 30 * 20)
    assert.ok(first !== undefined && first > 1)
    const files = await readdir(join(folder, 'logs'))
    assert.equal(files.length, 6)
    assert.equal(await log.compare({ ...assertDefined(log.head), number: 1 }), 'older')
    await log.close()
    await rm(join(folder, 'logs', files.sort()[0] ?? ''))
    assert.match(
      (await home.messages()).at(-1) ?? '',
      /this log was truncated or altered.* are missing/,
    )
  })

  test('an unwritable disk stops the log and not the node, until it is writable', async (t) => {
    const folder = await temporaryHome(t)
    const home = new Home(new SystemDisk(folder))
    await mkdir(join(folder, FILE), { recursive: true })
    const blocked = await home.open().catch((error: unknown) => error)
    assert.ok(blocked instanceof Error)
    await rename(join(folder, FILE), join(folder, 'logs', 'away'))
    const log = await home.open()
    await mkdir(join(folder, FILE))
    log.record({ ...MADE, message: 'kept' })
    for (let n = 0; n < 1000; n++) log.record(MADE)
    await log.check().catch(() => undefined)
    await rm(join(folder, FILE), { recursive: true })
    log.record({ ...MADE, message: 'last' })
    await log.close()
    const all = await home.messages()
    assert.equal(all[0], 'kept')
    assert.ok(all.length <= 256, `${all.length}`)
  })

  test('one peer uses up neither the log nor the quota of others or of the owner', async (t) => {
    const home = new Home(new SystemDisk(await temporaryHome(t)))
    const log = await home.open()
    const peers = Array.from({ length: 200 }, (_, n) => `peer${n}` as PeerId)
    for (let n = 0; n < 100; n++) log.record({ kind: 'peer-costly', peer: peers[0], message: 'a' })
    log.record({ kind: 'peer-costly', peer: peers[1], message: 'b' })
    for (const peer of peers) log.record({ kind: 'join-refused', peer, message: 'c' })
    for (let n = 0; n < 100; n++) log.record(MADE)
    await log.check()
    home.clock.advance(HOUR_MS)
    log.record({ kind: 'peer-costly', peer: peers[0], message: 'again' })
    const all = await messagesOf(log)
    const counts = Object.fromEntries(
      ['a', 'b', 'c', 'a ticket', 'again'].map((text) => [
        text,
        all.filter((one) => one === text).length,
      ]),
    )
    assert.deepEqual(counts, { a: 8, b: 1, c: 64, 'a ticket': 100, again: 1 })
    assert.ok(all.some((text) => text.startsWith('and 92 more of these since')))
    assert.ok(all.some((text) => text.startsWith('and 136 more of these since')))
    await log.close()
  })

  test('a follower gets each new record once and in order', async (t) => {
    const home = new Home(new SystemDisk(await temporaryHome(t)))
    const log = await home.open()
    log.record({ ...MADE, message: 'e1' })
    const stop = new AbortController()
    const seen: string[] = []
    const following = (async () => {
      for await (const page of log.read({ follow: true, signal: stop.signal }))
        for (const { message } of page) {
          seen.push(message)
          if (message === 'e1') for (const event of events(2, 5)) log.record(event)
          if (message === 'e5') stop.abort(new Error('enough'))
        }
    })()
    await assert.rejects(following, /enough/)
    assert.deepEqual(seen, ['e1', 'e2', 'e3', 'e4', 'e5'])
    await log.close()
  })
})

async function lines(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).trimEnd().split('\n')
}

async function write(file: string, all: readonly string[]): Promise<void> {
  await writeFile(file, all.map((line) => `${line}\n`).join(''))
}

function assertDefined<Value>(value: Value | undefined): Value {
  assert(value !== undefined)
  return value
}
