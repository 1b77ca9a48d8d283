// The traces that are told of, and the bounds of what waits.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, test } from 'node:test'
import { Recorder } from '../../../node/traces/recorder.ts'
import { carrySpans, currentSpan, traced, within } from '../../../node/traces/span.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { EndedSpan, RecorderOptions } from '../../../node/traces/recorder.ts'
import type { Span } from '../../../node/traces/span.ts'
import type { TraceContext } from '../../../protocol/wire/trace-context.ts'

const NEVER: RecorderOptions = { sample: 0, slowMs: 1000 }

function recorderOf(options: RecorderOptions): {
  recorder: Recorder
  clock: ManualClock
  told: EndedSpan[]
} {
  const [clock, random] = [new ManualClock(), new SeededRandom('traces', 'recorder')]
  const told: EndedSpan[] = []
  const take = (spans: readonly EndedSpan[]): void => void told.push(...spans)
  return { recorder: new Recorder({ clock, random, take }, options), clock, told }
}

function contextOf(isSampled: boolean): TraceContext {
  const random = new SeededRandom('traces', 'peer')
  return { traceId: random.bytes(16), spanId: random.bytes(8), isSampled }
}

function serve(recorder: Recorder, from: TraceContext | undefined): Span {
  const span = recorder.served('shard.get', {})
  span.below(from)
  return span
}

describe('traces', () => {
  test('that are slow, or fail by a fault of the node, are told of whole; others are not', () => {
    const { recorder, clock, told } = recorderOf(NEVER)
    const quick = recorder.root('quick', {})
    quick.child('part').end()
    quick.end()
    recorder.root('refused', {}).end(undefined, new ShoalError('EACCES', 'no'))
    assert.equal(told.length, 0)
    const slow = recorder.root('slow', { door: 'http' })
    const part = slow.child('part')
    clock.advance(1000)
    part.end()
    slow.end({ status: 200 })
    recorder.root('broken', {}).end(undefined, new TypeError('a bug'))
    recorder.root('failed', {}).end({ status: 500 })
    const names = told.map(({ name, code }) => [name, code])
    assert.deepEqual(names, [
      ['part', undefined],
      ['slow', undefined],
      ['broken', 'internal'],
      ['failed', undefined],
    ])
    const [first, root] = told
    assert.deepEqual(first?.parentId, root?.id)
    assert.deepEqual([root?.parentId, root?.facts], [undefined, { door: 'http', status: 200 }])
  })

  test('are chosen by chance at their beginning, so many as was set', () => {
    const { recorder, told } = recorderOf({ ...NEVER, sample: 0.1 })
    for (let n = 0; n < 1000; n++) recorder.root('root', {}).end()
    assert.ok(told.length > 60 && told.length < 140, `${told.length}`)
  })

  test('of peers that say to be chosen are no more than was set, and of none none', () => {
    const [some, none] = [recorderOf({ ...NEVER, sample: 0.1 }), recorderOf(NEVER)]
    for (let n = 0; n < 1000; n++) {
      serve(some.recorder, contextOf(true)).end()
      serve(none.recorder, contextOf(true)).end()
    }
    assert.ok(some.told.length > 90 && some.told.length <= 104, `${some.told.length}`)
    assert.equal(none.told.length, 0)
    const { traceId, spanId } = contextOf(true)
    assert.deepEqual([some.told[0]?.traceId, some.told[0]?.parentId], [traceId, spanId])
  })

  test('of peers that say not to be chosen are told of when they are slow here', () => {
    const { recorder, clock, told } = recorderOf({ ...NEVER, sample: 1 })
    serve(recorder, contextOf(false)).end()
    assert.equal(told.length, 0)
    const slow = serve(recorder, contextOf(false))
    clock.advance(1000)
    slow.end()
    assert.deepEqual(told[0]?.traceId, contextOf(false).traceId)
  })

  test('keep a bounded number of spans waiting, of one and of all', () => {
    const { recorder, told } = recorderOf({ ...NEVER, sample: 1 })
    const large = recorder.root('large', {})
    for (let n = 0; n < 600; n++) large.child('part').end()
    large.end()
    assert.equal(told.length, 513)
    assert.equal(told.at(-1)?.left, 88)
    told.length = 0
    const roots = Array.from({ length: 20 }, (_, n) => recorder.root(`root ${n}`, {}))
    for (const root of roots) for (let n = 0; n < 400; n++) root.child('part').end()
    for (const root of roots) root.end()
    const left = told.filter(({ name }) => name !== 'part').map((root) => root.left)
    assert.deepEqual(left.slice(0, 9), Array(9).fill(400), 'those that have waited longest')
    assert.ok(told.length - 20 <= 4096)
  })

  test('tell of a part that ends after the root, but not of one that begins then', () => {
    const { recorder, told } = recorderOf({ ...NEVER, sample: 1 })
    const root = recorder.root('root', {})
    const late = root.child('late')
    root.end()
    late.end()
    late.end()
    assert.deepEqual(
      told.map(({ name }) => name),
      ['root', 'late'],
    )
    assert.ok(root.isOver)
  })
})

describe('the span under way', () => {
  test('is none where there are no traces', async () => {
    assert.equal(currentSpan(), undefined)
    assert.equal(await traced('part', () => Promise.resolve(currentSpan())), undefined)
  })

  test('goes where the work goes, of each node by itself, until its root is over', async () => {
    carrySpans(() => new AsyncLocalStorage())
    const [here, there] = [recorderOf({ ...NEVER, sample: 1 }), recorderOf(NEVER)]
    const root = here.recorder.root('root', {})
    const work = async (): Promise<void> => {
      await Promise.resolve()
      await traced('part', () => Promise.resolve(currentSpan()?.child('inner').end()))
      const other = serve(there.recorder, undefined)
      await within(other, () => traced('part of other', () => Promise.resolve()))
      other.end()
      root.end()
      assert.equal(currentSpan(), undefined)
    }
    await within(root, work)
    const names = here.told.map(({ name }) => name)
    assert.deepEqual(names, ['inner', 'part', 'root'])
    assert.equal(there.told.length, 0)
  })

  test('has the calls of an object as its parts, with contents that come later', async () => {
    const { recorder, told } = recorderOf({ ...NEVER, sample: 1 })
    async function* pieces(): AsyncGenerator<number> {
      await traced('piece', () => Promise.resolve())
      yield 1
      yield 2
    }
    const api = recorder.calls(
      {
        list: pieces,
        readFile: () => Promise.resolve({ lengthBytes: 2, content: pieces() }),
        stat: () => Promise.reject(new ShoalError('ENOENT', '/a/secret/name')),
        now: () => 7,
      },
      'control',
    )
    const read = await api.readFile()
    assert.equal(told.length, 0)
    for await (const piece of read.content) assert.ok(piece === 1 || piece === 2)
    for await (const piece of api.list()) if (piece === 1) break
    await assert.rejects(api.stat(), { code: 'ENOENT' })
    assert.equal(api.now(), 7)
    assert.deepEqual(
      told.map(({ name, code, parentId }) => [name, code, parentId === undefined]),
      [
        ['piece', undefined, false],
        ['control.readFile', undefined, true],
        ['piece', undefined, false],
        ['control.list', undefined, true],
        ['control.stat', 'ENOENT', true],
      ],
    )
  })
})
