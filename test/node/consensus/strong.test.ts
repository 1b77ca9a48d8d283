// Strong reads and writes of real volumes on simulated machines (docs/formats/strong.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { asShoalError, hasCode } from '../../../protocol/errors.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { StrongGroup } from './strong-nodes.ts'
import type { StrongNode } from './strong-nodes.ts'
import type { ShoalError } from '../../../protocol/errors.ts'

const never = new AbortController().signal

function nodesOf(group: StrongGroup): [StrongNode, StrongNode, StrongNode] {
  const [a, b, c] = group.nodes
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  return [a, b, c]
}

/** Reject within the voters' time. */
async function refused(group: StrongGroup, work: Promise<unknown>): Promise<ShoalError> {
  const end = group.finish(work.then(() => undefined, asShoalError))
  const error = await end
  assert.ok(error !== undefined, 'it was not refused')
  return error
}

describe('a strong volume', () => {
  test('lets exactly one of all nodes that create a name at once succeed', async () => {
    const group = await StrongGroup.of(1, 5)
    const ends = await group.finish(Promise.allSettled(group.nodes.map((node) => node.make('it'))))
    assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const end of ends)
      if (end.status === 'rejected') assert.ok(hasCode(end.reason, 'EEXIST'), String(end.reason))
  })

  test('a read shows what was written before it on another node', async () => {
    const group = await StrongGroup.of(2, 3)
    for (let n = 0; n < 9; n++) {
      const [writer, reader] = [group.nodes[n % 3], group.nodes[(n + 1) % 3]]
      assert.ok(writer !== undefined && reader !== undefined)
      await group.finish(writer.make(`d${n}`))
      const names = await group.finish(reader.list())
      assert.equal(names.length, n + 1)
    }
  })

  test('a write that the state forbids changes nothing, and says why', async () => {
    const group = await StrongGroup.of(3, 3)
    const [a, b] = nodesOf(group)
    await group.finish(a.make('d'))
    assert.equal((await refused(group, b.make('d'))).code, 'EEXIST')
    const { namespace } = b
    const [from, to] = [nameFromText('absent'), nameFromText('d')]
    const renamed = b.strong.write(() => namespace.rename(ROOT, from, ROOT, to), never)
    assert.equal((await refused(group, renamed)).code, 'ENOENT')
    await group.exchangeAll()
    assert.deepEqual(await a.names(), ['d'])
    assert.equal(a.volume.actors.count, b.volume.actors.count)
  })

  test('ordinary writes before a strong one are in its past everywhere', async () => {
    const group = await StrongGroup.of(4, 3)
    const [a, b, c] = nodesOf(group)
    const { namespace } = a
    const parent = namespace.makeDir(ROOT, nameFromText('plain'), {})
    await group.finish(
      a.strong.write(() => namespace.makeDir(parent, nameFromText('strong'), {}), never),
    )
    for (const node of [b, c]) {
      const found = await group.finish(
        node.strong.read(() => node.namespace.resolvePath(['plain', 'strong']), never),
      )
      assert.equal(found.kind, 'dir')
    }
  })

  test('a minority fails with NO_QUORUM and names the missing; the majority goes on', async () => {
    const group = await StrongGroup.of(5, 5)
    const [a, b, c] = nodesOf(group)
    await group.finish(a.make('before'))
    const others = group.nodes.filter((node) => node !== a && node !== b)
    group.network.partition(
      [a.peer, b.peer],
      others.map(({ peer }) => peer),
    )
    await group.scheduler.run(group.scheduler.nowMs + 2000)
    for (const call of [() => a.make('x'), () => a.list()]) {
      const error = await refused(group, call())
      assert.equal(error.code, 'NO_QUORUM')
      assert.match(error.message, /^2 of 5 voters answered/)
      for (const { name } of others) assert.match(error.message, new RegExp(`\\b${name} \\(`))
    }
    await group.finish(c.make('during'))
    group.network.heal()
    assert.deepEqual(await group.finish(a.list()), ['before', 'during'])
  })

  test('one voter that never answers delays nobody', async () => {
    const group = await StrongGroup.of(6, 3)
    const [a, b, c] = nodesOf(group)
    await group.finish(a.make('before'))
    for (const node of [a, b]) group.network.cut(c.peer, node.peer)
    const startMs = group.scheduler.nowMs
    for (let n = 0; n < 10; n++) {
      await group.finish((n % 2 === 0 ? a : b).make(`d${n}`))
      await group.finish(a.list())
    }
    assert.ok(group.scheduler.nowMs - startMs < 2000, `${group.scheduler.nowMs - startMs} ms`)
  })

  test('a write with an unknown outcome says so, is settled, and holds back claims', async () => {
    const group = await StrongGroup.of(7, 3)
    const [a, b, c] = nodesOf(group)
    await group.finish(a.make('first'))
    // The next question of a kept turn is the proposal itself: it arrives, the answers don't.
    for (const node of [b, c]) group.network.cut(node.peer, a.peer)
    const error = await refused(group, a.make('unknown'))
    assert.equal(error.code, 'timeout')
    assert.match(error.message, /outcome unknown/)
    assert.ok(a.volume.tentative.heldClaim !== undefined)
    await a.volume.commit()
    assert.deepEqual(a.volume.durableClaim(), a.volume.tentative.heldClaim)
    group.network.heal()
    await group.scheduler.run(group.scheduler.nowMs + 60_000)
    assert.equal(a.volume.tentative.heldClaim, undefined)
    const names = await group.finish(c.list())
    assert.ok(names.includes('first'))
    for (const node of [a, b]) assert.deepEqual(await group.finish(node.list()), names)
  })

  test('a chosen entry survives the node that wrote it', async () => {
    const group = await StrongGroup.of(8, 3)
    const [a, b, c] = nodesOf(group)
    await group.finish(a.make('lasting'))
    a.kill('power loss')
    assert.deepEqual(await group.finish(c.list()), ['lasting'])
    await group.scheduler.run(group.scheduler.nowMs + 60_000)
    // By itself, without a strong call.
    assert.deepEqual(await b.names(), ['lasting'])
  })
})

