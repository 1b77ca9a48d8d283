// Every command that calls a node, except put and get: its output as text and as JSON, and how it
// fails.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { ShoalError } from '../../protocol/errors.ts'
import { MemoryNode } from './memory-node.ts'
import { SHOAL, withNode } from './shoal.ts'
import type { FileContent } from '../../node/control/files.ts'
import type { WallTime } from '../../protocol/units.ts'

const SHELF = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'

/** The typed command, the code of the error, and the message. */
const FAILURES: readonly (readonly [string, string, RegExp])[] = [
  ['ls /nowhere', 'ENOENT', /\/nowhere is not there/],
  ['cat /nowhere', 'ENOENT', /\/nowhere/],
  ['cat /', 'EISDIR', /\/ is a folder/],
  ['rm /nowhere', 'ENOENT', /\/nowhere/],
  ['mv /nowhere /x', 'ENOENT', /\/nowhere/],
  ['mkdir /a/b', 'ENOENT', /\/a/],
  ['stat /nowhere', 'ENOENT', /\/nowhere/],
  ['unmount /nothing', 'ENOENT', /nothing is mounted at \/nothing/],
  ['peer add /ip4/192.0.2.1/tcp/1', 'unreachable', /\/ip4\/192\.0\.2\.1\/tcp\/1/],
  ['peer info nobody', 'no-such-peer', /no peer is called "nobody"/],
  ['volume info none', 'no-such-volume', /"none"/],
  ['volume create main', 'EEXIST', /"main"/],
  ['join nonsense', 'ticket-malformed', /not a whole ticket/],
]

