// A reader that claims a file at every voter without end, and a member that opens one session after
// the other.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LEASE_MS } from '../../protocol/locks/claim.ts'
import { LOCK_END } from '../../protocol/locks/held-locks.ts'
import type { LockKind } from '../../protocol/locks/held-locks.ts'
import { READERS_MS } from '../../protocol/locks/lock-voter.ts'
import { parseVoters } from '../../protocol/strong/office.ts'
import { formatVoters } from '../../protocol/strong/voters.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { Locker } from '../cluster/locker.ts'
import { skip } from '../mount/mounted.ts'
import { Asker, besideMallory, codeOf, idOf } from './voting.ts'
import type { Two } from './voting.ts'

const PAUSE_MS = 500

test(
  'a reader that claims without end holds up nobody for long, and is named',
  { skip },
  async () => {
    await using cluster = await TestCluster.start(2)
    const [admin, ben] = cluster.nodes as unknown as Two
    await admin.shoal('volume', 'set', 'main', 'locks=strong')
    for (const node of [admin, ben]) await node.shoal('mount', node.mountFolder)
    await writeFile(join(admin.mountFolder, 'file'), '0')
    await cluster.converged()
    await using mallory = await besideMallory(cluster, 'reader')
    const file = idOf(mallory, 'file')
    const voters = formatVoters(parseVoters(mallory.volume.membership.policy('voters') ?? ''))
    const askers = await Promise.all([admin, ben].map((node) => Asker.locks(mallory, node)))
    let number = 1
    const claim = (session: string, kind: LockKind): Promise<readonly string[]> => {
      const locks = [{ file, family: 'flock' as const, held: [{ start: 0, end: LOCK_END, kind }] }]
      const how = { wanted: 0, isFirst: true, isPatient: true }
      const request = {
        kind: 'claim',
        claim: { session, number: number++, voters, locks, ...how },
      } as const
      return Promise.all(askers.map(async (asker) => codeOf(await asker.askLock(request))))
    }
    const session = '05'.repeat(16)
    await eventually('it holds it', async () =>
      (await claim(session, 'shared')).every((kind) => kind === 'granted'),
    )
    assert.match(await admin.shoal('status'), /Lock +main:\/file, 1 shared, held by mallory for/)
    let [isOver, exclusive] = [false, 0]
    const attack = (async () => {
      while (!isOver) {
        await claim(session, 'shared')
        for (const kind of ['shared', 'exclusive'] as const) {
          const got = await claim(randomBytes(16).toString('hex'), kind)
          if (kind === 'exclusive') exclusive += got.filter((one) => one === 'granted').length
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    })()
    try {
      await using onBen = new Locker(ben)
      const startedMs = Date.now()
      assert.equal(await onBen.ask('wait', 'flock', 'exclusive'), 'ok')
      assert.ok(
        Date.now() - startedMs < 2 * READERS_MS + 4 * LEASE_MS,
        `${Date.now() - startedMs} ms`,
      )
    } finally {
      isOver = true
      await attack
    }
    assert.equal(exclusive, 0, 'it has none for itself')
  },
)
