// Locks between nodes on a simulated network: whatever fails, no two nodes hold conflicting locks,
// and a node that gets a lock has the data written under it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LockClaims } from '../../../node/consensus/lock-claims.ts'
import { LockProtocol } from '../../../node/consensus/voter-protocol.ts'
import { dominates } from '../../../protocol/clock/vector-clock.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { LEASE_MS } from '../../../protocol/locks/claim.ts'
import { LOCK_END, inTheWay } from '../../../protocol/locks/held-locks.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { StrongGroup } from './strong-nodes.ts'
import type { StrongNode } from './strong-nodes.ts'
import type { VersionVector } from '../../../protocol/clock/vector-clock.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { FileLocks } from '../../../protocol/locks/claim.ts'
import type { LockKind } from '../../../protocol/locks/held-locks.ts'

const FILE = '0f'.repeat(16) as NodeId
const { signal } = new AbortController()
const ALL = held([0, LOCK_END, 'exclusive'])
const NOTHING: FileLocks = { ...ALL, held: [] }

/** The locks of one node, through all its runs. */
class LockNode {
  readonly node: StrongNode
  readonly #group: StrongGroup
  #claims: LockClaims | undefined
  lostCount = 0

  constructor(group: StrongGroup, node: StrongNode) {
    this.#group = group
    this.node = node
  }

  get claims(): LockClaims {
    if (this.#claims === undefined) throw new ShoalError('stopped', 'it does not run')
    return this.#claims
  }

  async start(): Promise<void> {
    const { node } = this
    const { world } = node.machine
    const protocol = new LockProtocol({
      world,
      answer: async (_volume, from, request) => this.claims.answer(request, from),
    })
    this.#claims = new LockClaims({
      world,
      volume: node.volume,
      strong: node.strong,
      ask: (peer, request, within) => protocol.ask(node.volume.id, peer, request, within),
      sync: (peer) => this.#group.exchange(node, peer),
      waitFor: (seen) => this.#waitFor(seen),
      log: () => undefined,
    })
    this.#claims.onLost(() => this.lostCount++)
    await protocol.start()
  }

  kill(): void {
    this.node.kill('killed')
    this.#claims = undefined
  }

  /** Does it have this, for sure? */
  has(locks: FileLocks): boolean {
    return this.#claims?.holds(locks) ?? false
  }

  /** Wait until it has all of the file. */
  async take(): Promise<void> {
    while (!(await this.claims.claim(ALL, true, signal)))
      await this.node.machine.world.clock.sleep(20)
  }

  async #waitFor(seen: VersionVector): Promise<void> {
    for (const { peer } of this.#group.nodes) {
      if (dominates(this.node.volume.actors.vector(), seen)) return
      await this.#group.exchange(this.node, peer).catch(() => undefined)
    }
    if (!dominates(this.node.volume.actors.vector(), seen))
      throw new ShoalError('ESTALE', 'it cannot be had')
  }
}

async function locking(
  seed: string,
  count: number,
): Promise<{ group: StrongGroup; nodes: readonly LockNode[] }> {
  const group = await StrongGroup.of(seed, count)
  const nodes = group.nodes.map((node) => new LockNode(group, node))
  for (const node of nodes) await group.finish(node.start())
  return { group, nodes }
}