describe('commands', { concurrency: 4 }, () => {
  test('status shows node, volumes and peers; its JSON has the documented fields', async () => {
    await withNode(async ({ shoal, json }) => {
      const { code, stdout } = await shoal('status')
      assert.equal(code, 0)
      for (const part of [
        'memory',
        'any 1 peer may be lost',
        '3 stripes full',
        'shelf',
        SHELF.slice(-8),
      ])
        assert.ok(stdout.includes(part), `${part} in ${stdout}`)
      const status = (await json('status')) as Record<string, never>
      assert.deepEqual(Object.keys(status).toSorted(), [
        'locks',
        'mounts',
        'node',
        'notices',
        'peers',
        'volumes',
      ])
      assert.partialDeepStrictEqual(status, {
        node: { name: 'memory', pid: process.pid },
        volumes: [
          {
            name: 'main',
            stripes: { full: 3, degraded: 0, atRisk: 0, lost: 0 },
            tolerates: 1,
            unplacedBytes: 0,
            conflicts: 0,
            heads: [],
          },
        ],
        mounts: [],
      })
    })
  })

  test('status shows conflicts, locks, and notices about copied or restored homes', async () => {
    const node = new MemoryNode()
    const { id: volume } = await node.volumeInfo('main')
    const about = { volume, volumeName: 'main', timeMs: 1_700_000_000_000 as WallTime }
    node.conflictCount = 2
    node.notices = [
      { kind: 'restored', member: 'memory', isSelf: true, ...about },
      { kind: 'copies', member: 'shelf', isSelf: false, ...about },
      { kind: 'voter-lied', member: 'shelf', isSelf: false, ...about },
      { kind: 'vote-lost', member: 'memory', isSelf: true, ...about },
    ]
    const held = { volumeName: 'main', path: '/file', family: 'flock', count: 1 } as const
    const sinceMs = (Date.now() - 90_000) as WallTime
    node.locks = [{ ...held, member: 'shelf', isExclusive: true, sinceMs }]
    await withNode(async ({ shoal, json }) => {
      const { stdout } = await shoal('status')
      assert.match(stdout, /2 conflict copies \(shoal conflicts ls\)/)
      assert.match(
        stdout,
        /Note: this home was copied or restored on 2023-.*: it writes to "main" under a new identity\./,
      )
      assert.match(
        stdout,
        /Note: two copies of shelf's home have written to "main", last on 2023-.*give each machine its own home/,
      )
      assert.match(
        stdout,
        /Note: the voter shelf of "main" gave contradictory answers.*volume set main voters/,
      )
      assert.match(stdout, /Note: this node may have forgotten its promises as a voter of "main"/)
      assert.match(stdout, /Lock +main:\/file, 1 exclusive, held by shelf for 9\d s/)
      assert.partialDeepStrictEqual(await json('status'), {
        notices: [{ kind: 'restored', isSelf: true }, { kind: 'copies' }],
      })
    }, node)
  })

  test('peer ls, info, ping and rm', async () => {
    await withNode(async ({ shoal, json }) => {
      assert.deepEqual((await shoal('peer', 'ls')).stdout.split('\n'), [
        'Name   State   Seen   Zone  Free                Shards        Round trip  Member          Id',
        `shelf  online  never  -     1.00 GB of 4.00 GB  12 (3.00 MB)  1.3 ms      writer of main  ${SHELF.slice(-8)}`,
        '',
      ])
      assert.match((await shoal('peer', 'info', 'shelf')).stdout, /State +online, connected\n/)
      assert.equal(
        (await shoal('peer', 'ping', 'shelf', '--count', '2')).stdout,
        'shelf: 1.25 ms\n'.repeat(2),
      )
      assert.deepEqual(await json('peer', 'ping', 'shelf', '--count', '1'), {
        peer: 'shelf',
        roundTripsMs: [1.25],
      })
      assert.equal(
        (await shoal('peer', 'rename', 'shelf', 'attic')).stdout,
        `Renamed shelf (${SHELF}) to attic in volume "main"\n`,
      )
      assert.equal(
        (await shoal('volume', 'rename', 'main', 'family')).stdout,
        'Renamed volume "main" to "family" on this node\n',
      )
      assert.equal(
        (await shoal('peer', 'rm', 'shelf')).stdout,
        `Removed shelf (${SHELF}, writer, never seen, 12 shards of 3.00 MB) from volume "main"\n`,
      )
      assert.partialDeepStrictEqual(await json('peer', 'rm', SHELF, '--yes'), {
        removed: 'shelf',
        id: SHELF,
        volume: 'main',
      })
    })
  })

  test('volume leave, rm and rejoin name what goes and where it is', async () => {
    await withNode(async ({ shoal, json }) => {
      const what = 'volume "main" (12 files of 3.40 MB; with 1 other machine; members '
      const { stdout } = await shoal('volume', 'leave', 'main', '--yes')
      assert.ok(stdout.startsWith(`Left ${what}`), stdout)
      assert.match(stdout, /kept here until 2023-11-21 .*: shoal volume rejoin main\n$/)
      assert.match(
        (await shoal('volume', 'ls')).stdout,
        /\nmain: left 2023-11-14 .*, kept until 2023-11-21 .*\(shoal volume rejoin\s+main\)\n$/,
      )
      assert.equal(
        (await shoal('volume', 'rejoin', 'main')).stdout,
        'Volume "main" is back on this machine\n',
      )
      const gone = await shoal('volume', 'rm', 'main', '--now', '--force', '-y')
      assert.ok(gone.stdout.startsWith(`Deleted ${what}`), gone.stdout)
      assert.partialDeepStrictEqual(await json('volume', 'rm', 'main'), { state: 'kept' })
      assert.partialDeepStrictEqual(await json('volume', 'ls'), [
        { role: 'admin' },
        { state: 'kept' },
      ])
    })
  })

  test('invite prints the ticket alone on stdout, and what to do with it on stderr', async () => {
    await withNode(async ({ shoal, json }) => {
      const { stdout, stderr } = await shoal('invite', '--uses', '2')
      assert.equal(stdout, 'shoal1memory\n')
      assert.match(stderr, /2 times:\n {2}shoal up --join -\nIt asks for the ticket/)
      assert.deepEqual(await json('invite', '--role', 'reader', '--expires', '30m'), {
        ticket: 'shoal1memory',
        id: 'ab12cd34',
        volume: 'main',
        role: 'reader',
        uses: 1,
        expiresMs: 1_700_001_800_000,
      })
    })
  })

  test('join prints the volume that was joined and the role in it', async () => {
    await withNode(async ({ shoal }) => {
      assert.equal(
        (await shoal('join', ' shoal1abc\n')).stdout,
        'Joined volume "main" as admin, with 1 member\n',
      )
    })
  })

  test('volume create, ls, info and set', async () => {
    await withNode(async ({ shoal, json }) => {
      assert.equal(
        (await shoal('volume', 'create', 'photos', 'class=rs4+2')).stdout,
        'Created volume "photos"\n',
      )
      assert.match(
        (await shoal('volume', 'ls')).stdout,
        /^main +admin +rs1\+1 +any 1 peer may be lost +3 stripes full/,
      )
      const { stdout } = await shoal('volume', 'info', 'main')
      assert.match(stdout, /Log +7 entries, 0 heads\n/)
      assert.match(stdout, /Holds +12 files, 3\.40 MB/)
      assert.match(stdout, /History +.*dropped.*shoal volume set main history=full/)
      assert.equal(
        (await shoal('volume', 'set', 'main', 'class=rs4+2', 'ack=placed')).stdout,
        'class=rs4+2 ack=placed\n',
      )
      await shoal('volume', 'set', 'main', 'history=full')
      assert.match((await shoal('volume', 'info', 'main')).stdout, /History +all that is/)
      assert.partialDeepStrictEqual(await json('volume', 'info', 'main'), {
        settings: { class: 'rs4+2' },
      })
    })
  })

  test('mkdir, mv, ls, stat and rm work on paths with spaces and emoji', async () => {
    await withNode(async ({ shoal, json, node }) => {
      await shoal('mkdir', '--parents', '/a b/🐟')
      await node.writeFile('/a b/🐟/x', asContent('12345'), { mode: 0o640 })
      await node.makeSymlink('/a b/link', '🐟/x')
      assert.equal((await shoal('ls', '/a b')).stdout, 'link\n🐟/\n')
      assert.equal((await shoal('ls', '-R', '/')).stdout, '/a b\n/a b/link\n/a b/🐟\n/a b/🐟/x\n')
      assert.match(
        (await shoal('ls', '-l', 'main:/a b/🐟')).stdout,
        /^-rw-r----- +5 B {2}20\d\d-.* x\n$/,
      )
      assert.deepEqual(await json('stat', '/a b/🐟/x'), {
        path: '/a b/🐟/x',
        name: 'x',
        kind: 'file',
        mode: 0o640,
        uid: 0,
        gid: 0,
        linkCount: 1,
        sizeBytes: 5,
        modifiedNs: '1700000000123456789',
        changedNs: '1700000000123456789',
      })
      assert.match((await shoal('stat', '/a b/link')).stdout, /Kind +symlink to 🐟\/x\n/)
      assert.deepEqual(await json('mv', '/a b/🐟/x', '/a b'), { from: '/a b/🐟/x', to: '/a b/x' })
      assert.equal((await shoal('rm', '/a b')).code, 1)
      assert.deepEqual(await shoal('rm', '-r', '/a b'), {
        code: 0,
        stdout: '',
        stderr: '',
        bytes: Buffer.alloc(0),
      })
      assert.deepEqual(await json('ls'), [])
    })
  })

  test('cat writes exact bytes: whole files, ranges, and several files in order', async () => {
    await withNode(async ({ shoal, node }) => {
      const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7) % 256))
      await node.writeFile('/raw', asContent(bytes))
      assert.equal(hash((await shoal('cat', '/raw')).bytes), hash(bytes))
      assert.equal(
        hash((await shoal('cat', '/raw', '/raw')).bytes),
        hash(Buffer.concat([bytes, bytes])),
      )
      const part = await shoal('cat', '--offset', '70000', '--length', '100', '/raw')
      assert.deepEqual(part.bytes, bytes.subarray(70_000, 70_100))
      assert.equal((await shoal('cat', '--offset', '300000', '/raw')).bytes.byteLength, 0)
    })
  })

  test('cat exits silently with 0 when its reader closes the pipe', async () => {
    await withNode(async ({ start, node }) => {
      await node.writeFile('/big', asContent(Buffer.alloc(4_000_000, 'line\n')))
      const cat = start('cat', '/big')
      cat.stdout.once('data', () => cat.stdout.destroy())
      const [stderr, [code]] = await Promise.all([text(cat.stderr), once(cat, 'exit')])
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    })
  })

  test('cat fails when a read breaks off, after writing the bytes that it has', async () => {
    class Breaking extends MemoryNode {
      override async readFile(path: string): Promise<FileContent> {
        const whole = await super.readFile(path)
        return { ...whole, content: breakAfterFirst(whole.content) }
      }
    }
    await withNode(async ({ shoal, node }) => {
      await node.writeFile('/big', asContent(Buffer.alloc(200_000, 1)))
      const { code, bytes, stderr } = await shoal('cat', '/big')
      assert.deepEqual({ code, stderr }, { code: 1, stderr: 'shoal: a chunk of /big is nowhere\n' })
      assert.ok(bytes.byteLength > 0 && bytes.byteLength < 200_000)
    }, new Breaking())
  })

  test(
    'a command fails when its output cannot be written',
    { skip: !existsSync('/dev/full') },
    async () => {
      await withNode(async ({ node, home }) => {
        await node.writeFile('/big', asContent(Buffer.alloc(200_000, 1)))
        for (const words of [['status'], ['cat', '/big']]) {
          const full = openSync('/dev/full', 'w')
          const child = spawn(process.execPath, [SHOAL, '--home', home, ...words], {
            stdio: ['ignore', full, 'pipe'],
          })
          closeSync(full)
          assert.ok(child.stderr)
          const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
          assert.equal(code, 1)
          assert.match(stderr, /^shoal: cannot write the output: ENOSPC[^\n]*\n$/)
        }
      })
    },
  )

  test('mount and unmount take a local path', async () => {
    await withNode(async ({ shoal, json, folder }) => {
      const whom = 'accessible only to you (see --allow-other)'
      const said = `Volume "main" is mounted at ${folder}/m, a new folder, ${whom}\n`
      assert.equal((await shoal('mount', 'm')).stdout, said)
      assert.deepEqual(await json('mount', '--read-only', 'n'), {
        folder: `${folder}/n`,
        volume: 'main',
        readOnly: true,
        allowOther: false,
      })
      assert.match((await shoal('status')).stdout, /Mount +.*\/n \(main, read-only\)/)
      assert.deepEqual(await json('unmount', 'm'), { unmounted: `${folder}/m` })
      assert.equal((await shoal('umount', 'n')).code, 0)
    })
  })

  for (const [line, errorCode, message] of FAILURES) {
    test(`"shoal ${line}" fails with ${errorCode}`, async () => {
      await withNode(async ({ shoal }) => {
        const { code, stdout } = await shoal('--json', ...line.split(' '))
        const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
        assert.deepEqual({ code, errorCode: error.code }, { code: 1, errorCode })
        assert.match(error.message, message)
      })
    })
  }
})

async function* asContent(content: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content)
}

async function* breakAfterFirst(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    yield part
    throw new ShoalError('chunk-unavailable', 'a chunk of /big is nowhere')
  }
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
