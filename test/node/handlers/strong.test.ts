// A strong volume as its owners see it: what the calls promise, which are refused, and how it is
// configured.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { namesIn, put, textOf, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { Members } from './members.ts'

const ROUNDS = 50
const ROUNDS_OF_WRITES = 10

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

/** All who are connected know of it when this returns. */
async function makeStrong({ nodes: [founder] }: Members): Promise<void> {
  await founder.ask((api) => api.setVolume('main', { consistency: 'strong' }))
}

/** How many of these calls, all at once, succeeded; the others may fail with this code. */
async function successes(
  calls: readonly Promise<unknown>[],
  code: 'EEXIST' | 'precondition',
): Promise<number> {
  const done = await Promise.allSettled(calls)
  for (const one of done)
    if (one.status === 'rejected' && !hasCode(one.reason, code)) throw one.reason
  return done.filter(({ status }) => status === 'fulfilled').length
}

function onAll<Answer>(
  nodes: readonly ClusterNode[],
  question: (api: NodeApi) => Promise<Answer>,
): Promise<Answer>[] {
  return nodes.map((node) => node.ask(question))
}

describe('a strong volume', { concurrency: false }, () => {
  test('gives a name to exactly one of the nodes that make it at once', async () => {
    await withMembers(3, 1, async (members) => {
      await makeStrong(members)
      for (let round = 0; round < ROUNDS; round++) {
        const makers = onAll(members.nodes, (api) => api.makeFolder(`/lock ${round}`))
        assert.equal(await successes(makers, 'EEXIST'), 1, `round ${round}`)
      }
    })
  })

  test('replaces a content on condition once, whichever of the nodes ask at once', async () => {
    await withMembers(3, 1, async (members) => {
      await makeStrong(members)
      await members.nodes[0].ask((api) => put(api, '/count', '0'))
      for (let round = 1; round <= ROUNDS_OF_WRITES; round++) {
        const { tag } = await members.nodes[0].ask((api) => api.stat('/count'))
        const writers = onAll(members.nodes, (api) =>
          api.writeFile('/count', bytesOf(`${round}`), {}, { ifTag: tag }),
        )
        assert.equal(await successes(writers, 'precondition'), 1, `round ${round}`)
        assert.equal(await members.nodes[1].ask((api) => textOf(api, '/count')), `${round}`)
      }
      const makers = onAll(members.nodes, (api) =>
        api.writeFile('/new', bytesOf('x'), {}, { ifTag: '' }),
      )
      assert.equal(await successes(makers, 'precondition'), 1)
    })
  })

  test('an eventual volume gives a name to every node that makes it at once', async () => {
    await withMembers(3, 2, async (members) => {
      const makers = onAll(members.nodes, (api) => api.makeFolder('/lock'))
      assert.equal(await successes(makers, 'EEXIST'), 3)
    })
  })

  test('shows every write on all nodes at once, and never a conflict', async () => {
    await withMembers(3, 3, async (members) => {
      await makeStrong(members)
      const { nodes } = members
      for (let round = 0; round < 10; round++) {
        await Promise.all(
          nodes.map((node) => node.ask((api) => put(api, '/file', `${node.name} ${round}`))),
        )
        const texts = await Promise.all(onAll(nodes, (api) => textOf(api, '/file')))
        assert.equal(new Set(texts).size, 1)
        assert.match(texts[0] ?? '', new RegExp(` ${round}$`))
      }
      await nodes[1].ask((api) => api.makeFolder('/a/b', { parents: true }))
      await nodes[2].ask((api) => put(api, '/a/b/deep', 'x'))
      await nodes[0].ask((api) => api.move('/a/b/deep', '/moved'))
      await nodes[1].ask((api) => api.setAttributes('/moved', { mode: 0o600 }))
      assert.equal((await nodes[2].ask((api) => api.stat('/moved'))).mode, 0o600)
      await nodes[0].ask((api) => api.remove('/a', { recursive: true }))
      assert.deepEqual(await nodes[1].ask((api) => namesIn(api, '/')), ['file', 'moved'])
      const [status] = await nodes[2].ask((api) => api.listVolumes())
      assert.equal(status?.conflicts, 0)
    })
  })

  test('can be read with eventual consistency, but not written', async () => {
    await withMembers(3, 4, async (members) => {
      await makeStrong(members)
      const [a] = members.nodes
      await a.ask((api) => put(api, '/file', 'x'))
      for (const consistency of ['eventual', 'read-own'] as const) {
        await a.ask((api) => api.stat('/file', { consistency }))
        await assert.rejects(
          a.ask((api) => put(api, '/file', 'y', { consistency })),
          { code: 'EPERM', message: /omit --consistency/ },
        )
      }
      assert.equal(await a.ask((api) => textOf(api, '/file')), 'x')
    })
  })

  test('refuses in a minority, names the missing, and loses nothing of the majority', async () => {
    await withMembers(3, 5, async (members) => {
      await makeStrong(members)
      const { nodes, network, clock } = members
      const [a, b, c] = nodes
      network.partition([a.peer], [b.peer, c.peer])
      await clock.sleep(MINUTE_MS)
      const missing = '^1 of 3 .*; missing: n1 \\(no answer\\), n2 \\(no answer\\); '
      await assert.rejects(
        a.ask((api) => put(api, '/file', 'of the minority')),
        { code: 'NO_QUORUM', message: new RegExp(`${missing}nothing was written; try again`) },
      )
      await assert.rejects(
        a.ask((api) => api.stat('/')),
        { code: 'NO_QUORUM', message: new RegExp(`${missing}to read .* --consistency eventual$`) },
      )
      await a.ask((api) => api.stat('/', { consistency: 'eventual' }))
      await b.ask((api) => put(api, '/file', 'of the majority'))
      network.heal()
      await clock.sleep(2 * MINUTE_MS)
      assert.equal(await a.ask((api) => textOf(api, '/file')), 'of the majority')
    })
  })

  test('has the voters that were set, and shows them by name', async () => {
    await withMembers(4, 6, async (members) => {
      const { nodes, network, clock } = members
      const [a, b, c, d] = nodes as unknown as readonly [
        ClusterNode,
        ClusterNode,
        ClusterNode,
        ClusterNode,
      ]
      await makeStrong(members)
      const info = await b.ask((api) => api.volumeInfo('main'))
      assert.equal(info.settings['consistency'], 'strong')
      assert.deepEqual(info.settings['voters']?.split(',').sort(), ['n0', 'n1', 'n2', 'n3'])
      const named = await a.ask((api) => api.setVolume('main', { voters: `n1,${c.peer},n3` }))
      assert.deepEqual(named.settings['voters']?.split(',').sort(), ['n1', 'n2', 'n3'])
      network.partition([d.peer], [a.peer, b.peer, c.peer])
      await clock.sleep(MINUTE_MS)
      await a.ask((api) => put(api, '/file', 'x'))
      for (const wrong of ['n1,nobody', 'n1,,n2', '']) {
        await assert.rejects(
          a.ask((api) => api.setVolume('main', { voters: wrong })),
          { code: 'usage' },
          wrong,
        )
      }
      await assert.rejects(
        a.ask((api) => api.setVolume('main', { voters: 'n0', consistency: 'often' })),
        { code: 'usage' },
      )
      const after = await a.ask((api) => api.volumeInfo('main'))
      assert.deepEqual(after.settings, named.settings)
    })
  })

  test('drops the vote of a removed member, or says what to do without a majority', async () => {
    await withMembers(4, 8, async (members) => {
      const { nodes, network, clock } = members
      const [a, b, c] = nodes
      const votersNow = async (): Promise<readonly string[]> =>
        (await a.ask((api) => api.volumeInfo('main'))).settings['voters']?.split(',').sort() ?? []
      await makeStrong(members)
      network.partition([c.peer], [a.peer, b.peer])
      await clock.sleep(MINUTE_MS)
      await a.ask((api) => api.removePeer('n2'))
      assert.deepEqual(await votersNow(), ['n0', 'n1', 'n3'])
      await a.ask((api) => put(api, '/file', 'x'))
      network.partition([a.peer], [b.peer, c.peer, nodes[3]?.peer ?? a.peer])
      await clock.sleep(MINUTE_MS)
      await assert.rejects(
        a.ask((api) => api.removePeer('n1')),
        { code: 'NO_QUORUM', message: /n1 is no longer a member.*shoal volume set main voters=/ },
      )
      assert.equal((await a.ask((api) => api.volumeInfo('main'))).members.length, 2)
      network.heal()
      await clock.sleep(MINUTE_MS)
      await a.ask((api) => api.setVolume('main', { voters: 'n0,n3' }))
      await a.ask((api) => put(api, '/file', 'y'))
    })
  })

  test('works with a session: a strong write is read on any node with its token', async () => {
    await withMembers(3, 7, async (members) => {
      await makeStrong(members)
      const [a, b] = members.nodes
      for (let round = 0; round < 10; round++) {
        let session = ''
        const onSession = (token: string): void => void (session = token)
        await a.ask((api) => put(api, `/file ${round}`, 'x', { onSession }))
        const options = { consistency: 'read-own', session } as const
        await b.ask((api) => api.stat(`/file ${round}`, options))
      }
    })
  })
})
