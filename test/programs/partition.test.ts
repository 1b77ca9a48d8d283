// Real partitions: four nodes, each a machine with a network of its own, and a router that stops to
// forward without telling anyone. Both sides go on writing, at the same names; when it forwards
// again they find each other by themselves, and all four have one tree, with all that was
// acknowledged in it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { TestNetwork, whyNoNamespaces } from '../cluster/netns.ts'
import { assertSameTree, digestTree } from '../cluster/trees.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { Machine } from '../cluster/netns.ts'
import type { TreeDigest } from '../cluster/trees.ts'
import { needAll } from './need.ts'

needAll(whyNoNamespaces())

type Four<Item> = readonly [Item, Item, Item, Item]

const BIG_BYTES = 300_000

test(
  'nodes that were cut from each other, both ways or one, end with one tree and all that was written',
  { timeout: 180_000 },
  async (t) => {
    await using network = await TestNetwork.start(4)
    await using cluster = await TestCluster.create()
    const machines = network.machines as unknown as Four<Machine>
    const [a, b, c, d] = await startNodes(cluster, machines)
    const halves = pairsBetween(machines.slice(0, 2), machines.slice(2))

    await t.test('before: one volume, some files and folders', async () => {
      await put(a, '/shared.txt', 'as it was')
      await put(a, '/removed.txt', 'as it was')
      await put(a, '/renamed.txt', 'renamed by both')
      for (const name of ['/A', '/B', '/emptied']) await a.shoal('mkdir', name)
      await put(b, '/A/in A.txt', 'in A')
      await put(b, '/B/in B.txt', 'in B')
      await cluster.converged()
    })

    await t.test('cut in two halves: both write, and each takes the other for away', async () => {
      for (const [one, other] of halves) network.drop(one, other)
      for (const [one, other] of halves) network.drop(other, one)
      const onTheLeft = async (): Promise<void> => {
        await put(a, '/shared.txt', 'shared, written on the left')
        await put(a, '/new.txt', 'new on the left')
        await a.shoal('mkdir', '/folder')
        await put(a, '/folder/left.txt', 'in a new folder on the left')
        await a.shoal('mv', '/A', '/B')
        await put(b, '/removed.txt', 'saved by a write')
        await b.shoal('mv', '/renamed.txt', '/renamed on the left.txt')
        await b.shoal('rm', '-r', '/emptied')
        await put(b, '/big, left', 'l'.repeat(BIG_BYTES), 0o600)
      }
      const onTheRight = async (): Promise<void> => {
        await put(c, '/shared.txt', 'shared, written on the right')
        await put(c, '/new.txt', 'new on the right')
        await c.shoal('mkdir', '/folder')
        await put(c, '/folder/right.txt', 'in a new folder on the right')
        await c.shoal('mv', '/B', '/A')
        await d.shoal('rm', '/removed.txt')
        await d.shoal('mv', '/renamed.txt', '/renamed on the right.txt')
        await put(d, '/emptied/kept.txt', 'put into a folder that is removed')
        await put(d, '/big, right', 'r'.repeat(BIG_BYTES), 0o755)
      }
      await Promise.all([onTheLeft(), onTheRight()])
      assert.doesNotMatch(await a.shoal('ls', '/'), /right/)
      assert.doesNotMatch(await c.shoal('ls', '/'), /left/)
      await eventually('each half takes the other for away', async () => {
        const seen = await Promise.all([awayOf(a), awayOf(b), awayOf(c), awayOf(d)])
        return seen.join(' | ') === 'n3 n4 | n3 n4 | n1 n2 | n1 n2'
      })
    })

    await t.test('healed: they find each other by themselves and have one tree', async () => {
      for (const [one, other] of halves) network.pass(one, other)
      for (const [one, other] of halves) network.pass(other, one)
      await cluster.connected()
      await cluster.converged()
      const tree = await oneTree(cluster)
      assertHolds(tree, [
        ['both writes of one file', /^shared.*txt$/, 'shared, written on the left'],
        ['both writes of one file', /^shared.*txt$/, 'shared, written on the right'],
        ['both files of one name', /^new.*txt$/, 'new on the left'],
        ['both files of one name', /^new.*txt$/, 'new on the right'],
        ['one folder with both contents', /^folder\/left.txt$/, 'in a new folder on the left'],
        ['one folder with both contents', /^folder\/right.txt$/, 'in a new folder on the right'],
        ['a write that wins over a delete', /^removed.txt$/, 'saved by a write'],
        ['a file renamed by both', /^renamed on the (left|right).txt$/, 'renamed by both'],
        [
          'a folder saved by its new child',
          /^emptied\/kept.txt$/,
          'put into a folder that is removed',
        ],
        ['one of two moves into each other', /^(A|B\/A)\/in A.txt$/, 'in A'],
        ['one of two moves into each other', /^(B|A\/B)\/in B.txt$/, 'in B'],
      ])
      assert.match(tree.get('big, left') ?? '', new RegExp(`^file 600 .*${BIG_BYTES} `))
      assert.match(tree.get('big, right') ?? '', new RegExp(`^file 755 .*${BIG_BYTES} `))
      assert.equal([...tree.keys()].filter((path) => path.startsWith('renamed')).length, 1)
    })

    await t.test('a path that fails one way between two keeps nobody from the rest', async () => {
      network.drop(machines[0], machines[2])
      await Promise.all([
        put(a, '/shared.txt', 'by who is not heard'),
        put(c, '/by who does not hear.txt', 'by who does not hear'),
      ])
      await cluster.converged()
      assertHolds(await oneTree(cluster), [
        ['a write by who is not heard', /^shared.*txt$/, 'by who is not heard'],
        ['a write by who does not hear', /^by who.*txt$/, 'by who does not hear'],
      ])
      network.pass(machines[0], machines[2])
    })

    await t.test('a half that is not heard by the other: healed, all have one tree', async () => {
      for (const [one, other] of halves) network.drop(one, other)
      const text = ['by a half that is not heard', 'by a half that does not hear'] as const
      await Promise.all([put(b, '/not heard.txt', text[0]), put(d, '/does not hear.txt', text[1])])
      assert.doesNotMatch(await d.shoal('ls', '/'), /not heard/)
      for (const [one, other] of halves) network.pass(one, other)
      await cluster.connected()
      await cluster.converged()
      assertHolds(await oneTree(cluster), [
        ['a write by a half that is not heard', /^not heard.txt$/, text[0]],
        ['a write by a half that does not hear', /^does not hear.txt$/, text[1]],
      ])
    })
  },
)

