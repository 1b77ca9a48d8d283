// Locks of the WebDAV door: who has one keeps all others out, for as long as it was given.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  checkLocks,
  checkLocksOfName,
  checkLocksOfTree,
} from '../../../../node/doors/webdav/conditions.ts'
import { davPath } from '../../../../node/doors/webdav/dav-path.ts'
import { placeOf } from '../../../../node/doors/webdav/dav-request.ts'
import type { DavRequest, Place } from '../../../../node/doors/webdav/dav-request.ts'
import { Locks, timeoutOf } from '../../../../node/doors/webdav/locks.ts'
import type { Lock, NewLock } from '../../../../node/doors/webdav/locks.ts'
import type { Instant } from '../../../../protocol/units.ts'

const FOLDER = { volume: 'main', path: '/' }
const at = (path: string): Place => placeOf(FOLDER, davPath(path))

class Table {
  now = 0
  count = 0
  readonly locks = new Locks(
    { now: () => this.now as Instant },
    { bytes: (length) => Buffer.alloc(length, String(++this.count).padStart(length, '0')) },
  )

  take(path: string, more: Partial<NewLock> = {}): Lock {
    const lock = { owner: '', isShared: false, isDeep: false, timeoutMs: 1000, who: 'ann' }
    return this.locks.take({ ...lock, place: at(path), ...more })
  }

  as(who: string): DavRequest {
    // The others are for what goes to the API.
    return { locks: this.locks, folder: FOLDER, who } as unknown as DavRequest
  }
}

const isLocked = { status: 423 }

describe('locks', () => {
  test('an exclusive lock keeps out all others, a shared one those that are not', () => {
    const table = new Table()
    table.take('/a')
    assert.throws(() => table.take('/a'), isLocked)
    assert.throws(() => table.take('/a', { isShared: true }), isLocked)
    table.take('/b', { isShared: true })
    table.take('/b', { isShared: true, who: 'bob' })
    assert.throws(() => table.take('/b'), isLocked)
    assert.throws(() => table.take('/', { isDeep: true }), isLocked)
    table.take('/')
    table.take('/d', { isDeep: true })
    assert.throws(() => table.take('/d/e/f'), isLocked)
    table.take('/da')
  })

  test('one of those who have a lock may write, others may not even with its token', () => {
    const table = new Table()
    const { token } = table.take('/a')
    const shown = new Set([token])
    checkLocks(table.as('ann'), at('/a'), shown)
    checkLocks(table.as('ann'), at('/b'), new Set())
    for (const [who, tokens] of [
      ['ann', new Set<string>()],
      ['ann', new Set([`${token}x`])],
      ['bob', shown],
    ] as const)
      assert.throws(() => checkLocks(table.as(who), at('/a'), tokens), isLocked)
    const first = table.take('/s', { isShared: true })
    table.take('/s', { isShared: true, who: 'bob' })
    checkLocks(table.as('ann'), at('/s'), new Set([first.token]))
  })

  test('a lock of a folder covers its names, and with Depth infinity all below', () => {
    const table = new Table()
    const flat = table.take('/f')
    const none = new Set<string>()
    checkLocks(table.as('ann'), at('/f/x'), none)
    assert.throws(() => checkLocksOfName(table.as('ann'), at('/f/x'), none), isLocked)
    checkLocksOfName(table.as('ann'), at('/f/x'), new Set([flat.token]))
    table.take('/g', { isDeep: true })
    assert.throws(() => checkLocks(table.as('ann'), at('/g/x/y'), none), isLocked)
    const below = table.take('/h/x/y')
    checkLocksOfName(table.as('ann'), at('/h'), none)
    assert.throws(() => checkLocksOfTree(table.as('ann'), at('/h'), none), isLocked)
    checkLocksOfTree(table.as('ann'), at('/h'), new Set([below.token]))
    // A name in another form is the same name.
    table.take('/%C3%A9')
    assert.throws(() => checkLocks(table.as('ann'), at('/e%CC%81'), none), isLocked)
  })

  test('a lock runs out unless it is refreshed, and only who took it gives it back', () => {
    const table = new Table()
    const { token, place } = table.take('/a', { timeoutMs: 1000 })
    table.now = 900
    assert.equal(table.locks.refresh(place, token, 'bob', 5000), undefined)
    assert.equal(table.locks.refresh(at('/b'), token, 'ann', 5000), undefined)
    assert.equal(table.locks.refresh(place, token, 'ann', 2000)?.token, token)
    table.now = 2800
    assert.throws(() => table.take('/a'), isLocked)
    assert.throws(() => table.locks.release(place, token, 'bob'), { code: 'EPERM' })
    assert.equal(table.locks.release(at('/b'), token, 'ann'), false)
    table.now = 2900
    assert.equal(table.locks.refresh(place, token, 'ann', 2000), undefined)
    const next = table.take('/a')
    assert.notEqual(next.token, token)
    assert.equal(table.locks.release(place, next.token, 'ann'), true)
    table.take('/a')
  })

  test('there are no more than so many, of one and of all, and those that ran out do not count', () => {
    const table = new Table()
    const take = (who: string, count: number): void => {
      for (let i = 0; i < count; i++) table.take(`/${who}/${i}`, { who, timeoutMs: 1000 })
    }
    for (const who of ['a', 'b', 'c', 'd']) {
      take(who, 1024)
      assert.throws(() => table.take('/one-more', { who }), { status: 503 })
    }
    assert.throws(() => table.take('/one-more', { who: 'e' }), { status: 503 })
    table.now = 1001
    take('e', 1000)
    table.locks.forget(at('/e'))
    assert.equal(table.locks.below(at('/')).length, 0)
  })

  test('of any locks that are taken, those on one place are shared or one', () => {
    const path = fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/a/d', '/ab')
    const wish = fc.record({ path, isShared: fc.boolean(), isDeep: fc.boolean() })
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), (wishes) => {
        const table = new Table()
        for (const { path: where, ...how } of wishes) {
          const before = table.locks.covering(at(where)).length
          try {
            table.take(where, how)
          } catch {
            // It stood in the way of another, and changed nothing.
            assert.equal(table.locks.covering(at(where)).length, before)
          }
        }
        for (const where of ['/', '/a', '/a/b', '/a/b/c', '/a/d', '/ab']) {
          const held = table.locks.covering(at(where))
          assert.ok(held.length <= 1 || held.every(({ isShared }) => isShared))
        }
      }),
    )
  })

  test('the time that is given is bounded', () => {
    assert.equal(timeoutOf('Second-60'), 60_000)
    assert.equal(timeoutOf('Infinite, Second-60'), 3_600_000)
    assert.equal(timeoutOf('Second-4100000000'), 3_600_000)
    assert.equal(timeoutOf('Second-0'), 1000)
    assert.equal(timeoutOf('Extend, Second-5'), 5000)
    for (const none of [undefined, '', 'Second--1', 'Second-x'])
      assert.equal(timeoutOf(none), 600_000)
  })
})
