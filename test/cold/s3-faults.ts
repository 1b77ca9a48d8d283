// A tier on an S3 server when the server, the network, the clock or the credentials fail: it
// succeeds after retries, or reports clearly what is wrong; no object is incomplete, and no secret
// is leaked.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { MIB, MINUTE_MS } from '../../protocol/units.ts'
import { assertSame, forever, get, keysOf, patternOf, put, says } from '../seams/object-tier.ts'
import { FaultyProxy } from './faulty-proxy.ts'
import { s3Tier, TIER_NAME } from './tiers.ts'
import type { S3Server } from './s3-server.ts'
import type { S3TierSettings } from './tiers.ts'
import type { Fault, Seen } from './faulty-proxy.ts'
import type { ObjectTier } from '../../node/world/world.ts'

const SLOW_DOWN: Fault = { kind: 'answer', status: 503, code: 'SlowDown' }
/** The timeouts of tests that wait for the end of one. */
const IMPATIENT = { readTimeouts: { connectMs: 1500, silenceMs: 1500 } }
const LARGE = patternOf(36 * MIB)

export function s3FaultSuite(server: S3Server): void {
  describe('S3 with faults', () => {
    let proxy: FaultyProxy
    before(async () => {
      proxy = await FaultyProxy.start(server.endpoint)
    })
    after(() => proxy.stop())

    /** A tier in a bucket of its own, by way of the proxy. */
    const using = async (
      settings: S3TierSettings,
      run: (tier: ObjectTier, bucket: string) => Promise<void>,
    ): Promise<void> => {
      const bucket = await server.makeBucket()
      proxy.fault = () => undefined
      proxy.seen.length = 0
      const { endpoint } = proxy
      const tier = s3Tier(server, bucket, {
        endpoint,
        delays: false,
        ...settings,
      })
      try {
        await run(tier, bucket)
      } finally {
        await tier.close()
      }
    }
    serverFaults(() => proxy, using)
    bodyFaults(() => proxy, using)
    accessFaults(server, () => proxy, using)
  })
}

type Using = (
  settings: S3TierSettings,
  run: (tier: ObjectTier, bucket: string) => Promise<void>,
) => Promise<void>