async function startNodes(cluster: TestCluster, machines: Four<Machine>): Promise<Four<TestNode>> {
  const nodes = machines.map((machine, at) => cluster.node(`n${at + 1}`, machine))
  const [first, ...others] = nodes as [TestNode, ...TestNode[]]
  await first.start()
  const ticket = await first.invite('--uses', String(others.length))
  for (const node of others) await node.start({ ticket })
  await cluster.connected()
  return nodes as unknown as Four<TestNode>
}

function pairsBetween(
  left: readonly Machine[],
  right: readonly Machine[],
): readonly (readonly [Machine, Machine])[] {
  return left.flatMap((one) => right.map((other) => [one, other] as const))
}

/** Put a file. It is acknowledged when this returns. */
async function put(node: TestNode, path: string, text: string, mode = 0o644): Promise<void> {
  const source = join(node.folder, 'source')
  await writeFile(source, text)
  await chmod(source, mode)
  await node.shoal('put', source, path)
}

/** Names of the peers that a node has no connection to, sorted. */
async function awayOf(node: TestNode): Promise<string> {
  const { peers } = await node.status()
  const away = peers.filter(({ isConnected }) => !isConnected).map(({ name }) => name)
  return away.sort().join(' ')
}

/** The tree that all nodes have: paths, modes and bytes. */
async function oneTree({ nodes }: TestCluster): Promise<TreeDigest> {
  const trees = await Promise.all(
    nodes.map(async (node) => {
      const target = await mkdtemp(join(node.folder, 'got-'))
      await node.shoal('get', '/', target)
      return digestTree(target)
    }),
  )
  const [first, ...others] = trees as [TreeDigest, ...TreeDigest[]]
  others.forEach((tree, at) => assertSameTree(tree, first, `n${at + 2} beside n1`))
  return first
}

/** Each text is the content of exactly one path, of this form. */
function assertHolds(
  tree: TreeDigest,
  expected: readonly (readonly [what: string, path: RegExp, text: string])[],
): void {
  const shown = [...tree.keys()].join('\n')
  for (const [what, path, text] of expected) {
    const found = [...tree].filter(([, digest]) => digest.endsWith(digestText(text)))
    assert.equal(found.length, 1, `${what}: "${text}" is ${found.length} times in\n${shown}`)
    assert.match(found[0]?.[0] ?? '', path, what)
  }
}

/** As digestFile gives it. */
function digestText(text: string): string {
  return `${text.length} ${createHash('sha256').update(text).digest('hex')}`
}
