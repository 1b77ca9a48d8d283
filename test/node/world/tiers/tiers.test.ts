// Which driver serves which location, and what that costs a node which has none of them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { SystemClock } from '../../../../node/world/clock.ts'
import { SystemRandom } from '../../../../node/world/random.ts'
import { SystemTiers } from '../../../../node/world/tiers/tiers.ts'
import { parseTierLocation } from '../../../../protocol/cold/location.ts'
import { assertSame, forever, get, patternOf, put, says } from '../../../seams/object-tier.ts'

const FOLDER = join(import.meta.dirname, '../../../../node/world/tiers')

test('each kind of location is opened by its driver', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-tiers-'))
  const components = { clock: new SystemClock(), random: new SystemRandom() }
  const tiers = new SystemTiers(components, { spoolFolder: join(folder, 'spool') })
  const open = (url: string, where = {}, access = {}): ReturnType<typeof tiers.open> =>
    tiers.open(parseTierLocation(url, where), { name: 'attic', access })
  const here = open(`dir:${folder}`)
  const bucket = open(
    's3://bucket',
    { endpoint: 'http://127.0.0.1:1' },
    { profile: 'there-is-no-such-profile' },
  )
  try {
    await put(here, 'key', patternOf(9))
    assertSame(await get(here, 'key'), patternOf(9))
    await assert.rejects(bucket.check({ signal: forever() }), says('cold-denied', 'no access key'))
  } finally {
    await Promise.all([here.close(), bucket.close()])
    await rm(folder, { recursive: true })
  }
})

test('the S3 library is not loaded before there is an S3 tier', async () => {
  const loaded = async (module: string): Promise<boolean> => {
    const script = `
      import { createRequire } from 'node:module'
      await import(${JSON.stringify(join(FOLDER, module))})
      const { cache } = createRequire(${JSON.stringify(join(FOLDER, module))})
      console.log(Object.keys(cache).some((path) => path.includes('@aws-sdk')))`
    const args = ['--input-type=module', '--eval', script]
    return (await promisify(execFile)(process.execPath, args)).stdout.trim() === 'true'
  }
  assert.deepEqual([await loaded('tiers.ts'), await loaded('s3.ts')], [false, true])
})