describe('the voters of a strong volume', () => {
  test('the voters are the creator alone, until an admin names others', async () => {
    const group = new StrongGroup(9)
    for (const role of ['admin', 'writer', 'writer', 'reader'] as const) await group.add(role)
    const [a, b, c] = nodesOf(group)
    assert.deepEqual(a.strong.voters(), [a.peer])
    await group.finish(c.make('d'))
    const reader = group.nodes[3]
    assert.ok(reader !== undefined)
    assert.deepEqual(await group.finish(reader.list()), ['d'])
    assert.equal((await refused(group, reader.make('e'))).code, 'EACCES')
    const all = [a.peer, b.peer, c.peer]
    assert.equal((await refused(group, b.strong.changeVoters(all, never))).code, 'EACCES')
    const unfit = a.strong.changeVoters([a.peer, reader.peer], never)
    assert.equal((await refused(group, unfit)).code, 'usage')
    await group.finish(a.strong.changeVoters(all, never))
    a.kill('killed')
    await group.finish(b.make('without its creator'))
    // Who votes not is told of the voters by the log.
    await group.finish(group.exchange(reader, b.peer))
    assert.deepEqual(await group.finish(reader.list()), ['d', 'without its creator'])
    assert.deepEqual(c.strong.voters(), all.toSorted())
  })

  test('voters may all be replaced, and nodes that have not heard of it are told', async () => {
    const group = await StrongGroup.of(10, 6)
    const [a, b] = nodesOf(group)
    await group.finish(a.strong.changeVoters([a.peer, b.peer], never))
    const late = group.nodes[5]
    assert.ok(late !== undefined)
    await group.finish(late.make('by the old voters'))
    const others = group.nodes.slice(2, 5)
    await group.finish(
      a.strong.changeVoters(
        others.map(({ peer }) => peer),
        never,
      ),
    )
    await group.finish(late.make('by the new voters'))
    for (const node of [a, b]) node.kill('killed')
    await group.finish(late.make('without the old ones'))
    assert.equal((await group.finish(late.list())).length, 3)
  })

  test('voters change only with a majority of the old and one of the new', async () => {
    const group = await StrongGroup.of(11, 3)
    const [a, b, c] = nodesOf(group)
    const [d, e] = [await group.add('writer'), await group.add('writer')]
    for (const node of [d, e]) node.kill('killed')
    const peers = [c, d, e].map(({ peer }) => peer)
    const error = await refused(group, a.strong.changeVoters(peers, never))
    assert.ok(hasCode(error, 'timeout'), String(error))
    for (const node of [d, e]) await group.finish(node.start())
    await group.finish(b.make('decided by whoever it is'))
    assert.deepEqual(await group.finish(d.list()), ['decided by whoever it is'])
  })

  test('voters restored from an old copy do not vote until they are named again', async () => {
    const group = await StrongGroup.of(12, 3)
    const [a, b, c] = nodesOf(group)
    await group.finish(c.make('one'))
    // As when a peer shows that it has more of this node's log than this node.
    c.volume.renewIncarnation()
    b.kill('killed')
    await group.scheduler.run(group.scheduler.nowMs + 2000)
    const error = await refused(group, a.make('two'))
    assert.equal(error.code, 'NO_QUORUM')
    assert.match(error.message, /restored from an old copy/)
    await group.finish(b.start())
    await group.finish(a.strong.changeVoters([a.peer, b.peer], never))
    await group.finish(a.strong.changeVoters([a.peer, b.peer, c.peer], never))
    b.kill('killed')
    await group.finish(a.make('two'))
  })
})

