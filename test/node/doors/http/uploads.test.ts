// Uploads over several requests, on a simulated machine: their bounds, how they are removed, and
// what a death of the node between two steps leaves.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DAY_MS, HOUR_MS } from '../../../../protocol/units.ts'
import { hasCode } from '../../../../protocol/errors.ts'
import type { WallTime } from '../../../../protocol/units.ts'
import type { Clock, Random } from '../../../../node/world/world.ts'
import type { NodeApi } from '../../../../node/control/api.ts'
import { HttpFailure } from '../../../../node/doors/http/http-failure.ts'
import { Uploads } from '../../../../node/doors/http/uploads.ts'
import type { Append, UploadBounds } from '../../../../node/doors/http/uploads.ts'
import type { Visit } from '../../../../node/doors/visit.ts'
import { MemoryKv } from '../../../../node/store/memory-kv.ts'
import { namesIn, put, textOf, withMembers } from '../../handlers/members.ts'
import type { IncomingMessage } from 'node:http'

interface Place {
  readonly api: NodeApi
  readonly clock: Clock
  readonly random: Random
  readonly kv: MemoryKv
}

function visitOf(api: NodeApi, account: string): Visit {
  return { who: account, account, api, within: (other) => other }
}

function open({ api, ...parts }: Place, bounds?: UploadBounds): Promise<Uploads> {
  return Uploads.open({ ...parts, api, log: () => {} }, bounds)
}

/** A request that brings this text, in pieces. */
function bringing(text: string, offset: number, isLast: boolean): Append {
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < text.length; at += 3) yield Buffer.from(text.slice(at, at + 3))
  }
  const request = {
    headers: {},
    destroy: () => {},
    once: () => {},
    [Symbol.asyncIterator]: body,
  } as unknown as IncomingMessage
  return { request, offset, isLast, length: undefined, onWhole: () => {} }
}

async function failed(run: Promise<unknown>): Promise<number | string> {
  try {
    await run
    return 'nothing'
  } catch (error) {
    return error instanceof HttpFailure ? error.options.status : (error as { code: string }).code
  }
}

async function withUploads(use: (place: Place) => Promise<void>): Promise<void> {
  await withMembers(3, 5, async ({ nodes: [node], clock }) => {
    const random = { bytes: counting(), number: () => 0.5, unlucky: () => false }
    await node.ask((api) => use({ api, clock, random, kv: MemoryKv.open() }))
  })
}

function counting(): Random['bytes'] {
  let count = 0
  return (length) => Buffer.alloc(length, ++count)
}

describe('uploads over several requests', () => {
  test('are bounded for each account, and are nobody else’s', async () => {
    await withUploads(async (place) => {
      const { api } = place
      const uploads = await open(place, { countOfOne: 2, bytesOfOne: 20, count: 3 })
      const [anna, ben] = [visitOf(api, 'anna'), visitOf(api, 'ben')]
      const begin = (visit: Visit, path: string, length?: number): Promise<{ id: string }> =>
        uploads.begin(visit, { path: `main:/${path}`, parents: false, length })
      assert.equal(await failed(begin(anna, 'huge', 21)), 413)
      const { id } = await begin(anna, 'a', 12)
      assert.equal(await failed(begin(anna, 'b', 9)), 413)
      await begin(anna, 'b', 8)
      assert.equal(await failed(begin(anna, 'c')), 429)
      const bens = await begin(ben, 'c')
      assert.equal(await failed(begin(ben, 'd')), 429, 'as many as a node has')
      assert.equal(
        await failed(uploads.append(ben, bens.id, bringing('x'.repeat(21), 0, true))),
        413,
      )
      for (const run of [
        uploads.look(ben, id),
        uploads.cancel(ben, id),
        uploads.append(ben, id, bringing('x', 0, true)),
      ])
        assert.equal(await failed(run), 'ENOENT')
      assert.deepEqual(
        uploads.list(anna).map(({ path }) => path),
        ['main:/a', 'main:/b'],
      )
      assert.equal(await failed(uploads.append(anna, id, bringing('x'.repeat(13), 0, true))), 400)
      assert.equal(await failed(uploads.look(anna, id)), 'ENOENT', 'it could never become right')
      assert.deepEqual(await namesIn(api, 'main:/.shoal-uploads'), [bens.id])
      await uploads.stop()
    })
  })

  test('go after a week in which nobody went on with them, with all that came', async () => {
    await withUploads(async (place) => {
      const { api, clock } = place
      let laterMs = 0
      const wall = (): WallTime => (clock.wall() + laterMs) as WallTime
      const later: Clock = {
        wall,
        now: () => clock.now(),
        timer: (...asked) => clock.timer(...asked),
        sleep: (...asked) => clock.sleep(...asked),
        timeout: (...asked) => clock.timeout(...asked),
      }
      const uploads = await open({ ...place, clock: later })
      const anna = visitOf(api, 'anna')
      const target = { path: 'main:/a', parents: false, length: undefined }
      const { id } = await uploads.begin(anna, target)
      await uploads.append(anna, id, bringing('some', 0, false))
      laterMs = 6 * DAY_MS
      await uploads.append(anna, id, bringing(' more', 4, false))
      laterMs = 12 * DAY_MS
      const { signal } = new AbortController()
      await uploads.sweep(signal)
      assert.equal((await uploads.look(anna, id)).offset, 9)
      laterMs = 13 * DAY_MS + HOUR_MS
      await uploads.sweep(signal)
      assert.equal(await failed(uploads.look(anna, id)), 'ENOENT')
      assert.deepEqual(await namesIn(api, 'main:/'), [])
      await uploads.stop()
    })
  })

  test('are made once, if the node dies before it has noted that they are', async () => {
    await withUploads(async (place) => {
      const { api, kv } = place
      const uploads = await open(place)
      const anna = visitOf(api, 'anna')
      const target = { path: 'main:/once', parents: false, length: undefined, ifTag: '' }
      const { id } = await uploads.begin(anna, target)
      await uploads.append(anna, id, bringing('all of it', 0, false))
      const joinFiles: NodeApi['joinFiles'] = async (...asked) => {
        await api.joinFiles(...asked)
        throw new Error('the power is gone')
      }
      const dying = await open({ ...place, api: { ...api, joinFiles } })
      assert.match(String(await failed(dying.append(anna, id, bringing('', 9, true)))), /undefined/)
      const again = await open({ ...place, kv: kv.crash() })
      const made = await again.append(anna, id, bringing('', 9, true))
      assert.equal(made.done?.isNew, true)
      assert.equal(await textOf(api, 'main:/once'), 'all of it')
      const other = await again.begin(anna, { ...target, path: 'main:/twice' })
      await again.append(anna, other.id, bringing('x', 0, false))
      await put(api, 'main:/twice', 'y')
      await assert.rejects(again.append(anna, other.id, bringing('', 1, true)), (error) =>
        hasCode(error, 'precondition'),
      )
      for (const one of [uploads, dying, again]) await one.stop()
    })
  })
})