function serverFaults(proxy: () => FaultyProxy, using: Using): void {
  test('bursts of 503 SlowDown are retried until they end', () =>
    using({ delays: true }, async (tier) => {
      proxy().next([SLOW_DOWN, SLOW_DOWN, SLOW_DOWN])
      await put(tier, 'key', LARGE)
      proxy().next([SLOW_DOWN, SLOW_DOWN])
      assertSame(await get(tier, 'key'), LARGE)
      proxy().next([SLOW_DOWN])
      assert.deepEqual(await keysOf(tier), ['key'])
    }))

  test('endless SlowDown fails by name after a bounded number of requests', () =>
    using({}, async (tier) => {
      proxy().fault = () => SLOW_DOWN
      const slow = says('cold-unreachable', TIER_NAME, 'key', 'slow down')
      await assert.rejects(put(tier, 'key', patternOf(9)), slow)
      await assert.rejects(get(tier, 'key'), slow)
      assert.equal(proxy().seen.length, 16)
    }))

  test('a request without an answer is repeated; a server that never answers is named', () =>
    using(IMPATIENT, async (tier) => {
      proxy().next([{ kind: 'hang' }])
      await put(tier, 'key', patternOf(9))
      proxy().fault = () => ({ kind: 'hang' })
      const silent = says('cold-unreachable', TIER_NAME, 'key', 'does not answer')
      await assert.rejects(get(tier, 'key'), silent)
      await assert.rejects(tier.head('key', { signal: forever() }), silent)
    }))

  test('an endpoint where nothing listens is reported unreachable', () =>
    using({ endpoint: 'http://127.0.0.1:1' }, async (tier) => {
      await assert.rejects(tier.check({ signal: forever() }), says('cold-unreachable', 'endpoint'))
    }))

  test('a part that never arrives fails the put, and leaves no parts', () =>
    using({}, async (tier) => {
      const isPart = ({ url }: Seen): boolean => url.includes('partNumber=2')
      proxy().fault = (seen) =>
        isPart(seen) ? { kind: 'answer', status: 500, code: 'InternalError' } : undefined
      await assert.rejects(put(tier, 'key', LARGE), says('cold-unreachable', 'key'))
      const discarded = proxy().seen.filter(({ method }) => method === 'DELETE')
      assert.equal(discarded.length, 1)
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('a put whose last answer was lost succeeds', () =>
    using({}, async (tier) => {
      const isLast = ({ method, url }: Seen): boolean =>
        method === 'POST' && url.includes('uploadId=')
      proxy().next([{ kind: 'lose-answer' }], isLast)
      await put(tier, 'key', LARGE)
      assertSame(await get(tier, 'key'), LARGE)
    }))

  test('an archived object is reported as such, and may be restored twice', () =>
    using({}, async (tier) => {
      proxy().fault = ({ method }) =>
        method === 'GET'
          ? { kind: 'answer', status: 403, code: 'InvalidObjectState' }
          : { kind: 'answer', status: 409, code: 'RestoreAlreadyInProgress' }
      await assert.rejects(get(tier, 'key'), says('cold-archived', 'key', 'restore it'))
      await tier.restore('key', 3, { signal: forever() })
    }))
}

function bodyFaults(proxy: () => FaultyProxy, using: Using): void {
  const isGet = ({ method }: Seen): boolean => method === 'GET'

  for (const kind of ['cut', 'stall', 'truncate'] as const) {
    test(`a read is resumed where an answer with a fault (${kind}) ended`, () =>
      using(IMPATIENT, async (tier) => {
        await put(tier, 'key', LARGE)
        proxy().seen.length = 0
        proxy().next(
          [0, 1, MIB, 3 * MIB].map((afterBytes) => ({ kind, afterBytes })),
          isGet,
        )
        assertSame(await get(tier, 'key'), LARGE)
        const requests = proxy().seen.length
        const what = `${requests} requests for the windows, and one more for each fault`
        // On a busy machine others stall as well.
        if (kind === 'stall') assert(requests >= 3 + 4, what)
        else assert.equal(requests, 3 + 4, what)
      }))
  }

  test('a read whose answers always break off fails after a bounded number', () =>
    using({}, async (tier) => {
      await put(tier, 'key', patternOf(1000))
      proxy().fault = (seen) => (isGet(seen) ? { kind: 'cut', afterBytes: 0 } : undefined)
      await assert.rejects(get(tier, 'key'), says('cold-unreachable', TIER_NAME, 'key'))
      assert.ok(proxy().seen.length < 20, String(proxy().seen.length))
    }))

  test('a byte flipped on upload is detected by the server, and the body sent again', () =>
    using({}, async (tier) => {
      const flip: Fault = { kind: 'flip', body: 'request' }
      const hasBody = ({ method }: Seen): boolean => method === 'PUT'
      proxy().next([flip, flip], hasBody)
      await put(tier, 'small', patternOf(70_000))
      proxy().next([flip, flip], hasBody)
      await put(tier, 'large', LARGE)
      assertSame(await get(tier, 'small'), patternOf(70_000))
      assertSame(await get(tier, 'large'), LARGE)
      proxy().fault = (seen) => (hasBody(seen) ? flip : undefined)
      await assert.rejects(put(tier, 'small', patternOf(5)), says('cold-corrupt', 'small'))
      assertSame(await get(tier, 'small'), patternOf(70_000))
    }))

  test('a byte flipped on download is detected in a whole object', () =>
    using({}, async (tier) => {
      await put(tier, 'key', patternOf(12 * MIB))
      proxy().next([{ kind: 'flip', body: 'answer' }], isGet)
      await assert.rejects(get(tier, 'key'), says('cold-corrupt', TIER_NAME, 'key'))
      assertSame(await get(tier, 'key'), patternOf(12 * MIB))
    }))

  test('an object replaced during a read is not mixed with the new one', () =>
    using({}, async (tier) => {
      await put(tier, 'key', LARGE)
      let first = true
      const reading = (async () => {
        for await (const _ of tier.get(
          'key',
          { from: 0, to: LARGE.length },
          { signal: forever() },
        )) {
          if (first) await put(tier, 'key', patternOf(9))
          first = false
        }
      })()
      // Windows that were ahead may all be of the old one.
      await reading.catch(says('cold-corrupt', 'replaced'))
    }))
}

function accessFaults(server: S3Server, proxy: () => FaultyProxy, using: Using): void {
  test('a wrong secret and a wrong access key are told apart, without leaking either', async () => {
    const secret = 'a-secret-that-nobody-must-see'
    for (const [accessKeyId, words] of [
      [server.accessKey, 'wrong secret key'],
      ['NOBODY', 'no such access key'],
    ] as const) {
      const accessKey = { accessKeyId, secretAccessKey: secret }
      await using({ accessKey }, async (tier) => {
        const denied = says('cold-denied', TIER_NAME, words)
        await assert.rejects(tier.check({ signal: forever() }), denied)
        await assert.rejects(put(tier, 'key', patternOf(9)), denied)
        await assert.rejects(get(tier, 'key'), (error) => {
          denied(error)
          const all = inspect(error, { depth: Infinity, showHidden: true })
          assert.ok(!all.includes(secret) && !/Signature=/i.test(all), all)
          return true
        })
        await assert.rejects(tier.head('key', { signal: forever() }), says('cold-denied'))
      })
    }
  })

  test('a vanished bucket is told apart from missing objects', () =>
    using({}, async (tier, bucket) => {
      await tier.check({ signal: forever() })
      await server.removeBucket(bucket)
      const gone = says('cold-gone', TIER_NAME, bucket)
      await assert.rejects(put(tier, 'key', patternOf(9)), gone)
      await assert.rejects(put(tier, 'key', LARGE), gone)
      await assert.rejects(get(tier, 'key'), gone)
      await assert.rejects(tier.head('key', { signal: forever() }), gone)
      await assert.rejects(keysOf(tier), gone)
      await assert.rejects(tier.remove(['key'], { signal: forever() }), gone)
      await assert.rejects(tier.check({ signal: forever() }), gone)
    }))

  test('a clock that is 20 minutes off is corrected by the time of the server', async (t) => {
    const { now } = Date
    for (const offMs of [20 * MINUTE_MS, -20 * MINUTE_MS]) {
      await using({}, async (tier) => {
        const wrong = t.mock.method(Date, 'now', () => now() + offMs)
        await put(tier, 'key', LARGE)
        assert.equal((await tier.head('key', { signal: forever() }))?.bytes, LARGE.length)
        // Somebody sets it.
        wrong.mock.restore()
        assertSame(await get(tier, 'key', { from: 1, to: 9 }), LARGE.subarray(1, 9))
      })
      await using({}, async (tier) => {
        const wrong = t.mock.method(Date, 'now', () => now() + offMs)
        assert.equal(await tier.head('key', { signal: forever() }), undefined)
        wrong.mock.restore()
      })
    }
  })

  test('a clock that cannot be corrected is named as the reason', () =>
    using({}, async (tier) => {
      proxy().fault = () => ({ kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' })
      await assert.rejects(put(tier, 'key', patternOf(9)), says('cold-denied', 'clock'))
    }))
}
