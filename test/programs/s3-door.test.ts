// The S3 door before clients that people use, in both layouts.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { withS3Door } from '../cli/with-s3.ts'
import type { S3Door } from '../cli/with-s3.ts'
import { skip } from '../mount/mounted.ts'
import { need, needAll } from './need.ts'

needAll(skip)
need('aws', 'rclone', 'restic', 's3cmd', 's3fs')

const BIG_BYTES = 20_000_000
const FILES = 30
const run = promisify(execFile)

interface Clients extends S3Door {
  readonly tree: string
  readonly env: NodeJS.ProcessEnv
}

/** A folder with files of all sizes, beside clients that are told of the door. */
async function withClients(
  layout: 'path' | 'flat',
  use: (clients: Clients) => Promise<void>,
): Promise<void> {
  await withS3Door(layout, async (door) => {
    const tree = join(door.folder, 'tree')
    await mkdir(join(tree, 'sub folder'), { recursive: true })
    for (let n = 0; n < FILES; n++)
      await writeFile(join(tree, 'sub folder', `ünï ${n}`), Buffer.alloc(n * 3000, `${n} `))
    await writeFile(join(tree, 'big'), Buffer.alloc(BIG_BYTES, 'big and bigger'))
    await writeFile(join(tree, 'empty'), '')
    const { AWS_CA_BUNDLE: _, ...rest } = process.env
    const env = {
      ...rest,
      AWS_ACCESS_KEY_ID: 'owner',
      AWS_SECRET_ACCESS_KEY: door.token,
      AWS_DEFAULT_REGION: 'us-east-1',
      HOME: door.folder,
    }
    await use({ ...door, tree, env })
  })
}

async function assertSame(one: string, other: string): Promise<void> {
  await run('diff', ['-r', one, other])
  assert.ok((await readdir(one)).length > 0)
}

for (const layout of ['path', 'flat'] as const)
  describe(`clients of a ${layout} bucket`, { timeout: 300_000 }, () => {
    test('aws syncs a tree there and back', async () => {
      await withClients(layout, async ({ tree, env, url, folder }) => {
        const aws = (...argv: readonly string[]): Promise<unknown> =>
          run('aws', ['--endpoint-url', url.origin, 's3', ...argv], { env })
        const back = join(folder, 'back')
        await aws('mb', 's3://aws-bucket')
        await aws('sync', '--quiet', tree, 's3://aws-bucket/t')
        await aws('sync', '--quiet', 's3://aws-bucket/t', back)
        await assertSame(tree, back)
        await aws('rb', '--force', 's3://aws-bucket')
      })
    })

    test('rclone copies and checks it', async () => {
      await withClients(layout, async ({ tree, env, url, token, folder }) => {
        const rclone = (...argv: readonly string[]): Promise<unknown> =>
          run('rclone', argv, {
            env: {
              ...env,
              RCLONE_CONFIG: join(folder, 'rclone.conf'),
              RCLONE_CONFIG_S_TYPE: 's3',
              RCLONE_CONFIG_S_PROVIDER: 'Other',
              RCLONE_CONFIG_S_ENDPOINT: url.origin,
              RCLONE_CONFIG_S_ACCESS_KEY_ID: 'owner',
              RCLONE_CONFIG_S_SECRET_ACCESS_KEY: token,
            },
          })
        await rclone('copy', tree, 's:rclone-bucket/t')
        await rclone('check', tree, 's:rclone-bucket/t')
        await rclone('check', '--download', tree, 's:rclone-bucket/t')
        await rclone('moveto', 's:rclone-bucket/t/big', 's:rclone-bucket/t/bigger')
        await rclone('purge', 's:rclone-bucket')
      })
    })

    test('restic keeps a repository there', async () => {
      await withClients(layout, async ({ tree, env, url, folder }) => {
        const restic = (...argv: readonly string[]): Promise<unknown> =>
          run('restic', ['--repo', `s3:${url.origin}/restic-bucket`, ...argv], {
            cwd: folder,
            env: { ...env, RESTIC_PASSWORD: 'secret' },
          })
        await restic('init')
        await restic('backup', 'tree')
        await restic('backup', 'tree')
        await restic('check', '--read-data')
        await restic('forget', '--keep-last', '1', '--prune')
        await restic('restore', 'latest', '--target', join(folder, 'restored'))
        await assertSame(tree, join(folder, 'restored', 'tree'))
      })
    })

    test('s3cmd syncs a tree there and back', async () => {
      await withClients(layout, async ({ tree, env, url, token, folder }) => {
        const file = join(folder, 's3cfg')
        await writeFile(
          file,
          `[default]\naccess_key = owner\nsecret_key = ${token}\nuse_https = False\n` +
            `host_base = ${url.host}\nhost_bucket = ${url.host}\n`,
        )
        const s3cmd = (...argv: readonly string[]): Promise<unknown> =>
          run('s3cmd', ['-q', '-c', file, ...argv], { env })
        const back = join(folder, 'back')
        await mkdir(back)
        await s3cmd('mb', 's3://cmd-bucket')
        await s3cmd('sync', `${tree}/`, 's3://cmd-bucket/t/')
        await s3cmd('sync', 's3://cmd-bucket/t/', `${back}/`)
        await assertSame(tree, back)
        await s3cmd('del', '-r', '-f', 's3://cmd-bucket')
        await s3cmd('rb', 's3://cmd-bucket')
      })
    })

    test('s3fs mounts it', async () => {
      await withClients(layout, async ({ tree, env, url, token, folder }) => {
        const [mount, password] = [join(folder, 'mount'), join(folder, 'password')]
        await mkdir(mount)
        await writeFile(password, `owner:${token}`, { mode: 0o600 })
        await run('aws', ['--endpoint-url', url.origin, 's3', 'mb', 's3://fs-bucket'], { env })
        const options = `passwd_file=${password},url=${url.origin},use_path_request_style`
        const server = spawn('s3fs', ['fs-bucket', mount, '-f', '-o', options], { stdio: 'ignore' })
        try {
          while (!(await readFile('/proc/mounts', 'utf8')).includes(mount))
            assert.equal(server.exitCode, null)
          await run('cp', ['-r', tree, join(mount, 'copy')])
          await run('mv', [join(mount, 'copy', 'big'), join(mount, 'copy', 'bigger')])
          await run('cmp', [join(tree, 'big'), join(mount, 'copy', 'bigger')])
          await run('rm', ['-r', join(mount, 'copy')])
          assert.deepEqual(await readdir(mount), [])
        } finally {
          await run('umount', ['-l', mount]).catch(() => undefined)
          server.kill()
        }
      })
    })
  })
