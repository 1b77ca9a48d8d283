// The search of `shoal cold add` for the access key of an S3 tier.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { findAccess } from '../../cli/access-key.ts'

const URL = 's3://bucket/shoal'
const PROFILES = `[default]
aws_access_key_id = KEY-OF-DEFAULT
aws_secret_access_key = default-secret
[nas]
aws_access_key_id = KEY-OF-NAS
aws_secret_access_key = nas-secret
`

describe('the access key of a tier', () => {
  let folder = ''
  let env: NodeJS.ProcessEnv = {}
  const write = async (name: string, text: string, mode = 0o600): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, text, { mode })
    return path
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-access-'))
    env = {
      AWS_SHARED_CREDENTIALS_FILE: await write('credentials', PROFILES, 0o644),
      AWS_CONFIG_FILE: await write('config', '[profile login]\nsso_session = home\n'),
    }
  })
  after(() => rm(folder, { recursive: true }))

  test('is that of the file, the profile, the environment or the default profile', async () => {
    const file = await write('key', 'aws_access_key_id = KEY-OF-FILE\naws_secret_access_key = x\n')
    const withKey = { ...env, AWS_ACCESS_KEY_ID: 'KEY-OF-SHELL', AWS_SECRET_ACCESS_KEY: 'y' }
    const idOf = async (options: object, environment: NodeJS.ProcessEnv): Promise<unknown> => {
      const { access, source } = await findAccess(URL, options, environment)
      return [access.accessKey?.accessKeyId, source]
    }
    assert.deepEqual(await idOf({ credentials: file }, withKey), ['KEY-OF-FILE', file])
    assert.deepEqual(await idOf({ profile: 'nas' }, withKey), ['KEY-OF-NAS', 'AWS profile "nas"'])
    assert.deepEqual(await idOf({}, withKey), ['KEY-OF-SHELL', '$AWS_ACCESS_KEY_ID'])
    assert.deepEqual(await idOf({}, { ...env, AWS_PROFILE: 'nas' }), [
      'KEY-OF-NAS',
      'AWS profile "nas"',
    ])
    assert.deepEqual(await idOf({}, env), ['KEY-OF-DEFAULT', 'AWS profile "default"'])
  })

  test('is left to the node where there is none to keep', async () => {
    const none = { HOME: join(folder, 'nobody') }
    assert.deepEqual(await findAccess(URL, {}, none), { access: {}, source: undefined })
    assert.deepEqual(await findAccess(URL, { profile: 'login' }, env), {
      access: { profile: 'login' },
      source: undefined,
    })
    assert.deepEqual(await findAccess('dir:/mnt', {}, env), { access: {}, source: undefined })
  })

  test('is refused from a file that others may read, or where there is none', async () => {
    const shared = await write('shared', 'aws_access_key_id = a\naws_secret_access_key = hidden\n')
    await chmod(shared, 0o640)
    const empty = await write('empty', '# nothing\n')
    for (const [options, words] of [
      [{ credentials: shared }, `chmod 600 ${shared}`],
      [{ credentials: empty }, 'aws_access_key_id'],
      [{ credentials: join(folder, 'none') }, 'cannot be read'],
      [{ profile: 'nobody' }, 'no profile "nobody"'],
    ] as const) {
      await assert.rejects(findAccess(URL, options, env), (error: Error) => {
        assert.ok(error.message.includes(words), error.message)
        assert.ok(!error.message.includes('hidden'), error.message)
        return true
      })
    }
    const both = { credentials: shared, profile: 'nas' }
    await assert.rejects(findAccess(URL, both, env), { code: 'usage' })
  })
})
