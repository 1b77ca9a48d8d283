// The number of actors in a log is bounded, and no one member can use it up
// (docs/formats/log.md#actors).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeVector, encodeVector } from '../../../protocol/clock/vector-clock.ts'
import { ACTORS_MAX, ACTORS_OF_ONE_MAX } from '../../../protocol/limits.ts'
import { Inbox } from '../../../node/log/inbox.ts'
import { Replica, firstEntryOf, send } from '../log/replicas.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { ShoalError } from '../../../protocol/errors.ts'

/** First entries of so many incarnations of a member. */
function incarnations(of: Replica, count: number): Entry[] {
  const { actors, actor: own } = of.volume
  const deps = actors.dependenciesFor('' as ActorId).filter(({ actor }) => actor !== own)
  return Array.from({ length: count }, (_, n) =>
    firstEntryOf(of, Buffer.from(String(n).padStart(16, '0')), deps),
  )
}

function take(replica: Replica, entries: readonly Entry[]): ShoalError[] {
  const refused: ShoalError[] = []
  const inbox = new Inbox({ volume: replica.volume, clock: replica.clock })
  inbox.takeAll(entries, (error) => refused.push(error))
  inbox.stop()
  return refused
}

describe('a volume with very many actors', () => {
  test('a volume takes a bounded number of actors from a member; others write on', async () => {
    const admin = await Replica.founder('admin')
    const bad = await admin.member('bad', 'reader')
    await bad.volumes.describeSelf(bad.volume)
    const entries = incarnations(bad, ACTORS_OF_ONE_MAX + 5)
    const refused = take(admin, entries)
    assert.deepEqual(
      refused.map(({ code }) => code),
      Array.from({ length: 5 }, () => 'ENOSPC'),
    )
    assert.match(refused[0]?.message ?? '', new RegExp(`shoal peer rm.*${bad.identity.peer}`))
    admin.write('f', 'x')
    await admin.volume.commit()
    const other = await admin.member('other')
    other.write('g', 'x')
    await send(other, admin)
    assert.deepEqual(await admin.names(), ['f', 'g'])
    const again = await admin.reopen()
    assert.deepEqual(await again.names(), ['f', 'g'])
    assert.equal(take(again, entries.slice(-6)).length, 5)
  })

  test('a volume has at most as many actors as a vector names, and can be reopened', async () => {
    const admin = await Replica.founder('admin')
    const members: Replica[] = []
    for (let n = 0; n * ACTORS_OF_ONE_MAX < ACTORS_MAX; n++)
      members.push(await admin.member(`bad ${n}`, 'reader'))
    const refused: ShoalError[] = []
    for (const member of members) {
      await member.volumes.describeSelf(member.volume)
      refused.push(...take(admin, incarnations(member, ACTORS_OF_ONE_MAX)))
    }
    assert.equal(admin.volume.actors.count, ACTORS_MAX)
    assert.ok(refused.length > 0 && refused.every(({ code }) => code === 'ENOSPC'))
    // Who wrote before goes on; a new incarnation would be one too many.
    admin.write('f', 'x')
    await admin.volume.commit()
    const again = await admin.reopen()
    assert.deepEqual(await again.names(), ['f'])
    decodeVector(encodeVector(again.volume.durableVector()))
    again.volume.renewIncarnation()
    assert.throws(() => again.write('g', 'x'), { code: 'ENOSPC' })
    assert.throws(() => again.volume.merge(), { code: 'ENOSPC' })
  })
})
