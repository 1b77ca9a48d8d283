// Access keys in files in the form of ~/.aws/credentials.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { accessKeyIn, checkAccess, hasProfile } from '../../../protocol/cold/access-key.ts'
import { parseTierLocation } from '../../../protocol/cold/location.ts'

const FILE = `
# both of mine
[default]
aws_access_key_id = KEY-OF-DEFAULT
aws_secret_access_key = first/+=

[ profile nas ]
region = eu
AWS_ACCESS_KEY_ID=KEY-OF-NAS
aws_secret_access_key=second
aws_session_token = token
[profile login]
sso_session = home
aws_access_key_id = half
`
const DEFAULT_KEY = { accessKeyId: 'KEY-OF-DEFAULT', secretAccessKey: 'first/+=' }

describe('access keys', () => {
  test('the key of a profile is its own, that of a file the first', () => {
    assert.deepEqual(accessKeyIn(FILE), DEFAULT_KEY)
    assert.deepEqual(accessKeyIn(FILE, 'default'), DEFAULT_KEY)
    assert.deepEqual(accessKeyIn(FILE, 'nas'), {
      accessKeyId: 'KEY-OF-NAS',
      secretAccessKey: 'second',
      sessionToken: 'token',
    })
  })

  test('lines without a section are a key, too', () => {
    const text = 'aws_access_key_id = a\r\naws_secret_access_key = b\r\n'
    assert.deepEqual(accessKeyIn(text), { accessKeyId: 'a', secretAccessKey: 'b' })
  })

  test('halves of two profiles are no key', () => {
    const halves = '[a]\naws_access_key_id = a\n[b]\naws_secret_access_key = b\n'
    assert.equal(accessKeyIn(halves), undefined)
  })

  test('a profile without a key is there, and has none', () => {
    assert.deepEqual([hasProfile(FILE, 'login'), accessKeyIn(FILE, 'login')], [true, undefined])
    assert.deepEqual([hasProfile(FILE, 'none'), accessKeyIn(FILE, 'none')], [false, undefined])
  })

  test('only a tier of S3 takes a key or a profile', () => {
    const access = { accessKey: DEFAULT_KEY }
    checkAccess(parseTierLocation('s3://bucket'), access)
    checkAccess(parseTierLocation('dir:/mnt'), {})
    for (const given of [access, { profile: 'nas' }])
      assert.throws(() => checkAccess(parseTierLocation('dir:/mnt'), given), { code: 'usage' })
  })
})
