// A voter that learns the sessions of others, and would have other voters drop or renew what they
// hold.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Claim } from '../../protocol/locks/claim.ts'
import { LOCK_PROTOCOL, decodeLockRequest, encodeLockAnswer } from '../../protocol/wire/lock.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { Locker } from '../cluster/locker.ts'
import { skip } from '../mount/mounted.ts'
import { Asker, besideMallory } from './voting.ts'
import type { Two } from './voting.ts'

test(
  'a voter that lies about sessions gives nobody a lock that another has',
  { skip },
  async () => {
    await using cluster = await TestCluster.start(2)
    const [admin, ben] = cluster.nodes as unknown as Two
    await admin.shoal('volume', 'set', 'main', 'locks=strong')
    await using mallory = await besideMallory(cluster, 'voter')
    const heard = new Map<string, Claim>()
    await mallory.network.handle(LOCK_PROTOCOL, async (channel) => {
      for (;;) {
        const signal = mallory.deadline()
        const frame = await channel.receive({ signal })
        if (frame === undefined) return
        const { request } = decodeLockRequest(frame)
        if (request.kind === 'claim') heard.set(channel.peer, request.claim)
        const log = mallory.volume.durableVector()
        const granted = { kind: 'granted', log } as const
        await channel.send(
          [encodeLockAnswer(request.kind === 'test' ? { kind: 'free' } : granted)],
          {
            signal,
          },
        )
      }
    })
    for (const node of [admin, ben]) {
      await mallory.dial(node)
      await node.shoal('mount', node.mountFolder)
    }
    await writeFile(join(admin.mountFolder, 'file'), '0')
    await cluster.converged()
    await using onAdmin = new Locker(admin)
    await using onBen = new Locker(ben)
    assert.equal(await onAdmin.ask('wait', 'flock', 'exclusive'), 'ok')
    const { id } = (await admin.status()).node
    await eventually('the voter that lies has heard of it', async () => heard.has(id))
    const askers = await Promise.all([admin, ben].map((node) => Asker.locks(mallory, node)))
    for (let round = 0; round < 20; round++) {
      const claim = heard.get(id)
      assert.ok(claim !== undefined)
      // The session of another, as one that gives all up, and in the future of its numbers.
      const forged = { ...claim, number: 2 ** 40 + round, locks: [], wanted: undefined }
      for (const asker of askers) await asker.askLock({ kind: 'claim', claim: forged })
      assert.equal(await onBen.ask('try', 'flock', 'exclusive'), 'EAGAIN')
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    assert.equal(await onAdmin.ask('unlock', 'flock'), 'ok')
    assert.equal(await onBen.ask('wait', 'flock', 'exclusive'), 'ok')
  },
)
