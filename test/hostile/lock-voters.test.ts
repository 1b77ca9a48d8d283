// Members against the locks of a volume: a voter that learns the sessions of others, and would
// have other voters drop or renew what they hold; a reader that claims a file at every voter
// without end, opening one session after the other.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LEASE_MS } from '../../protocol/locks/claim.ts'
import type { Claim } from '../../protocol/locks/claim.ts'
import { LOCK_END } from '../../protocol/locks/held-locks.ts'
import type { LockKind } from '../../protocol/locks/held-locks.ts'
import { READERS_MS } from '../../protocol/locks/lock-voter.ts'
import { parseVoters } from '../../protocol/strong/office.ts'
import { formatVoters } from '../../protocol/strong/voters.ts'
import { LOCK_PROTOCOL, decodeLockRequest, encodeLockAnswer } from '../../protocol/wire/lock.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { Locker } from '../cluster/locker.ts'
import { skip } from '../mount/mounted.ts'
import { TestVolume } from './test-volume.ts'
import { Asker, besideMallory, codeOf, idOf } from './voting.ts'
import type { TestNode } from '../cluster/cluster.ts'

/** How often the session of another is forged, and the time between. */
const ROUNDS = 10
const ROUND_MS = 300
/** The time between two rounds of claims of a reader. */
const PAUSE_MS = 500

// The second waits for most of its time.
const options = { skip, timeout: 240_000, concurrency: 2 }

test('locks that nodes hold across machines', options, async (t) => {
  await using cluster = await TestCluster.start(2)
  const [first, second] = [await locked(cluster, 'v1'), await locked(cluster, 'v2')]
  await Promise.all([
    t.test('a voter that lies about sessions gives nobody a lock that another has', () =>
      lieAboutSessions(first),
    ),
    t.test('a reader that claims without end holds up nobody for long, and is named', () =>
      claimWithoutEnd(second),
    ),
  ])
})

/** A volume with strong locks. */
async function locked(cluster: TestCluster, name: string): Promise<TestVolume> {
  const volume = await TestVolume.make(cluster.nodes, name)
  await volume.set({ locks: 'strong' })
  await volume.converged()
  return volume
}

/** Each node has the volume mounted, with one file in it, until it is disposed. */
async function mounted(volume: TestVolume): Promise<AsyncDisposable> {
  const { name, nodes, admin } = volume
  for (const node of nodes)
    await node.ask((client) => client.mount(join(node.mountFolder, name), { volume: name }))
  await writeFile(join(admin.mountFolder, fileIn(volume)), '0')
  await volume.converged()
  return {
    async [Symbol.asyncDispose]() {
      for (const node of nodes)
        await node.ask((client) => client.unmount(join(node.mountFolder, name), { force: true }))
    },
  }
}

/** The path of that file in the folder for mounts. */
function fileIn({ name }: TestVolume): string {
  return join(name, 'file')
}

async function lieAboutSessions(volume: TestVolume): Promise<void> {
  const [admin, ben] = volume.nodes as [TestNode, TestNode]
  await using mallory = await besideMallory(volume, 'voter')
  const heard = new Map<string, Claim>()
  await mallory.network.handle(LOCK_PROTOCOL, async (channel) => {
    for (;;) {
      const signal = mallory.deadline()
      const frame = await channel.receive({ signal })
      if (frame === undefined) return
      const { request } = decodeLockRequest(frame)
      if (request.kind === 'claim') heard.set(channel.peer, request.claim)
      const granted = { kind: 'granted', log: mallory.volume.durableVector() } as const
      const answer = encodeLockAnswer(request.kind === 'test' ? { kind: 'free' } : granted)
      await channel.send([answer], { signal })
    }
  })
  for (const node of volume.nodes) await mallory.dial(node)
  await using _mounts = await mounted(volume)
  await using onAdmin = new Locker(admin, fileIn(volume))
  await using onBen = new Locker(ben, fileIn(volume))
  assert.equal(await onAdmin.ask('wait', 'flock', 'exclusive'), 'ok')
  const { id } = (await admin.status()).node
  await eventually('the voter that lies has heard of it', async () => heard.has(id))
  // With the liar's vote, the admin may have it before ben's voter was ready to hear of it.
  await eventually('the other voter has heard of it', async () =>
    /Lock +v1:\/file, .*held by n1/.test(await ben.shoal('status')),
  )
  const askers = await Promise.all(volume.nodes.map((node) => Asker.locks(mallory, node)))
  for (let round = 0; round < ROUNDS; round++) {
    const claim = heard.get(id)
    assert.ok(claim !== undefined)
    // The session of another, as one that gives all up, and in the future of its numbers.
    const forged = { ...claim, number: 2 ** 40 + round, locks: [], wanted: undefined }
    for (const asker of askers) await asker.askLock({ kind: 'claim', claim: forged })
    assert.equal(await onBen.ask('try', 'flock', 'exclusive'), 'EAGAIN')
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  }
  assert.equal(await onAdmin.ask('unlock', 'flock'), 'ok')
  assert.equal(await onBen.ask('wait', 'flock', 'exclusive'), 'ok')
}

async function claimWithoutEnd(volume: TestVolume): Promise<void> {
  const [admin, ben] = volume.nodes as [TestNode, TestNode]
  await using _mounts = await mounted(volume)
  // Each voter gives readers their time anew; one takes half a minute.
  await using mallory = await besideMallory(volume, 'reader', [admin])
  const file = idOf(mallory, 'file')
  const voters = formatVoters(parseVoters(mallory.volume.membership.policy('voters') ?? ''))
  const asker = await Asker.locks(mallory, admin)
  let number = 1
  const claim = async (session: string, kind: LockKind): Promise<string> => {
    const locks = [{ file, family: 'flock' as const, held: [{ start: 0, end: LOCK_END, kind }] }]
    const how = { wanted: 0, isFirst: true, isPatient: true }
    const all = { session, number: number++, voters, locks, ...how }
    return codeOf(await asker.askLock({ kind: 'claim', claim: all }))
  }
  const session = '05'.repeat(16)
  await eventually('it holds it', async () => (await claim(session, 'shared')) === 'granted')
  assert.match(await admin.shoal('status'), /Lock +v2:\/file, 1 shared, held by mallory for/)
  let [isOver, exclusive] = [false, 0]
  const attack = (async () => {
    while (!isOver) {
      await claim(session, 'shared')
      for (const kind of ['shared', 'exclusive'] as const) {
        const got = await claim(randomBytes(16).toString('hex'), kind)
        if (kind === 'exclusive' && got === 'granted') exclusive++
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  })()
  try {
    await using onBen = new Locker(ben, fileIn(volume))
    const startedMs = Date.now()
    assert.equal(await onBen.ask('wait', 'flock', 'exclusive'), 'ok')
    assert.ok(Date.now() - startedMs < READERS_MS + 8 * LEASE_MS, `${Date.now() - startedMs} ms`)
  } finally {
    isOver = true
    await attack
  }
  assert.equal(exclusive, 0, 'it has none for itself')
}
