// The life of a real node as the command runs it: init, up in the foreground and detached, down,
// and what goes wrong.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { outcomeOf, withPlace } from './shoal.ts'
import type { NodeStatus } from '../../node/control/status.ts'
import type { Process } from './shoal.ts'

/** A node that is alone: no other machine or test sees it. */
const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const

describe('up', { concurrency: 2 }, () => {
  test('init makes a private home, prints where, and refuses an existing home', async () => {
    await withPlace(async ({ shoal, json, home }) => {
      const { code, stdout } = await shoal(
        'init',
        '--name',
        'attic',
        '--zone',
        'house',
        '--capacity',
        '2GB',
      )
      assert.equal(code, 0)
      assert.equal(stdout, `Created node "attic" in ${home}. Start it with "shoal up".\n`)
      assert.equal((await stat(home)).mode & 0o777, 0o700)
      assert.equal((await stat(join(home, 'identity.key'))).mode & 0o777, 0o600)
      const key = await readFile(join(home, 'identity.key'))
      const again = (await json('init')) as { error: { code: string; message: string } }
      assert.equal(again.error.code, 'EEXIST')
      assert.match(again.error.message, /is a Shoal home already\. Start its node with "shoal up"/)
      assert.deepEqual(await readFile(join(home, 'identity.key')), key)
    })
  })

  test('init refuses a folder with other files, and leaves it unchanged', async () => {
    await withPlace(async ({ shoal, home }) => {
      await mkdir(home)
      await writeFile(join(home, 'thesis.txt'), '')
      assert.match(
        (await shoal('init')).stderr,
        /is not empty \(thesis\.txt\)\. Choose another folder/,
      )
      assert.deepEqual(await readdir(home), ['thesis.txt'])
    })
  })

  test('up says when it is ready, refuses a second node, and ends well on SIGTERM', async () => {
    await withPlace(async ({ start, shoal, home }) => {
      const up = start('up', '--name', 'attic', ...ALONE)
      const ended = outcomeOf(up)
      assert.match(await firstOutput(up), /^Node "attic" is up, its home is /)
      const second = await shoal('up')
      assert.deepEqual(
        { code: second.code, stderr: second.stderr },
        {
          code: 1,
          stderr: `shoal: a node (process ${up.pid}) already runs at ${home}. Stop it with "shoal down".\n`,
        },
      )
      assert.match((await shoal('status')).stdout, /No volume yet/)
      up.kill('SIGTERM')
      const { code, stderr } = await ended
      assert.deepEqual({ code, stderr }, { code: 0, stderr: STOPPING })
      assert.equal((await shoal('status')).code, 3)
    })
  })

  test('up --detach returns once the node is ready; data survives down and a restart', async () => {
    await withPlace(async ({ start, shoal, json }) => {
      try {
        const up = (await json('up', '--detach', '--name', 'attic', ...ALONE)) as NodeStatus
        assert.equal(up.node.name, 'attic')
        const put = start('put', '-', '/note')
        put.stdin.end('remember')
        assert.equal((await outcomeOf(put)).code, 0)
        assert.deepEqual(await json('down'), { stopped: up.node.id, pid: up.node.pid })
        assert.equal((await shoal('status')).code, 3)
        assert.match((await shoal('up', '--detach')).stdout, /^Node "attic" is up/)
        assert.equal((await shoal('cat', '/note')).stdout, 'remember')
        assert.equal((await shoal('down')).stdout, 'Stopped node "attic"\n')
      } finally {
        await shoal('down')
      }
    })
  })

  test('a node that cannot start says why, detached or not, and leaves no process', async () => {
    await withPlace(async ({ shoal, home }) => {
      await shoal('init', ...ALONE)
      await writeFile(
        join(home, 'config.yaml'),
        'name: attic\nlisten: [/ip4/127.0.0.1/tcp/0]\ncolour: red\n',
      )
      for (const words of [['up'], ['up', '--detach']]) {
        const { code, stdout, stderr } = await shoal(...words)
        assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
        assert.match(
          stderr,
          /^shoal: .*config\.yaml: there is no key "colour"\. The keys are name, /,
        )
      }
      assert.equal((await shoal('status')).code, 3)
    })
  })

  test('up --join with a malformed ticket fails with the error of the ticket', async () => {
    await withPlace(async ({ json, shoal }) => {
      const failed = (await json('up', '--detach', '--join', 'shoal1abc', ...ALONE)) as {
        error: { code: string }
      }
      assert.equal(failed.error.code, 'ticket-malformed')
      assert.equal((await shoal('status')).code, 3)
    })
  })
})

const STOPPING = 'Stopping. Press Ctrl-C again to exit immediately.\nStopped.\n'

/** '' if it ends without any. */
async function firstOutput({ stdout }: Process): Promise<string> {
  return Promise.race([
    once(stdout, 'data').then(([part]) => String(part)),
    once(stdout, 'end').then(() => ''),
  ])
}
