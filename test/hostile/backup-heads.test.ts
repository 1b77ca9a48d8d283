// Whoever can write to a cold tier, and members who lie about backups there, against the backup of
// a real node: what they do stops no backup, hides none, and is told of; and what the tier alone
// can take back, is noticed.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Recovered } from '../../node/control/recovery.ts'
import { Namespace } from '../../node/tree/namespace.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { headIdOf, headKey, headsPrefix, sealHead } from '../../protocol/cold/head.ts'
import type { HeadContent } from '../../protocol/cold/head.ts'
import type { ActorId, BackupHeadId, PeerId } from '../../protocol/ids.ts'
import { parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { Identity } from '../../protocol/signed.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const random = (length: number): Uint8Array => randomBytes(length)

test('nobody but a member makes a backup, and none of them stops or hides those of others', async (t) => {
  await using cluster = await TestCluster.start(1)
  const [honest] = cluster.nodes as [TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const key = join(cluster.folder, 'recovery.key')
  await honest.shoal('cold', 'add', 'attic', `dir:${place}`)
  await honest.shoal('volume', 'key', 'export', key)
  const { genesis, seed } = parseRecoveryKey(await readFile(key, 'utf8'))
  const { id: volume } = await honest.volume()
  const readers: PeerId[] = [(await honest.status()).node.id, identityFromSeed(seed).peer]

  let files = 0
  /** Something new, that is to be in the tier. */
  const write = async (): Promise<string> => {
    const name = `file-${++files}`
    await writeFile(join(cluster.folder, name), name)
    await honest.shoal('put', join(cluster.folder, name), '/')
    await honest.shoal('cold', 'push', '/')
    return name
  }
  const putHead = async (bytes: Uint8Array, id: string = headIdOf(bytes)): Promise<void> =>
    writeFile(join(place, headKey(volume, id as BackupHeadId)), bytes)
  const recover = async (...options: string[]): Promise<Recovered & { readonly names: string }> => {
    const fresh = cluster.node(`fresh-${randomBytes(4).toString('hex')}`)
    const from = ['--from', `dir:${place}`, '--key', key, '--no-mdns', ...options]
    const recovered = await fresh.json<Recovered>('recover', ...from)
    // As a node that starts in this home would have it.
    await using member = await HostileMember.of(fresh)
    const { volume, random: chance } = member
    const found: string[] = []
    const listed = new Namespace({ volume, random: chance }).list(ROOT)
    for await (const { name } of listed) found.push(name)
    const names = found.join()
    return { ...recovered, names }
  }
  const log = (): Promise<string> => readFile(join(honest.home, 'logs', 'node.log'), 'utf8')
  const headCount = async (): Promise<number> =>
    (await readdir(join(place, headsPrefix(volume)))).length

  /** Claims to hold all that there is and more, and holds nothing. */
  const empty = (vector: ReadonlyMap<ActorId, number>): HeadContent => ({
    genesis,
    tier: 'attic',
    time: Date.now() as WallTime,
    number: 1e6,
    before: undefined,
    vector: new Map([...vector, ['f'.repeat(32) as ActorId, 1e6]]),
    checkpoint: undefined,
    nodes: [],
    governing: [],
    governed: [],
    log: [],
    full: new Map(),
    fullMark: new Uint8Array(32),
  })
  const forge = (author: Identity, secret: Uint8Array, content: HeadContent): Uint8Array =>
    sealHead(volume, content, { author, secret }, readers, random)

  await t.test('who can write to the tier and knows ids', async () => {
    await write()
    const stranger = identityFromSeed(randomBytes(32))
    await putHead(encodeCbor({ v: 99, a: 'xxxx' }))
    await putHead(encodeCbor([99, new Uint8Array(4), new Uint8Array(4)]), 'f'.repeat(64))
    await putHead(randomBytes(1000), 'f'.repeat(63) + 'e')
    await putHead(forge(stranger, randomBytes(32), empty(new Map())))
    const before = await headCount()
    const name = await write()
    assert.equal(await headCount(), before + 1)
    const { names, backup } = await recover()
    assert(names.includes(name), names)
    assert.equal(backup.skipped.length, 4)
    assert.equal(backup.author, honest.name)
    // What is damaged in one look may be whole in the next: three in a row are believed.
    for (let look = 2; look <= 3; look++) await write()
    assert.match(await log(), /backup-refused.*without a key of the volume/)
  })

  await t.test('a reader, who has the keys of the volume', async () => {
    await using rita = await HostileMember.join(honest, { role: 'reader', name: 'rita' })
    const [first] = rita.volume.membership.allSecrets()
    assert(first !== undefined)
    await putHead(forge(rita.identity, first[1], empty(rita.volume.actors.vector())))
    const name = await write()
    const { names, backup } = await recover()
    assert(names.includes(name), names)
    assert(backup.skipped.some(({ why }) => /log in the tier|may not write/.test(why)))
    assert.match(await log(), /backup-refused.*may not write/)
  })

  await t.test('a writer, who says what is not so', async () => {
    await using mallory = await HostileMember.join(honest)
    const [first] = mallory.volume.membership.allSecrets()
    assert(first !== undefined)
    const secret = first[1]
    const { identity, volume: replica } = mallory
    const vector = replica.actors.vector()
    await putHead(forge(identity, secret, empty(vector)))
    const future = (Date.now() + DAY_MS) as WallTime
    await putHead(forge(identity, secret, { ...empty(vector), time: future }))
    await putHead(forge(identity, secret, { ...empty(vector), tier: 'cellar' }))
    const bogus = { tier: 'attic', number: 1e9, head: 'a'.repeat(64) as BackupHeadId }
    const words = [
      { kind: 'backup', peer: identity.peer, ...bogus },
      { kind: 'backup', peer: (await honest.status()).node.id, ...bogus },
    ] as const
    await mallory.give(honest, [mallory.entry(words, { sealed: true })])
    const name = await write()
    const { names, backup } = await recover()
    assert(names.includes(name), names)
    assert(backup.skipped.some(({ why }) => /log in the tier/.test(why)))
    assert(backup.skipped.some(({ why }) => /future/.test(why)))
    await eventually('the false head is told of', async () =>
      /backup-false.*contradicts the state of this node/.test(await log()),
    )
    const told = await log()
    assert.match(told, /backup-refused.*in the future/)
    assert.match(told, /backup-refused.*cellar/)
  })

  await t.test('an older state of the tier is noticed, and can be refused', async () => {
    const old = join(cluster.folder, 'old')
    await cp(place, old, { recursive: true })
    const before = (await recover()).backup.number
    const lost = await write()
    const { number } = (await recover()).backup
    assert(number > before)
    await rm(place, { recursive: true })
    await cp(old, place, { recursive: true })
    const rolledBack = await recover()
    assert(!rolledBack.names.includes(lost))
    assert.equal(rolledBack.backup.number, before)
    const fresh = cluster.node('picky')
    const from = ['--from', `dir:${place}`, '--key', key, '--no-mdns']
    for (const least of [String(number), new Date(Date.now() + DAY_MS).toISOString()]) {
      const refused = await fresh.run('recover', ...from, '--at-least', least)
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, new RegExp(`older than --at-least .*number ${before} of `))
    }
    const name = await write()
    const { names } = await recover()
    assert(names.includes(name) && names.includes(lost), names)
  })
})
