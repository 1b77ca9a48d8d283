// People and programs that come in at a node by an account: by a password or a key, while the
// machine hears of others, and by nothing that was replaced.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NodeAccounts } from '../../../node/accounts/node-accounts.ts'
import { PASSWORD_MIN } from '../../../node/accounts/passwords.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { applySettings } from '../../../node/log/settings.ts'
import type { AccountRecord } from '../../../protocol/accounts/record.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { Replica, send } from '../log/replicas.ts'

const PASSWORD = 'correct horse'

interface Bench {
  readonly replica: Replica
  readonly accounts: NodeAccounts
  /** When the others were last heard. */
  readonly heard: Map<PeerId, number>
}

function accountsOf(replica: Replica): Bench {
  const heard = new Map<PeerId, number>()
  const { volumes, clock } = replica
  const random = new SeededRandom(replica.seed, 'accounts')
  const heardMs = (_: unknown, peer: PeerId): number => heard.get(peer) ?? 0
  return { replica, heard, accounts: new NodeAccounts({ volumes, clock, random, heardMs }) }
}

async function withUser(
  bench: Bench,
  on: readonly PeerId[] = [bench.replica.identity.peer],
  record: Partial<AccountRecord> = {},
): Promise<void> {
  const { accounts, replica } = bench
  const random = new SeededRandom(replica.seed, 'user')
  const bytes = await accounts.passwords.verifierOf(PASSWORD, random)
  await accounts.of(replica.volume).add({
    name: 'anna',
    record: { kind: 'user', groups: [], ...record },
    grants: [{ path: '/', verbs: ['read'] }],
    secret: { bytes, on },
  })
}

