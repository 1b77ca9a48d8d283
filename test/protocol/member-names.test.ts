// Names of members (protocol/membership/names.ts): unique where they are shown, whatever is said.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeStamp } from '../../protocol/clock/dot.ts'
import {
  MEMBER_NAME_MAX,
  freeName,
  meantBy,
  nameKey,
  shownNames,
} from '../../protocol/membership/names.ts'
import type { SayingMember } from '../../protocol/membership/names.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'

const ACTOR = '0'.repeat(32) as ActorId

/** Names that collide, that look like numbers given to others, and some that nobody should have. */
const said = fc.oneof(
  fc.constantFrom('vm', 'VM', 'vm-2', 'vm-3', 'vm-2-2', ' vm', 'v\u200bm', '', '\u200b', '\u0007'),
  fc.constantFrom('x'.repeat(255), `${'x'.repeat(62)}-2`, '\u202evm', 'ﬁle', 'file'),
  fc.string({ maxLength: 255 }),
)
const members = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 100_000, max: 999_999 }),
    said,
    at: fc.integer({ min: 1, max: 9 }),
  }),
  { selector: ({ id }) => id, maxLength: 12 },
)

function member(id: number, name: string, at: number): SayingMember {
  const described = makeStamp(BigInt(at) as Hlc, ACTOR, 0)
  return { peer: `12D3KooW${'A'.repeat(36)}${id}` as PeerId, said: name, described }
}

test('no two members are shown by names that look the same, in whatever order they are known', () => {
  fc.assert(
    fc.property(members, fc.infiniteStream(fc.nat()), (some, chance) => {
      const all = some.map(({ id, said: name, at }) => member(id, name, at))
      const shown = shownNames(all)
      assert.equal(shown.size, all.length)
      assert.equal(new Set([...shown.values()].map(nameKey)).size, all.length)
      const shuffled = all
        .map((one) => [chance.next().value, one] as const)
        .sort(([a], [b]) => a - b)
        .map(([, one]) => one)
      const again = shownNames(shuffled)
      for (const { peer } of all) assert.equal(again.get(peer), shown.get(peer))
    }),
  )
})

test('who is shown by another name than it says has one that nobody says, and said it after another', () => {
  fc.assert(
    fc.property(members, (some) => {
      const all = some.map(({ id, said: name, at }) => member(id, name, at))
      const shown = shownNames(all)
      const keys = new Set(all.map((one) => nameKey(one.said)))
      for (const one of all) {
        const name = shown.get(one.peer) ?? ''
        if (name === one.said || nameKey(one.said) === '') continue
        assert.ok(!keys.has(nameKey(name)), `${name} is said by another`)
        assert.ok(Array.from(name).length <= MEMBER_NAME_MAX)
        const before = all.filter((other) => nameKey(other.said) === nameKey(one.said))
        assert.ok(before.some((other) => other.described <= one.described && other !== one))
      }
    }),
  )
})

test('the first to say a name has it, the others get the next free numbers', () => {
  const all = [member(1, 'vm', 3), member(2, 'vm', 1), member(3, 'vm-2', 9), member(4, 'vm', 2)]
  assert.deepEqual([...shownNames(all).values()].toSorted(), ['vm', 'vm-2', 'vm-3', 'vm-4'])
  assert.equal(shownNames(all).get(all[1]?.peer as PeerId), 'vm')
  assert.equal(shownNames(all).get(all[3]?.peer as PeerId), 'vm-3')
  assert.equal(freeName('vm', new Set(['vm', 'vm-2'])), 'vm-3')
  assert.equal(freeName('Db', new Set(['vm'])), 'Db')
})

test('a name that several say, or that looks like it, means none of them alone', () => {
  const peer = (id: number): PeerId => member(id, '', 1).peer
  const among = [
    { peer: peer(1), names: ['vm', 'vm'] },
    { peer: peer(2), names: ['vm-2', 'vm'] },
    { peer: peer(3), names: [peer(1), peer(1)] },
  ]
  const meant = (text: string): readonly PeerId[] => meantBy(text, among).map((one) => one.peer)
  assert.deepEqual(meant('vm'), [peer(1), peer(2)])
  assert.deepEqual(meant('VM'), [peer(1), peer(2)])
  assert.deepEqual(meant('vm-2'), [peer(2)])
  assert.deepEqual(meant(peer(1)), [peer(1)], 'not who is called by the id of another')
  assert.deepEqual(meant('nobody'), [])
})
