// The WebDAV door before its judge, litmus, and before clients that people use.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { hrefsIn, inEach, withDavDoor } from '../cli/ask-dav.ts'
import type { DavDoor } from '../cli/ask-dav.ts'
import { skip } from '../mount/mounted.ts'
import { need, needAll } from './need.ts'

needAll(skip)
need('litmus', 'cadaver', 'rclone', 'mount.davfs')
need('gio', '/usr/libexec/gvfsd-dav', 'dbus-run-session')

const LITMUS_TESTS = 104
const BIG_BYTES = 20_000_000
const ROUNDS = 20
const NAMES = [
  'a',
  'b c',
  '%41 #?&<x>"',
  'ünï🐟',
  String.raw`back\x41slash`,
  "it's; @:$+,=",
] as const
const run = promisify(execFile)

/** A folder with files of all sizes, and names that need care in a URL. */
async function makeTree(folder: string): Promise<string> {
  const tree = join(folder, 'tree')
  for (const [index, name] of NAMES.entries()) {
    await mkdir(join(tree, name, 'sub'), { recursive: true })
    await writeFile(join(tree, name, name), Buffer.alloc(index * 70_000, name))
    await writeFile(join(tree, name, 'sub', `${name}.txt`), name)
  }
  await writeFile(join(tree, 'big'), Buffer.alloc(BIG_BYTES, 'big and bigger'))
  return tree
}

async function rclone({ url, token, folder }: DavDoor, ...argv: readonly string[]): Promise<void> {
  const { AWS_CA_BUNDLE: _, ...env } = process.env
  const { stdout } = await run('rclone', ['obscure', token])
  await run('rclone', argv, {
    env: {
      ...env,
      RCLONE_CONFIG: join(folder, 'rclone.conf'),
      RCLONE_CONFIG_D_TYPE: 'webdav',
      RCLONE_CONFIG_D_URL: url.origin,
      RCLONE_CONFIG_D_USER: 'owner',
      RCLONE_CONFIG_D_PASS: stdout.trim(),
    },
  })
}

