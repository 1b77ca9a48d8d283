// Certificates of doors: one's own is kept, files are read again when they change, and what cannot
// be used changes nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DoorTls } from '../../../node/doors/tls.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { makeCertificate } from '../../../node/world/make-certificate.ts'
import type { Certificate } from '../../../node/world/certificates.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import { DAY_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

let folder: string
let files: Certificate

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-tls-'))
  files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
})
after(() => rm(folder, { recursive: true }))

async function store({ cert, key }: Certificate, atMs: number): Promise<void> {
  await writeFile(files.cert, cert)
  await writeFile(files.key, key)
  for (const file of [files.cert, files.key]) await utimes(file, atMs / 1000, atMs / 1000)
}

function bench(): {
  readonly clock: ManualClock
  readonly kv: MemoryKv
  readonly errors: ShoalError[]
  readonly onError: (error: ShoalError) => void
} {
  const errors: ShoalError[] = []
  return {
    clock: new ManualClock(),
    kv: MemoryKv.open(),
    errors,
    onError: (error) => errors.push(error),
  }
}

test('its own certificate stays, until it is about to end', async () => {
  const components = bench()
  const first = await DoorTls.open(components, 'self-signed')
  assert.match(first.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  components.clock.advance(769 * DAY_MS)
  const second = await DoorTls.open(components, 'self-signed')
  assert.equal(second.fingerprint, first.fingerprint)
  assert.equal(await second.renewed(), undefined)
  components.clock.advance(2 * DAY_MS)
  const third = await DoorTls.open(components, 'self-signed')
  assert.notEqual(third.fingerprint, first.fingerprint)
})

test('files that change are used without a restart, and what is none of a certificate is not', async () => {
  const components = bench()
  const { clock, errors } = components
  const [one, two] = await Promise.all([1, 2].map((ms) => makeCertificate(ms as WallTime)))
  assert.ok(one && two)
  await store(one, 1000)
  const tls = await DoorTls.open(components, files)
  clock.advance(10 * SECOND_MS)
  assert.equal(await tls.renewed(), undefined, 'nothing has changed')
  await store(two, 2000)
  assert.equal(await tls.renewed(), undefined, 'not looked at again so soon')
  clock.advance(10 * SECOND_MS)
  assert.deepEqual(await tls.renewed(), two)
  await store({ ...two, key: one.key }, 3000)
  clock.advance(10 * SECOND_MS)
  assert.equal(await tls.renewed(), undefined)
  assert.deepEqual(tls.current, two)
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['usage'],
  )
  await rm(files.key)
  clock.advance(10 * SECOND_MS)
  assert.equal(await tls.renewed(), undefined)
  assert.equal(errors.length, 2)
  await store(one, 4000)
  clock.advance(10 * SECOND_MS)
  assert.deepEqual(await tls.renewed(), one)
})

test('a file that is not there, or is no certificate, is named at once', async () => {
  const none = { cert: join(folder, 'none.pem'), key: files.key }
  await assert.rejects(DoorTls.open(bench(), none), { code: 'usage', message: /none\.pem/ })
  await writeFile(none.cert, 'no certificate')
  await writeFile(none.key, 'no key')
  await assert.rejects(DoorTls.open(bench(), none), { code: 'usage', message: /none\.pem and/ })
})
