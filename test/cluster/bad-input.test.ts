// Mistakes of a person or a peer towards a real node: an error names the thing and the next step,
// the process stays up, and the data stays.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseTicket } from '../../protocol/membership/ticket.ts'
import { JOIN_PROTOCOL, decodeJoinReply, encodeJoinRequest } from '../../protocol/wire/join.ts'
import { LOG_PROTOCOL } from '../../protocol/wire/log.ts'
import { SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import { SystemClock } from '../../node/world/clock.ts'
import { Libp2pNetwork } from '../../node/world/libp2p/network.ts'
import { TestCluster, eventually, runShoal } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { digestFile, writeRandomFile } from './trees.ts'

test('nodes withstand bad input', async (t) => {
  await using cluster = await TestCluster.start(2)
  const [node, other] = cluster.nodes as [TestNode, TestNode]

  await t.test(
    'a put that cannot be placed says what is missing, and keeps its data locally',
    async () => {
      await node.shoal('volume', 'set', 'main', 'class=rs4+2')
      await writeRandomFile(join(cluster.folder, 'file'), 1)
      const { code, stderr } = await node.run(
        'put',
        '--ack',
        'placed',
        join(cluster.folder, 'file'),
        '/file',
      )
      assert.equal(code, 1)
      assert.match(stderr, /6 peers are needed for 4\+2 shards, and 2 of the 2 members/)
      await node.shoal('get', '/file', join(cluster.folder, 'back'))
      assert.equal(
        await digestFile(join(cluster.folder, 'back')),
        await digestFile(join(cluster.folder, 'file')),
      )
      assert((await node.volume()).unplacedBytes > 1_000_000)
      await cluster.converged()
      await other.shoal('get', '/file', join(cluster.folder, 'from the writer'))
      await node.shoal('rm', '/file')
    },
  )

  await t.test(
    'an unknown flag, an unknown command and a missing path are refused by name',
    async () => {
      const cases: readonly (readonly [words: readonly string[], code: number, says: RegExp])[] = [
        [['ls', '--colour'], 2, /unknown option '--colour'/],
        [['lst'], 2, /unknown command 'lst'/],
        [['ls', '/nowhere'], 1, /\/nowhere: no such file or folder/],
        [['cat', '/nowhere/file'], 1, /\/nowhere: no such file or folder/],
        [['get', '/nowhere', cluster.folder], 1, /\/nowhere: no such file or folder/],
        [['put', join(cluster.folder, 'absent'), '/'], 1, /absent/],
        [['ls', ':a:b/'], 2, /":a:b\/" is not a path in a volume; write \/folder\/file/],
        [['ls', 'other:/'], 1, /no volume "other" here; volumes here: /],
        [
          ['volume', 'set', 'main', 'class=rs99+2'],
          2,
          /"rs99\+2" is no redundancy class; use auto, local/,
        ],
        [['volume', 'set', 'main', 'colour=blue'], 2, /"colour" is not a setting/],
        [['peer', 'info', 'nobody'], 1, /nobody/],
        [['unmount', cluster.folder], 1, /not a mount of this node/],
      ]
      await node.shoal('mkdir', '/there')
      for (const [words, code, says] of cases) {
        const outcome = await node.run(...words)
        assert.match(outcome.stderr, says, `shoal ${words.join(' ')}`)
        assert.equal(outcome.code, code, `shoal ${words.join(' ')}: ${outcome.stderr}`)
        assert.equal(outcome.stdout, '')
      }
      assert.match(await node.shoal('ls', '/'), /there/)
      await node.shoal('mkdir', 'there/below')
      assert.equal(await node.shoal('ls', 'there'), 'below/\n')
      assert.equal(await node.shoal('ls', ':there/'), 'below/\n')
      const away = await runShoal(['--home', join(cluster.folder, 'no-home'), 'ls', '/'])
      assert.equal(away.code, 3)
      assert.match(away.stderr, /shoal up/)
    },
  )

  const [reader, keeper] = [cluster.node('reader'), cluster.node('keeper')]

  await t.test(
    'a malformed, forged, expired or used-up ticket is refused with the reason',
    async () => {
      await keeper.start()
      const refused = async (ticket: string, says: RegExp): Promise<void> => {
        const { code, stderr } = await keeper.run('join', ticket)
        assert.match(stderr, says)
        assert.equal(code, 1)
      }
      await refused('not-a-ticket', /ticket/)
      const good = await node.invite('--role', 'reader')
      await refused(`${good.slice(0, -6)}aaaaaa`, /ticket/)
      const short = await node.invite('--expires', '1s')
      await eventually('a ticket has expired', async () => {
        const tickets = await node.ask((client) => client.listTickets())
        return tickets.some(({ state }) => state === 'expired')
      })
      await refused(short, /expired/)
      await reader.start({ ticket: good })
      await refused(good, /used up.*: get a new one with "shoal invite"/)
      assert((await keeper.status()).volumes.length === 0, 'nothing was joined')
    },
  )

  await t.test('a reader cannot write and a keeper cannot read, and each is told why', async () => {
    await node.shoal('mkdir', '-p', '/folder/inner')
    await keeper.shoal('join', await node.invite('--role', 'keeper'))
    await cluster.converged()
    assert.equal(await reader.shoal('ls', '/folder'), 'inner/\n')
    const write = await reader.run('mkdir', '/other')
    assert.match(write.stderr, /this node is a reader of the volume and may not write/)
    for (const words of [
      ['ls', '/'],
      ['stat', '/folder'],
      ['mount', keeper.mountFolder],
    ]) {
      const { code, stderr } = await keeper.run(...words)
      assert.equal(code, 1)
      assert.match(stderr, /this node is a keeper of the volume and cannot read it/)
    }
    assert.equal(await node.shoal('ls', '/folder'), 'inner/\n')
  })

  await t.test('a member that sends garbage on every protocol does no harm', async () => {
    await node.shoal('mkdir', '-p', '/garbage/before')
    const ticket = parseTicket(await node.invite())
    const seed = randomBytes(32)
    const folder = join(cluster.folder, 'hostile')
    await mkdir(folder)
    const clock = new SystemClock()
    const signal = clock.timeout(30_000)
    const network = await Libp2pNetwork.create({
      seed,
      folder,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
    })
    try {
      await network.start()
      const peer = await network.dial(ticket.addresses, { signal })
      // Not a member yet: the open ticket lets it knock, and nothing more.
      await assert.rejects(network.open(peer, LOG_PROTOCOL, { signal }), { code: 'unreachable' })
      const join = await network.open(peer, JOIN_PROTOCOL, { signal })
      await join.send(
        [encodeJoinRequest({ kind: 'join', volume: ticket.volume, secret: ticket.secret })],
        {
          signal,
        },
      )
      assert.equal(
        decodeJoinReply((await join.receive({ signal })) ?? new Uint8Array(0)).kind,
        'admitted',
      )
      // As a member it connects anew.
      await network.disconnect(peer)
      for (const protocol of [LOG_PROTOCOL, SHARD_PROTOCOL, JOIN_PROTOCOL]) {
        for (const garbage of [
          randomBytes(40),
          Buffer.alloc(1_000_000, 0x9f),
          randomBytes(5_000_000),
        ]) {
          const channel = await network.open(peer, protocol, { signal })
          await channel.send([garbage], { signal }).catch(() => undefined)
          // Answered with an error or cut off, but not left open without a word.
          await channel.receive({ signal }).catch((error: unknown) => {
            assert(!signal.aborted, `${protocol}: ${String(error)}`)
          })
          channel.abort(new Error('done'))
        }
      }
    } finally {
      await network.stop()
    }
    assert(node.isRunning)
    assert.equal(await node.shoal('ls', '/garbage'), 'before/\n')
    await node.shoal('mkdir', '/after')
  })

  await t.test('a stranger that sends garbage over TCP does no harm', async () => {
    const { addresses } = (await node.status()).node
    const port = Number(/\/tcp\/(\d+)\//.exec(addresses[0] ?? '')?.[1])
    for (const garbage of [
      randomBytes(100_000),
      Buffer.from('GET / HTTP/1.0\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(garbage))
        socket
          .on('error', () => resolve())
          .on('close', () => resolve())
          .resume()
      })
    }
    assert(node.isRunning)
    await node.shoal('mkdir', '/fine')
  })
})

test('a full disk refuses a write by name, keeps stored data, and allows deletes', async (t) => {
  await using cluster = await TestCluster.create()
  const node = cluster.node('n1')
  await mkdir(node.home, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', node.home], {
    encoding: 'utf8',
  })
  if (mounted.status !== 0) return t.skip(`no tmpfs can be mounted here: ${mounted.stderr}`)
  try {
    await node.start()
    await writeRandomFile(join(cluster.folder, 'small'), 4)
    await writeRandomFile(join(cluster.folder, 'large'), 80)
    await node.shoal('put', join(cluster.folder, 'small'), '/small')
    const { code, stderr } = await node.run('put', join(cluster.folder, 'large'), '/large')
    assert.equal(code, 1)
    assert.match(stderr, /full|space/)
    assert(node.isRunning)
    await node.shoal('get', '/small', join(cluster.folder, 'back'))
    assert.equal(
      await digestFile(join(cluster.folder, 'back')),
      await digestFile(join(cluster.folder, 'small')),
    )
    assert.doesNotMatch(await node.shoal('ls', '/'), /large/)
    await node.shoal('mkdir', '/still')
    await node.shoal('rm', '/small')
    await node.kill('SIGTERM')
    await node.start()
    assert.equal(await node.shoal('ls', '/'), 'still/\n')
  } finally {
    await node.kill('SIGTERM')
    spawnSync('umount', ['-l', node.home])
  }
  return undefined
})

test('a flipped byte in a segment fails reads of its file by name, and no others', async () => {
  await using cluster = await TestCluster.create()
  const node = cluster.node('n1')
  await node.start()
  await writeRandomFile(join(cluster.folder, 'one'), 2)
  await writeFile(join(cluster.folder, 'two'), 'y'.repeat(50_000))
  await node.shoal('put', join(cluster.folder, 'two'), '/two')
  await node.shoal('put', join(cluster.folder, 'one'), '/one')
  await node.kill('SIGTERM')
  const segments = join(node.home, 'segments')
  const [segment = ''] = await readdir(segments)
  const file = await open(join(segments, segment), 'r+')
  const at = Math.floor((await file.stat()).size / 2)
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at)
  await file.close()
  await node.start()
  const { code, stderr } = await node.run('get', '/one', join(cluster.folder, 'back'))
  assert.equal(code, 1)
  assert.match(stderr, /\/one: chunk \w+/)
  assert(!(await readdir(cluster.folder)).includes('back'), 'no part of a file is left')
  assert.equal(await node.shoal('cat', '/two'), 'y'.repeat(50_000))
})