describe('the WebDAV door', { timeout: 300_000 }, () => {
  test('litmus finds nothing wrong', async () => {
    await withDavDoor(async ({ url, token, folder }) => {
      const env = { ...process.env, TESTS: 'basic copymove props locks http' }
      const child = spawn('litmus', [`${url.origin}/`, 'owner', token], { cwd: folder, env })
      const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
      const passed = Array.from(output.matchAll(/(\d+) passed, 0 failed/g), ([, count]) => count)
      const sum = passed.reduce((all, count) => all + Number(count), 0)
      assert.equal(sum, LITMUS_TESTS, output)
      assert.doesNotMatch(output, /WARNING|FAIL/)
    })
  })

  test('rclone copies there and back, compares, moves and removes', async () => {
    await withDavDoor(async (door) => {
      const tree = await makeTree(door.folder)
      const back = join(door.folder, 'back')
      await rclone(door, 'copy', tree, 'd:there')
      await rclone(door, 'check', '--download', tree, 'd:there')
      await rclone(door, 'moveto', 'd:there', 'd:moved')
      await rclone(door, 'copyto', 'd:moved/big', 'd:moved/big too')
      await rclone(door, 'copy', 'd:moved', back)
      await run('cmp', [join(tree, 'big'), join(back, 'big too')])
      await run('diff', ['-r', '--exclude=big too', tree, back])
      await rclone(door, 'purge', 'd:moved')
      assert.equal((await door.dav('PROPFIND', '/moved', { depth: '0' })).status, 404)
    })
  })

  test('cadaver writes, locks, sets properties, copies, moves and reads', async () => {
    await withDavDoor(async ({ url, token, folder }) => {
      const netrc = join(folder, '.netrc')
      await writeFile(netrc, `machine 127.0.0.1 login owner password ${token}\n`, { mode: 0o600 })
      await writeFile(join(folder, 'up'), 'from cadaver')
      const child = spawn('cadaver', [`${url.origin}/`], {
        cwd: folder,
        env: { ...process.env, HOME: folder, LC_ALL: 'C' },
      })
      const output = text(child.stdout)
      child.stdin.end(
        [
          'mkcol c',
          'cd c',
          'put up',
          'lock up',
          'discover up',
          'unlock up',
          'propset up color blue',
          'propget up color',
          'chexec + up',
          'copy up two',
          'move two three',
          'get three down',
          'delete three',
          'ls',
          'cd ..',
          'rmcol c',
          'quit',
          '',
        ].join('\n'),
      )
      await once(child, 'close')
      const said = await output
      assert.doesNotMatch(said, /failed/, said)
      assert.match(said, /Value of color is: blue/)
      assert.match(said, /Scope: exclusive {2}Type: write/)
      assert.equal(await readFile(join(folder, 'down'), 'utf8'), 'from cadaver')
    })
  })

  test('davfs2 mounts it: files are written, changed, moved and removed there', async () => {
    await withDavDoor(async (door) => {
      const { url, token, folder, dav } = door
      const tree = await makeTree(folder)
      const [mount, cache] = [join(folder, 'mount'), join(folder, 'cache')]
      const [settings, secrets] = [join(folder, 'davfs2.conf'), join(folder, 'secrets')]
      for (const made of [mount, cache]) await mkdir(made)
      // It gives up being root, and does not come into folders that only root may enter.
      await chmod(join(folder, '..'), 0o755)
      await run('chgrp', ['davfs2', cache])
      await chmod(cache, 0o775)
      await writeFile(secrets, `${url.origin}/ owner ${token}\n`, { mode: 0o600 })
      await writeFile(settings, `ask_auth 0\nsecrets ${secrets}\ncache_dir ${cache}\n`)
      await run('mount.davfs', ['-o', `conf=${settings}`, `${url.origin}/`, mount])
      try {
        await run('cp', ['-r', tree, mount])
        await writeFile(join(mount, 'new'), 'new')
        await chmod(join(mount, 'new'), 0o755)
        await run('mv', [join(mount, 'tree', 'big'), join(mount, 'bigger')])
        await run('rm', [join(mount, 'tree', 'a', 'a')])
        assert.equal((await stat(join(mount, 'bigger'))).size, BIG_BYTES)
      } finally {
        // It sends what it has yet to send, and waits for that.
        await run('umount', [mount])
      }
      await rclone(door, 'check', '--download', '--one-way', 'd:tree', tree)
      await rclone(door, 'check', '--download', join(tree, 'b c'), 'd:tree/b c')
      assert.equal((await dav('GET', '/bigger')).text.length, BIG_BYTES)
      assert.equal((await dav('GET', '/tree/a/a')).status, 404)
      const found = (await dav('PROPFIND', '/new', { depth: '0' })).text
      assert.match(found, />T<\/P:executable>/)
      assert.equal(inEach(found, 'lockdiscovery')[0], '', 'it has given its locks back')
    })
  })

  test('GNOME lists, copies, moves, renames and removes', async () => {
    await withDavDoor(async ({ url, token, folder, dav }) => {
      const root = `dav://owner@${url.host}`
      await writeFile(join(folder, 'from here'), 'from GNOME')
      const script = [
        'set -e',
        `echo "$PASSWORD" | gio mount ${root}/`,
        `gio copy 'from here' '${root}/ä b'`,
        `gio mkdir ${root}/folder`,
        `gio move '${root}/ä b' '${root}/folder/%2541'`,
        `gio rename ${root}/folder other`,
        `gio copy ${root}/other/%2541 ${root}/other/too`,
        `gio list -a standard::size ${root}/other`,
        `gio cat ${root}/other/too`,
        `gio remove ${root}/other/too`,
        `gio mount -u ${root}/`,
      ]
      const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, PASSWORD: token }
      const argv = ['--', 'sh', '-c', script.join('\n')]
      const { stdout } = await run('dbus-run-session', argv, { cwd: folder, env })
      assert.match(stdout, /%41\t10\t\(regular\)/)
      assert.match(stdout, /too\t10\t.*from GNOME/s)
      const left = (await dav('PROPFIND', '/other', { depth: '1' })).text
      assert.deepEqual(hrefsIn(left), ['/other/', '/other/%2541'])
    })
  })

  test('the door and a mount see at once what the other wrote', async () => {
    await withDavDoor(async ({ shoal, folder, dav }) => {
      const mount = join(folder, 'mount')
      await mkdir(mount)
      const { code, stderr } = await shoal('mount', mount)
      assert.equal(code, 0, stderr)
      for (let i = 0; i < ROUNDS; i++) {
        const [here, there] = [join(mount, 'a'), '/a']
        await dav('PUT', there, { body: `door ${i}` })
        assert.equal(await readFile(here, 'utf8'), `door ${i}`)
        await writeFile(here, `mount ${i}`)
        assert.equal((await dav('GET', there)).text, `mount ${i}`)
        await dav('MOVE', there, { headers: { destination: `/moved ${i}` } })
        assert.deepEqual(await readdir(mount), [`moved ${i}`])
        await rm(join(mount, `moved ${i}`))
        assert.equal((await dav('GET', `/moved%20${i}`)).status, 404)
      }
      // A symlink is not shown; a name that is no UTF-8 is.
      await symlink('a', join(mount, 'link'))
      await writeFile(Buffer.concat([Buffer.from(`${mount}/`), Buffer.from([0xff])]), 'bytes')
      const listed = (await dav('PROPFIND', '/', { depth: '1' })).text
      assert.deepEqual(hrefsIn(listed), ['/', '/%FF'])
      assert.match(listed, /<D:displayname>\\xff</)
      assert.equal((await dav('GET', '/%FF')).text, 'bytes')
      await shoal('unmount', mount)
    })
  })
})