describe('locks between nodes', () => {
  test('locks are granted after a lease has passed, exclude others, can be passed on', async () => {
    const { group, nodes } = await locking('one', 3)
    const [a, b] = nodes as [LockNode, LockNode]
    const startedMs = group.scheduler.nowMs
    assert.equal(await group.finish(a.claims.claim(ALL, false, signal)), true)
    assert.ok(group.scheduler.nowMs - startedMs >= LEASE_MS - 100)
    assert.equal(await group.finish(b.claims.claim(held([3, 4, 'shared']), false, signal)), false)
    assert.deepEqual(await group.finish(b.claims.test(held([3, 4, 'shared']))), ALL.held[0])
    await group.scheduler.run(group.scheduler.nowMs + 10 * LEASE_MS)
    assert.ok(a.has(ALL))
    await group.finish(a.claims.giveUp(held([0, 10, 'exclusive'])))
    assert.equal(
      await group.finish(b.claims.claim(held([10, 20, 'exclusive']), false, signal)),
      true,
    )
    assert.equal(
      await group.finish(b.claims.claim(held([5, 20, 'exclusive']), false, signal)),
      false,
    )
    assert.ok(b.has(held([10, 20, 'exclusive'])) && !b.has(held([5, 20, 'exclusive'])))
    assert.equal(await group.finish(b.claims.test(held([20, 30, 'exclusive']))), undefined)
  })

  test('locks of a killed node go to another within a lease', async () => {
    const { group, nodes } = await locking('killed', 3)
    const [a, b] = nodes as [LockNode, LockNode]
    await group.finish(a.take())
    await group.scheduler.run(group.scheduler.nowMs + LEASE_MS)
    const killedMs = group.scheduler.nowMs
    a.kill()
    await group.finish(b.take())
    assert.ok(group.scheduler.nowMs - killedMs <= LEASE_MS + 1000)
  })

  test('locks of a cut-off node are lost before another gets them, and it gets none', async () => {
    const { group, nodes } = await locking('cut', 3)
    const [a, b, c] = nodes as [LockNode, LockNode, LockNode]
    await group.finish(a.take())
    group.network.partition([a.node.peer], [b.node.peer, c.node.peer])
    const taken = b.take()
    let isTaken = false
    void taken.then(() => (isTaken = true))
    while (a.has(ALL)) {
      assert.ok(!isTaken)
      assert.ok(await group.scheduler.step())
    }
    assert.equal(a.lostCount, 1)
    await group.finish(taken)
    await assert.rejects(group.finish(a.claims.claim(ALL, false, signal)), { code: 'ENOLCK' })
    group.network.heal()
    // What was asked while it was cut off has failed by then.
    await group.scheduler.run(group.scheduler.nowMs + 3000)
    await group.finish(b.claims.giveUp(NOTHING))
    await group.finish(a.take())
  })

  test('locks are lost when the voters change, before the new voters grant them', async () => {
    const { group, nodes } = await locking('voters', 5)
    const [a, b] = nodes as [LockNode, LockNode]
    const peers = group.nodes.map(({ peer }) => peer)
    await group.finish(group.nodes[0]?.strong.changeVoters(peers.slice(0, 3), signal) ?? never())
    await group.finish(a.take())
    await group.finish(group.nodes[0]?.strong.changeVoters(peers.slice(2), signal) ?? never())
    await group.exchangeAll()
    let isTaken = false
    const taken = b.take().then(() => (isTaken = true))
    while (a.has(ALL)) {
      assert.ok(!isTaken)
      assert.ok(await group.scheduler.step())
    }
    await group.finish(taken)
  })

  for (const seed of [1, 2, 3]) {
    test(`locks exclude each other while nodes and the network fail (seed ${seed})`, async () => {
      const { group, nodes } = await locking(`faults ${seed}`, 3 + 2 * (seed % 2))
      const random = new SeededRandom(seed, 'faults')
      const world = new Trial(group, nodes, random)
      for (const node of nodes) void world.work(node)
      while (group.scheduler.nowMs < world.untilMs) {
        await group.scheduler.run(group.scheduler.nowMs + 4000 * random.number())
        await world.fail()
      }
      group.network.heal()
      for (const { node } of nodes) if (!node.running) await world.restart(node)
      await group.scheduler.run(group.scheduler.nowMs + 20_000)
      assert.ok(world.takenCount > 10, `${world.takenCount} taken`)
      for (const node of nodes) {
        await group.finish(node.take())
        await world.check(node)
        await group.finish(node.claims.giveUp(NOTHING))
      }
    })
  }
})

