// Sessions that move between nodes: read your writes, monotonic reads, writes follow reads (Terry
// et al. 1994), on simulated machines. The same steps without tokens break them, so the steps can
// show a fault.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { namesIn, put, textOf, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { FileCallOptions } from '../../../node/control/files.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { Members } from './members.ts'

const SEEDS = [1, 2]
const STEPS = 40

/** Whoever asks one node after the other, with what it has seen. */
class Traveller {
  readonly #random: SeededRandom
  readonly #nodes: readonly ClusterNode[]
  readonly #keeps: boolean
  #token: string | undefined
  /** Calls that no node could answer in time. */
  staleCount = 0

  constructor({ nodes }: Members, random: SeededRandom, keeps: boolean) {
    this.#nodes = nodes
    this.#random = random
    this.#keeps = keeps
  }

  /** Ask any node; another one if that lacks what was seen. */
  async ask<Answer>(
    question: (api: NodeApi, options: FileCallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const options: FileCallOptions = this.#keeps
      ? {
          consistency: 'read-own',
          session: this.#token,
          onSession: (token) => (this.#token = token),
        }
      : {}
    for (;;) {
      const node = this.#nodes[Math.floor(this.#random.number() * this.#nodes.length)]
      try {
        if (node !== undefined) return await node.ask((api) => question(api, options))
      } catch (error) {
        if (!hasCode(error, 'ESTALE')) throw error
        this.staleCount++
      }
    }
  }
}

interface Broken {
  ownWrites: number
  backwards: number
  unfounded: number
  stale: number
}

/**
 * One writes a growing number and reads it. Another reads it too, and writes beside it the number
 * it saw. A third looks at both. All on any node at any time, while the network is cut now and
 * then.
 */
async function travel(members: Members, seed: number, keeps: boolean): Promise<Broken> {
  const random = new SeededRandom(seed, 'travel')
  const traveller = (): Traveller => new Traveller(members, random, keeps)
  const [writer, reader, looker] = [traveller(), traveller(), traveller()]
  const broken: Broken = { ownWrites: 0, backwards: 0, unfounded: 0, stale: 0 }
  await writer.ask((api, options) => put(api, '/number', '0', options))
  await members.clock.sleep(5 * SECOND_MS)
  let before = 0
  for (let step = 1; step <= STEPS; step++) {
    await disturb(members, random)
    await writer.ask((api, options) => put(api, '/number', String(step), options))
    const own = Number(await writer.ask((api, options) => textOf(api, '/number', options)))
    if (own < step) broken.ownWrites++
    const seen = Number(await reader.ask((api, options) => textOf(api, '/number', options)))
    if (seen < before) broken.backwards++
    before = seen
    await reader.ask((api, options) => put(api, `/saw ${seen}`, '', options))
    const names = await looker.ask((api, options) => namesIn(api, '/', options))
    const told = names.map((name) => Number(/^saw (\d+)$/.exec(name)?.[1] ?? 0))
    const now = Number(await looker.ask((api, options) => textOf(api, '/number', options)))
    if (now < Math.max(...told)) broken.unfounded++
  }
  broken.stale = writer.staleCount + reader.staleCount + looker.staleCount
  members.network.heal()
  return broken
}

async function disturb({ nodes, network, clock }: Members, random: SeededRandom): Promise<void> {
  const chance = random.number()
  const [one, other] = [nodes[0], nodes[1 + Math.floor(random.number() * (nodes.length - 1))]]
  if (chance < 0.05 && other !== undefined) network.partition([one.peer], [other.peer])
  else if (chance < 0.15) network.heal()
  else if (chance < 0.3) await clock.sleep(random.number() * SECOND_MS)
}

describe('a session that moves between nodes', { concurrency: false }, () => {
  for (const seed of SEEDS) {
    test(`sees its own writes and never an older state (seed ${seed})`, async () => {
      await withMembers(4, seed, async (members) => {
        const { stale, ...broken } = await travel(members, seed, true)
        assert.deepEqual(broken, { ownWrites: 0, backwards: 0, unfounded: 0 }, `seed ${seed}`)
        assert.ok(stale < STEPS)
      })
    })
  }

  test('a session without its tokens does not, as the same steps show', async () => {
    const sum: Broken = { ownWrites: 0, backwards: 0, unfounded: 0, stale: 0 }
    for (const seed of SEEDS) {
      await withMembers(4, seed, async (members) => {
        const broken = await travel(members, seed, false)
        for (const kind of ['ownWrites', 'backwards', 'unfounded'] as const)
          sum[kind] += broken[kind]
      })
    }
    assert.ok(sum.ownWrites > 0 && sum.backwards > 0 && sum.unfounded > 0, JSON.stringify(sum))
  })

  test('waits for what it has seen, and is told which writers are missing', async () => {
    await withMembers(3, 7, async ({ nodes: [a, b, c], network, clock }, scheduler) => {
      network.partition([b.peer], [a.peer, c.peer])
      await clock.sleep(60 * SECOND_MS)
      let session = ''
      const onSession = (token: string): void => void (session = token)
      await b.ask((api) => put(api, '/by b', 'x', { onSession }))
      const startMs = scheduler.nowMs
      const refused = a.ask((api) => api.stat('/by b', { session }))
      await assert.rejects(refused, { code: 'ESTALE', message: /missing: writes of n1; see/ })
      assert.ok(scheduler.nowMs - startMs < 11 * SECOND_MS)
      await assert.rejects(
        a.ask((api) => api.stat('/by b', { session, consistency: 'eventual' })),
        { code: 'ENOENT' },
      )
      const waiting = a.ask((api) => api.stat('/by b', { session }))
      await clock.sleep(SECOND_MS)
      network.heal()
      await b.ask((api) => api.addPeer(network.addressesOf(a.peer)[0] ?? ''))
      assert.equal((await waiting).name, 'by b')
    })
  })

  test('rejects at once a token that is invalid, or of another volume', async () => {
    await withMembers(3, 8, async ({ nodes: [a] }) => {
      let session = ''
      const onSession = (token: string): void => void (session = token)
      await a.ask((api) => api.createVolume({ name: 'other' }))
      await a.ask((api) => put(api, 'other:/x', 'x', { onSession }))
      const stat = (token: string): Promise<unknown> =>
        a.ask((api) => api.stat('/', { session: token }))
      await assert.rejects(stat(session), { code: 'usage', message: /belongs to another volume/ })
      await assert.rejects(stat('shoals1aa'), { code: 'usage', message: /not a session token/ })
      await a.ask((api) => api.stat('other:/x', { session }))
    })
  })

  test('has a token of one entry in the end, however many nodes have written', async () => {
    await withMembers(5, 9, async ({ nodes, clock }) => {
      for (const node of nodes) await node.ask((api) => put(api, `/by ${node.name}`, 'x'))
      await clock.sleep(10 * SECOND_MS)
      let session = ''
      const onSession = (token: string): void => void (session = token)
      await nodes[0].ask((api) => put(api, '/after all', 'x', { onSession }))
      assert.ok(session.length < 100, session)
    })
  })
})
