// Ops made on trial: the effects of a strong write before anybody has agreed to it
// (node/log/tentative.ts).
import assert from 'node:assert/strict'
import { nameOf } from '../../../node/consensus/strong-log.ts'
import { describe, test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { BATCH_OPS_MAX } from '../../../protocol/limits.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Replica, exchange } from '../log/replicas.ts'

const name = nameFromText

/** /a/b, /c, and the file /f. */
async function founder(): Promise<Replica> {
  const replica = await Replica.founder('a')
  const a = replica.namespace.makeDir(ROOT, name('a'), {})
  replica.namespace.makeDir(a, name('b'), {})
  replica.namespace.makeDir(ROOT, name('c'), {})
  replica.write('f', 'before')
  await replica.volume.commit()
  return replica
}

/** Moves, a replacement, a new file with two contents: one op after another that it needs. */
function rearrange({ namespace }: Replica): string {
  const a = namespace.resolvePath(['a'])
  const c = namespace.resolvePath(['c'])
  namespace.rename(ROOT, name('a'), c.id, name('moved'))
  assert.throws(() => namespace.rename(ROOT, name('c'), a.id, name('x')), { code: 'EINVAL' })
  namespace.unlink(ROOT, name('f'))
  const made = namespace.create(ROOT, name('f'), {})
  const version = (text: string, base: Parameters<typeof namespace.putVersion>[1]['base']) =>
    namespace.putVersion(made.id, {
      content: { kind: 'inline', bytes: utf8(text) },
      size: text.length,
      base,
      modifiedNs: 0n,
    })
  version('second', [version('first', [])])
  const { content } = namespace.fileVersion(namespace.resolvePath(['f']))
  return content.kind === 'inline' ? Buffer.from(content.bytes).toString() : ''
}

describe('a trial', () => {
  test('a trial sees its own effects, and leaves none of them', async () => {
    const replica = await founder()
    const before = await replica.dump()
    const { result, entry } = replica.volume.tentative.run(() => rearrange(replica))
    assert.equal(result, 'second')
    assert.ok(entry !== undefined)
    assert.equal(await replica.dump(), before)
    await replica.volume.commit()
    assert.equal(await replica.dump(), before)
  })

  test('a trial gives an entry with its effects, here and on other replicas', async () => {
    const a = await founder()
    const b = await a.member('b')
    const { entry } = a.volume.tentative.run(() => rearrange(a))
    assert.ok(entry !== undefined)
    assert.equal(b.volume.tentative.verdictOn(entry), 'applied')
    assert.equal(a.volume.tentative.learn(entry), 'applied')
    assert.equal(b.volume.tentative.learn(entry), 'applied')
    assert.equal(b.volume.tentative.learn(entry), 'known')
    await exchange(a, b)
    assert.equal(await a.dump(), await b.dump())
    assert.equal(b.namespace.resolvePath(['c', 'moved', 'b']).kind, 'dir')
  })

  test('a trial reuses the number of an earlier one that was not chosen', async () => {
    const replica = await founder()
    const { tentative } = replica.volume
    const make = (text: string) =>
      tentative.run(() => replica.namespace.makeDir(ROOT, name(text), {})).entry
    const [one, two] = [make('one'), make('two')]
    assert.ok(one !== undefined && two !== undefined)
    assert.equal(one.header.seq, 1)
    assert.equal(two.header.seq, 1)
    assert.notEqual(one.header.actor, replica.volume.actor)
    tentative.learn(two)
    assert.ok(tentative.holds(nameOf(two)))
    assert.equal(make('three')?.header.seq, 2)
    assert.ok(!tentative.holds(nameOf(one)))
  })

  test('a trial that throws leaves nothing, and the next one works', async () => {
    const replica = await founder()
    const before = await replica.dump()
    const { tentative } = replica.volume
    const failing = (): never => {
      rearrange(replica)
      throw new Error('no')
    }
    assert.throws(() => tentative.run(failing), /no/)
    assert.equal(await replica.dump(), before)
    assert.equal(tentative.run(() => 1).entry, undefined)
    replica.write('g', 'ordinary')
    assert.ok((await replica.names()).includes('g'))
  })

  test('a trial with more ops than an entry holds is refused', async () => {
    const replica = await founder()
    const many = (count: number) => () => {
      for (let n = 0; n < count; n++) replica.namespace.makeDir(ROOT, name(`d${n}`), {})
    }
    const { tentative } = replica.volume
    assert.throws(() => tentative.run(many(BATCH_OPS_MAX + 1)), { code: 'EFBIG' })
    assert.ok(tentative.run(many(BATCH_OPS_MAX)).entry !== undefined)
  })
})