/** Nodes that lock a file, write under the lock, and give it up. */
class Trial {
  readonly #group: StrongGroup
  readonly #nodes: readonly LockNode[]
  readonly #random: SeededRandom
  /** Names that were written under locks that were then given up. */
  readonly #settled = new Set<string>()
  readonly untilMs: number
  takenCount = 0

  constructor(group: StrongGroup, nodes: readonly LockNode[], random: SeededRandom) {
    this.#group = group
    this.#nodes = nodes
    this.#random = random
    this.untilMs = group.scheduler.nowMs + 60_000
  }

  /** Ends, with whatever its node waits for, when that is killed; restart() begins anew. */
  async work(node: LockNode): Promise<void> {
    while (this.#group.scheduler.nowMs < this.untilMs) {
      const { clock } = node.node.machine.world
      await clock.sleep(500 * this.#random.number())
      try {
        await this.#turn(node)
      } catch (error) {
        if (!hasCode(error, 'ENOLCK') && !hasCode(error, 'stopped')) throw error
      }
    }
  }

  async #turn(node: LockNode): Promise<void> {
    const { clock } = node.node.machine.world
    const isAll = this.#random.chance(0.5)
    const start = Math.floor(10 * this.#random.number())
    const kind = this.#random.chance(0.5) ? 'shared' : 'exclusive'
    const wanted = isAll ? ALL : held([start, start + 5, kind])
    if (!(await node.claims.claim(wanted, true, signal))) return
    if (!node.has(wanted)) return
    this.takenCount++
    this.#checkAlone(node, wanted)
    if (isAll) await this.check(node)
    const lost = node.lostCount
    const name = `n${this.takenCount}`
    if (isAll && node.has(ALL)) node.node.namespace.makeDir(ROOT, nameFromText(name), {})
    await clock.sleep(2000 * this.#random.number() ** 3)
    if (node.has(wanted)) this.#checkAlone(node, wanted)
    await node.claims.giveUp({ ...wanted, held: [] })
    if (isAll && !node.has(wanted) && node.lostCount === lost) this.#settled.add(name)
  }

  /** Nobody else has what excludes it. */
  #checkAlone(node: LockNode, wanted: FileLocks): void {
    for (const other of this.#nodes) {
      if (other === node || !other.node.running) continue
      for (const theirs of [ALL, held([0, 15, 'exclusive'])]) {
        if (other.has(theirs)) assert.equal(inTheWay(theirs.held, wanted.held), undefined)
      }
      for (let at = 0; at < 15; at++) {
        const byte = held([at, at + 1, 'exclusive'])
        if (other.has(byte)) assert.equal(inTheWay(byte.held, wanted.held), undefined)
      }
    }
  }

  /** It sees what was written under the lock. */
  async check({ node }: LockNode): Promise<void> {
    const settled = [...this.#settled]
    const names = new Set(await node.names())
    for (const name of settled) assert.ok(names.has(name), `${node.name} lacks ${name}`)
  }

  async fail(): Promise<void> {
    const { network, nodes } = this.#group
    const node = this.#random.pick(this.#nodes)
    if (!node.node.running) return this.restart(node.node)
    const up = nodes.filter(({ running }) => running).length
    if (this.#random.chance(0.2) && up > nodes.length / 2 + 1) node.kill()
    else if (this.#random.chance(0.3)) network.cut(node.node.peer, this.#random.pick(nodes).peer)
    else if (this.#random.chance(0.6)) network.heal()
  }

  async restart(node: StrongNode): Promise<void> {
    await this.#group.finish(node.start())
    const found = this.#nodes.find((one) => one.node === node) ?? never()
    await this.#group.finish(found.start())
    void this.work(found)
  }
}

function held([start, end, kind]: readonly [number, number, LockKind]): FileLocks {
  return { file: FILE, family: 'fcntl', held: [{ start, end, kind }] }
}

function never(): never {
  throw new Error('no such node')
}