describe('strong writes are linearizable', () => {
  for (const seed of [1, 2]) {
    test(`when nodes crash and the network fails (seed ${seed})`, async () => {
      const group = await StrongGroup.of(`crash ${seed}`, 3 + 2 * (seed % 2))
      const random = new SeededRandom(seed, 'faults')
      const taken: { readonly number: number; readonly startMs: number; readonly endMs: number }[] =
        []
      let uncertainCount = 0
      /** Take the lowest number that is free, again and again. */
      const take = async (node: StrongNode, until: () => boolean): Promise<void> => {
        const { process } = node.machine
        while (process.alive && !until()) {
          await node.machine.world.clock.sleep(100 * random.number())
          const startMs = group.scheduler.nowMs
          try {
            const number = await node.strong.write(() => takeNumber(node), never)
            taken.push({ number, startMs, endMs: group.scheduler.nowMs })
          } catch (error) {
            if (hasCode(error, 'timeout')) uncertainCount++
            else assert.ok(hasCode(error, 'NO_QUORUM'), String(error))
          }
        }
      }
      const endMs = group.scheduler.nowMs + 6000
      const work = group.nodes.map((node) => take(node, () => group.scheduler.nowMs > endMs))
      while (group.scheduler.nowMs < endMs) {
        await group.scheduler.run(group.scheduler.nowMs + 200)
        await disturb(group, random, (node) => {
          work.push(take(node, () => group.scheduler.nowMs > endMs))
        })
      }
      group.network.heal()
      for (const node of group.nodes) if (!node.running) await group.finish(node.start())
      await group.scheduler.run(group.scheduler.nowMs + 60_000)
      await Promise.race([Promise.all(work), Promise.resolve()])
      const lists = []
      for (const node of group.nodes) lists.push(await group.finish(node.list()))
      for (const list of lists) assert.deepEqual(list, lists[0])
      checkNumbers(taken, lists[0]?.length ?? 0, uncertainCount)
    })
  }
})

function takeNumber(node: StrongNode): number {
  const { namespace } = node
  for (let number = 1; ; number++) {
    const name = nameFromText(String(number))
    if (namespace.lookup(ROOT, name) !== undefined) continue
    namespace.makeDir(ROOT, name, {})
    return number
  }
}

/** Crash or restart a node, cut or heal the network, or do nothing. */
async function disturb(
  group: StrongGroup,
  random: SeededRandom,
  onStart: (node: StrongNode) => void,
): Promise<void> {
  const node = random.pick(group.nodes)
  if (!node.running) {
    await group.finish(node.start())
    return onStart(node)
  }
  if (random.chance(0.25)) return node.kill(random.chance(0.5) ? 'killed' : 'power loss')
  if (random.chance(0.3)) group.network.cut(node.peer, random.pick(group.nodes).peer)
  if (random.chance(0.4)) group.network.heal()
}

/**
 * Each number once, none left out but those whose taker knows no end, and later ones to whom began
 * later.
 */
function checkNumbers(
  taken: readonly { readonly number: number; readonly startMs: number; readonly endMs: number }[],
  count: number,
  uncertainCount: number,
): void {
  assert.ok(taken.length > 30, `only ${taken.length} numbers were taken`)
  assert.equal(new Set(taken.map(({ number }) => number)).size, taken.length, 'one taken twice')
  assert.ok(Math.max(...taken.map(({ number }) => number)) <= count, 'one was lost')
  assert.ok(count <= taken.length + uncertainCount + 20, 'more than were asked for')
  for (const a of taken) {
    for (const b of taken)
      assert.ok(a.endMs >= b.startMs || a.number < b.number, `${b.number} came after ${a.number}`)
  }
}
