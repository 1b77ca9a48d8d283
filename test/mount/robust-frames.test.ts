// Whatever comes from the kernel, the file system of a real node answers each request once, reports
// no bug, and is whole afterwards.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { blake3 } from '../../protocol/hash.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { OPCODE } from '../../node/mount/drivers/kernel/protocol.ts'
import { Session } from '../../node/mount/drivers/kernel/session.ts'
import type { FileSystem } from '../../node/mount/file-system.ts'
import { Node } from '../../node/node.ts'
import { MemoryKv } from '../../node/store/memory-kv.ts'
import { SystemClock } from '../../node/world/clock.ts'
import { SystemDisk } from '../../node/world/disk.ts'
import { SystemRandom } from '../../node/world/random.ts'
import { SystemTiers } from '../../node/world/tiers/tiers.ts'
import { SimulatedMount } from '../../simulations/mount.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { createNetwork } from '../node/network/started.ts'
import { Known, UNANSWERED, damaged, frameOf, randomFrame } from './robust-frames.ts'
import type { TestContext } from 'node:test'

const SEED = 3
const FRAMES = 12_000
const AT_ONCE = 40

test(
  `${FRAMES} random and damaged frames are answered, and the node stays up`,
  { timeout: 300_000 },
  async (t) => {
    const fileSystem = await realFileSystem(t)
    const answered = new Map<number, number>()
    const known = new Known()
    const session = new Session(
      {
        fileSystem,
        send: (unique, errno, body) => {
          answered.set(unique, (answered.get(unique) ?? 0) + 1)
          if (errno === 0) known.learn(Buffer.concat(body))
        },
        report: (error) => {
          if (!(error instanceof ShoalError) || error.code === 'internal')
            bugs.push(error instanceof Error ? (error.stack ?? '') : String(error))
        },
      },
      { timeouts: { attributeMs: 0, entryMs: 0 } },
    )
    const bugs: string[] = []
    const hello = Buffer.alloc(64)
    hello.writeUInt32LE(7, 0)
    hello.writeUInt32LE(45, 4)
    hello.writeUInt32LE(0xffff_ffff, 12)
    void session.receive(frameOf(OPCODE.init, 1, 0, hello))
    await session.ready

    const random = new SeededRandom(SEED, 'frames')
    for (let first = 2; first < FRAMES; first += AT_ONCE) {
      const asked = new Map<number, Buffer>()
      for (let unique = first; unique < first + AT_ONCE; unique++) {
        const whole = randomFrame(random, unique, known)
        const frame = random.chance(0.3) ? damaged(random, whole) : whole
        void session.receive(frame)
        if (frame.length >= 40 && !UNANSWERED.has(frame.readUInt32LE(4))) asked.set(unique, frame)
      }
      const missing = await unanswered(asked, answered)
      const frames = missing.map(
        (frame) => `${frame.readUInt32LE(4)}: ${frame.toString('hex', 0, 120)}`,
      )
      assert.deepEqual(frames, [], `seed ${SEED}, about request ${first}`)
      assert.deepEqual(bugs, [], `seed ${SEED}, about request ${first}`)
    }
    assert.deepEqual(
      [...answered].filter(([, times]) => times > 1),
      [],
    )
    await stillWorks(fileSystem)
    await session.end()
    assert.deepEqual(bugs, [])
  },
)

/** Frames that get no answer however long one waits. */
async function unanswered(
  asked: ReadonlyMap<number, Buffer>,
  answered: ReadonlyMap<number, number>,
): Promise<readonly Buffer[]> {
  const late = AbortSignal.timeout(20_000)
  for (;;) {
    const missing = [...asked].filter(([unique]) => !answered.has(unique))
    if (missing.length === 0 || late.aborted) return missing.map(([, frame]) => frame)
    await new Promise(setImmediate)
  }
}

async function stillWorks(fileSystem: FileSystem): Promise<void> {
  const maker = { uid: 0, gid: 0, umask: 0 }
  const { handle } = await fileSystem.create(1, 'afterwards', 0o600, maker)
  const bytes = new SeededRandom(SEED, 'content').bytes(100_000)
  await fileSystem.write(handle, 0, bytes)
  await fileSystem.fsync(handle)
  const parts = await fileSystem.read(handle, 0, 200_000, new AbortController().signal)
  assert.equal(Buffer.compare(Buffer.concat(parts), bytes), 0)
  await fileSystem.release(handle)
}

/** The file system of a node without peers. */
async function realFileSystem(t: TestContext): Promise<FileSystem> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-frames-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const network = await createNetwork(t, 'frames')
  const clock = new SystemClock()
  const random = new SystemRandom()
  const tiers = new SystemTiers({ clock, random }, { spoolFolder: join(home, 'spool') })
  const mount = new SimulatedMount()
  const node = await Node.open(
    {
      world: { clock, random, disk: new SystemDisk(home), network, tiers },
      kv: new MemoryKv(),
      identity: identityFromSeed(blake3(utf8('test network frames'))),
      mounter: mount.mounter,
      log: () => undefined,
    },
    { name: 'frames', zone: undefined, capacityBytes: undefined, home, version: '0', pid: 1 },
  )
  await node.start()
  t.after(() => node.stop())
  await node.api.createVolume({ name: 'main' })
  await node.api.mount('/mount')
  return mount.fileSystem ?? assert.fail('mounted')
}
