// A machine without FUSE, made of this one by a mount namespace (mount_namespaces(7)): the node
// runs all the same, and says what its mount lacks.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { SHOAL, outcomeOf, withPlace } from '../cli/shoal.ts'

/** How /dev is changed before a node starts, and what it says then. */
const MACHINES = [
  {
    name: 'there is no /dev/fuse',
    // Only what a node needs of it.
    prepare:
      'mkdir dev && mount -t tmpfs none dev && for d in null zero random urandom; do ' +
      'touch dev/$d && mount --bind /dev/$d dev/$d || exit 1; done && mount --move dev /dev',
    expected: /cannot open \/dev\/fuse \(ENOENT\): load the kernel module with 'modprobe fuse'/,
  },
  {
    name: '/dev/fuse may not be opened',
    prepare:
      'mkdir dev && touch dev/fuse && mount -t tmpfs -o dev none dev && ' +
      'mknod dev/fuse c 10 229 && mount -o remount,nodev dev && mount --bind dev/fuse /dev/fuse',
    expected: /cannot open \/dev\/fuse \(EACCES\): this process may not use it/,
  },
  {
    name: 'there is no mount(8)',
    prepare: 'export PATH=/none',
    expected: /cannot run mount: .*ENOENT/,
  },
] as const

const { status, stderr } = spawnSync('unshare', ['--mount', 'true'], { encoding: 'utf8' })
const skip = status === 0 ? false : `mount namespaces need root: ${stderr}`

for (const { name, prepare, expected } of MACHINES)
  test(`where ${name}, up --mount gives a node without a mount, and says why`, { skip }, () =>
    withPlace(async ({ folder, home, shoal }) => {
      const words = [SHOAL, 'up', '--mount', 'mnt', '--no-mdns', '--listen']
      const script = `${prepare} && exec "$@"`
      const node = spawn(
        'unshare',
        ['--mount', 'sh', '-c', script, 'sh', process.execPath, ...words, '/ip4/127.0.0.1/tcp/0'],
        { cwd: folder, env: { ...process.env, SHOAL_HOME: home }, stdio: 'pipe' },
      )
      try {
        const ended = outcomeOf(node)
        await new Promise<void>((resolve) => {
          node.stdout.once('data', () => resolve())
          node.once('exit', () => resolve())
        })
        const { code, stdout } = await shoal('mkdir', '--parents', '/works')
        assert.deepEqual({ code, stdout }, { code: 0, stdout: '' })
        assert.match((await shoal('ls')).stdout, /works\//)
        node.kill('SIGTERM')
        const said = await ended
        assert.match(said.stderr, /^warning: the node runs, but without its mount: /)
        assert.match(said.stderr, expected)
        assert.match(said.stderr, /--device \/dev\/fuse --cap-add SYS_ADMIN|package/)
        assert.match(said.stdout, /is up, its home is [^]*Mount with/)
        assert.equal(said.code, 0)
      } finally {
        node.kill('SIGKILL')
      }
    }),
  )