describe('accounts of a node', () => {
  test('a user comes in by the name with its volume, and the right password alone', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    await withUser(bench)
    const comesIn = async (login: string, password: string): Promise<boolean> =>
      (await bench.accounts.byPassword(login, password)) !== undefined
    assert.equal(await comesIn('anna@main', PASSWORD), true)
    assert.equal(await comesIn('anna@main', PASSWORD), true, 'known again')
    assert.equal(await comesIn(`anna@${bench.replica.volume.id}`, PASSWORD), true)
    for (const [login, password] of [
      ['anna@main', 'correct house'],
      ['anna@main', ''],
      ['anna@main', 'x'.repeat(5000)],
      ['anna', PASSWORD],
      ['Anna@main', PASSWORD],
      ['anna@other', PASSWORD],
      ['ben@main', PASSWORD],
      ['@main', PASSWORD],
      ['', ''],
    ] as const)
      assert.equal(await comesIn(login, password), false, login)
  })

  test('after another password the one before opens nothing, known as it was', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    await withUser(bench)
    const { accounts, replica } = bench
    assert.ok(await accounts.byPassword('anna@main', PASSWORD))
    const random = new SeededRandom('again', 'user')
    const bytes = await accounts.passwords.verifierOf('another horse', random)
    await accounts.of(replica.volume).setSecret('anna', { bytes, on: [replica.identity.peer] })
    assert.equal(await accounts.byPassword('anna@main', PASSWORD), undefined)
    assert.ok(await accounts.byPassword('anna@main', 'another horse'))
    await accounts.of(replica.volume).remove('anna')
    assert.equal(await accounts.byPassword('anna@main', 'another horse'), undefined)
    assert.throws(() => accounts.of(replica.volume).find('anna'), { code: 'ENOENT' })
  })

  test('a password is of some length, and a key comes in by its secret until it expires', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    const { accounts, replica } = bench
    const random = new SeededRandom('short', 'user')
    await assert.rejects(accounts.passwords.verifierOf('x'.repeat(PASSWORD_MIN - 1), random), {
      code: 'usage',
    })
    const { id, secret } = accounts.newKey(replica.volume)
    const expiresMs = (replica.clock.wall() + DAY_MS) as WallTime
    await accounts.of(replica.volume).add({
      name: id,
      record: { kind: 'key', groups: [], label: 'phone', expiresMs },
      grants: [],
      secret: { bytes: utf8(secret), on: [replica.identity.peer] },
    })
    assert.ok(await accounts.byPassword(id, secret))
    assert.equal(await accounts.byPassword(id, `${secret}x`), undefined)
    assert.equal(await accounts.byPassword(`${id}@main`, secret), undefined)
    const other = accounts.newKey(replica.volume)
    assert.equal(accounts.find(other.id), undefined)
    replica.clock.advance(DAY_MS)
    assert.equal(await accounts.byPassword(id, secret), undefined)
  })

  test('a machine that hears of no other lets nobody in after a while', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    await withUser(bench)
    const { accounts, replica, heard } = bench
    const { volume, clock } = replica
    const comesIn = (): boolean => accounts.find('anna@main') !== undefined
    clock.advance(30 * DAY_MS)
    assert.ok(comesIn(), 'there is no other')
    const ben = await replica.member('ben')
    assert.ok(!comesIn(), 'never heard of')
    heard.set(ben.identity.peer, clock.wall())
    clock.advance(DAY_MS)
    assert.ok(comesIn())
    clock.advance(1)
    assert.ok(!comesIn())
    await applySettings(volume, { 'accounts-offline': '2d' })
    assert.ok(comesIn())
    clock.advance(DAY_MS + HOUR_MS)
    assert.ok(!comesIn())
  })

  test('the machines that serve an account have its secret, and no others', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    const { replica } = bench
    const cellar = accountsOf(await replica.member('cellar', 'reader'))
    const shed = accountsOf(await replica.member('shed', 'reader'))
    await withUser(bench, [cellar.replica.identity.peer])
    for (const { replica: other, heard } of [cellar, shed]) {
      await send(replica, other)
      heard.set(replica.identity.peer, other.clock.wall())
    }
    assert.ok(await cellar.accounts.byPassword('anna@main', PASSWORD))
    for (const { accounts } of [bench, shed]) {
      assert.equal(await accounts.byPassword('anna@main', PASSWORD), undefined)
      assert.equal(accounts.find('anna@main')?.secret, undefined)
    }
    // A secret that was copied from another account opens nothing under this one.
    const { volume } = replica
    const mine = volume.membership.policies().find(([key]) => key.startsWith('account-secret:anna'))
    assert.ok(mine)
    await withUserCalled(bench, 'ben', mine[1], cellar.replica.identity.peer)
    await send(replica, cellar.replica)
    assert.equal(await cellar.accounts.byPassword('ben@main', PASSWORD), undefined)
    assert.ok(await cellar.accounts.byPassword('anna@main', PASSWORD))
  })

  test('a secret is never sealed to a machine that may do less', async () => {
    const bench = accountsOf(await Replica.founder('attic'))
    const { replica, accounts, heard } = bench
    const cellar = await replica.member('cellar', 'reader')
    heard.set(cellar.identity.peer, replica.clock.wall())
    await withUser(bench, [cellar.identity.peer])
    const ofVolume = accounts.of(replica.volume)
    await assert.rejects(ofVolume.grant('anna', '/x', ['read', 'write']), { code: 'EPERM' })
    await ofVolume.add({
      name: 'family',
      record: { kind: 'group', groups: [] },
      grants: [{ path: '/x', verbs: ['write'] }],
    })
    await assert.rejects(ofVolume.setGroups('anna', ['family']), { code: 'EPERM' })
    await ofVolume.grant('family', '/x', ['read'])
    await ofVolume.setGroups('anna', ['family'])
    await assert.rejects(ofVolume.grant('family', '/x', ['add']), { code: 'EPERM' })
    await assert.rejects(ofVolume.setGroups('anna', ['anna']), { code: 'usage' })
    await assert.rejects(ofVolume.grant('family', '/y', []), { code: 'ENOENT' })
    assert.deepEqual(accounts.find('anna@main')?.grants.length, 2)
  })
})

/** A user whose record is told as another's. */
async function withUserCalled(
  { replica: { volume }, accounts }: Bench,
  name: string,
  sealed: string,
  peer: PeerId,
): Promise<void> {
  await accounts.of(volume).add({
    name,
    record: { kind: 'user', groups: [] },
    grants: [],
    secret: { bytes: utf8('other'), on: [peer] },
  })
  const { round } = accounts.of(volume).find(name).record
  const [, secret = ''] = sealed.split(' ')
  volume.submit({
    kind: 'policy',
    key: `account-secret:${name}:${peer}`,
    value: `${round} ${secret}`,
  })
  await volume.commit()
}
