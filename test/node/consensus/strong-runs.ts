// Runs of clients over a cloud of voters, and what must be true of what they saw.
import assert from 'node:assert/strict'
import { Client } from './strong-clients.ts'
import { PEERS, callOf } from './strong-cloud.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Call, Cloud } from './strong-cloud.ts'

/** The writes that took effect, in their order. */
async function chainOf(cloud: Cloud): Promise<readonly string[]> {
  cloud.heal()
  const reader = new Client(cloud, PEERS[0] as PeerId, 'reader')
  await cloud.scheduler.finish(reader.work(20))
  const last = cloud.calls.filter(
    ({ outcome, id }) => outcome === 'done' && id.startsWith('reader'),
  )
  assert.ok(last.length > 15, 'a healed register answers')
  return cloud.pastOf(last.at(-1)?.saw ?? '').toReversed()
}

/**
 * A history of one register, in the sense of Herlihy and Wing (TOPLAS 1990): values are unique, so
 * this is enough.
 */
export function assertLinearizable(calls: readonly Call[], chain: readonly string[]): void {
  const place = new Map([['', 0], ...chain.map((id, at) => [id, at + 1] as const)])
  const writes = new Set(chain.map(callOf))
  assert.equal(writes.size, chain.length, 'a write took effect twice')
  for (const { kind, id, outcome, saw } of calls) {
    if (outcome === 'done') assert.ok(place.has(saw), `${id} saw ${saw}, which never was`)
    if (kind === 'write' && outcome === 'refused') assert.ok(!writes.has(id), `${id} was refused`)
  }
  const done = calls.filter(({ outcome }) => outcome === 'done')
  const ended = done.toSorted((a, b) => a.endMs - b.endMs)
  let at = 0
  let newest = 0
  for (const call of done.toSorted((a, b) => a.startMs - b.startMs)) {
    for (let next = ended[at]; next !== undefined && next.endMs < call.startMs; next = ended[++at])
      newest = Math.max(newest, place.get(next.saw) ?? 0)
    const mine = place.get(call.saw) ?? 0
    assert.ok(mine >= newest + (call.kind === 'write' ? 1 : 0), `${call.id} is out of date`)
  }
}

/** Clients that work, and crash. returns what they saw, and the writes that took effect. */
export async function run(
  cloud: Cloud,
): Promise<{ calls: readonly Call[]; chain: readonly string[] }> {
  const { scheduler, random, faults } = cloud
  const work: Promise<void>[] = []
  const clients = PEERS.map((peer, at) => ({
    peer,
    at,
    run: 0,
    client: undefined as Client | undefined,
  }))
  const start = (slot: (typeof clients)[number]): void => {
    slot.client?.kill()
    slot.client = new Client(cloud, slot.peer, `n${slot.at}.${slot.run++}`)
    work.push(slot.client.work(15))
  }
  clients.forEach(start)
  for (let step = 0; step < 150; step++) {
    await scheduler.run(scheduler.nowMs + 20)
    if (!random.chance(faults.crashRate)) continue
    const slot = random.pick(clients)
    cloud.crash(slot.peer)
    start(slot)
  }
  await scheduler.run()
  void work
  const calls = cloud.calls.slice()
  return { calls, chain: await chainOf(cloud) }
}
