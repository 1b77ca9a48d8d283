// Files pinned to a node are read there when all other nodes are gone, by the command and through
// the mount.
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { KIB, MIB } from '../../protocol/units.ts'
import type { LocalPin } from '../../node/control/pins.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'

const SMALL_FILES = 6

test('a folder is pinned to a node that holds none of it', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const pinned = cluster.node('pinned')
  await first.shoal('volume', 'set', 'main', 'class=rs2+1')
  const source = join(cluster.folder, 'desk')
  await mkdir(source)
  const contents = new Map<string, Buffer>([['big', content(8 * MIB, 1)]])
  for (let n = 0; n < SMALL_FILES; n++) contents.set(`${n}`, content(40 * KIB + n, n + 2))
  for (const [name, bytes] of contents) await writeFile(join(source, name), bytes)
  await first.shoal('put', '--ack', 'placed', source, '/desk')
  await first.shoal('mkdir', '/other')
  const ticket = await first.invite()
  const mount = pinned.mountFolder
  await pinned.start({ ticket, mount })
  await cluster.connected()
  await cluster.converged()

  const others = [first, second, third]
  const readAll = async (folder: string): Promise<void> => {
    const got = join(cluster.folder, `got-${cluster.nodes.length}-${Math.random()}`)
    await pinned.shoal('get', folder, got)
    for (const [name, bytes] of contents) {
      assert.ok((await readFile(join(got, name))).equals(bytes), `${name} by get`)
      assert.ok((await readFile(join(mount, folder, name))).equals(bytes), `${name} by the mount`)
    }
  }

  await t.test(
    'pin add --local returns once all of the folder is fetched, and pin ls shows it',
    async () => {
      const wantedBytes = bytesOf(contents)
      assert.deepEqual(await pinned.json('pin', 'add', '/desk', '--local'), {
        path: '/desk',
        kind: 'local',
        wantedBytes,
        actualBytes: wantedBytes,
      })
      assert.match(await pinned.shoal('pin', 'ls'), /^\/desk +local +this node +.* \(100 %\)\n$/)
      assert.deepEqual(await first.json('pin', 'ls'), [], 'it is of that node alone')
    },
  )

  await t.test('a node too small for a pin names a path, and counts what it has', async () => {
    const small = cluster.node('small')
    await small.shoal('init', '--name', 'small', '--capacity', '5MiB')
    await small.start({ ticket: await first.invite() })
    await cluster.connected()
    await cluster.converged()
    const { code, stderr } = await small.run('pin', 'add', '/desk', '--local')
    assert.equal(code, 1)
    assert.match(stderr, /\/desk\/\w+: this node is full/)
    const [pin] = await small.json<LocalPin[]>('pin', 'ls')
    assert.equal(pin?.failure?.code, 'ENOSPC')
    assert.equal(pin.wantedBytes, bytesOf(contents))
    assert.ok(pin.actualBytes > 0 && pin.actualBytes < pin.wantedBytes, `${pin.actualBytes}`)
    await small.shoal('pin', 'rm', '/desk')
    await small.kill('SIGTERM')
  })

  await t.test(
    'a local pin follows changes, new files, moves and removals on other nodes',
    async () => {
      const put = async (path: string, bytes: Buffer): Promise<void> => {
        const file = join(cluster.folder, 'put')
        await writeFile(file, bytes)
        await second.shoal('put', file, path)
      }
      contents.set('big', content(5 * MIB, 100)).set('new', content(3 * MIB, 101))
      contents.set('moved', content(2 * MIB, 102))
      contents.delete('3')
      await put('/desk/big', contents.get('big') ?? Buffer.of())
      await put('/desk/new', contents.get('new') ?? Buffer.of())
      await put('/other/moved', contents.get('moved') ?? Buffer.of())
      await third.shoal('rm', '/desk/3')
      await eventually('the third node has heard of it', async () => {
        return (await third.run('stat', '/other/moved')).code === 0
      })
      await third.shoal('mv', '/other/moved', '/desk/moved')
      await eventually('all is here', () => isWhole(pinned, bytesOf(contents)))
      await cluster.converged()
      await first.shoal('mv', '/desk/new', '/other/new')
      contents.delete('new')
      await eventually('what was moved out is let go', () => isWhole(pinned, bytesOf(contents)))
    },
  )

  await t.test(
    'a pinned folder is read with all other nodes gone, and after a restart',
    async () => {
      for (const node of others) await node.kill('SIGKILL')
      await readAll('/desk')
      await pinned.kill('SIGKILL')
      await pinned.start({ mount })
      await readAll('/desk')
      await eventually('the pin is whole as before', () => isWhole(pinned, bytesOf(contents)))
    },
  )

  await t.test('a pin is removed', async () => {
    await pinned.shoal('pin', 'rm', '/desk')
    assert.deepEqual(await pinned.json('pin', 'ls'), [])
    assert.equal((await pinned.run('pin', 'rm', '/desk')).code, 1)
  })
})

async function isWhole(node: TestNode, wantedBytes: number): Promise<boolean> {
  const [pin] = await node.pins()
  assert.equal(pin?.kind, 'local')
  const found: LocalPin = pin
  return found.wantedBytes === wantedBytes && found.actualBytes === wantedBytes
}

function bytesOf(contents: ReadonlyMap<string, Buffer>): number {
  return [...contents.values()].reduce((sum, { length }) => sum + length, 0)
}

/** Bytes that no two seeds have in common, and that do not compress (xorshift32). */
function content(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = seed * 2_654_435_761
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return Buffer.from(words.buffer, 0, length)
}
