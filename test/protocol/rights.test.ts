// The kinds of ops that each role may make: an appender those that add, and none by which anything
// is given up that others rely on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayMake } from '../../protocol/membership/rights.ts'
import { ROLES } from '../../protocol/roles.ts'
import type { Role } from '../../protocol/roles.ts'
import { EXAMPLES } from './op-examples.ts'
import { ALICE, BOB, CAROL } from './fixtures.ts'

/** Kinds of ops of which an example may be made in a role, by somebody whom none is about. */
function kindsOf(role: Role): ReadonlySet<string> {
  const ops = Object.values(EXAMPLES).filter((op) => !('peer' in op && op.peer === CAROL.peer))
  return new Set(ops.filter((op) => mayMake(op, CAROL.peer, role)).map(({ kind }) => kind))
}

const ADDING = [
  'attributes',
  'create',
  'doubt',
  'drop-version',
  'link',
  'mass-loss',
  'mkdir',
  'move',
  'move-dir',
  'read',
  'rmdir',
  'shards',
  'stripe',
  'unlink',
  'version',
  'xattr',
]
const GIVING_UP = ['checkpoint', 'cold', 'condemn', 'pin', 'pin-cold', 'restated', 'sweep']

test('an appender may make ops that add, and none that a writer gives things up by', () => {
  assert.deepEqual([...kindsOf('appender')].sort(), ADDING)
  assert.deepEqual([...kindsOf('writer')].sort(), [...ADDING, ...GIVING_UP].sort())
})

test('each role may all that the ones below it may', () => {
  const [admin, ...others] = ROLES.filter((role) => role !== 'keeper')
  assert.equal(admin, 'admin')
  for (const [at, role] of others.entries()) {
    const above = kindsOf(at === 0 ? 'admin' : (others[at - 1] ?? 'admin'))
    assert.ok(kindsOf(role).isSubsetOf(above), role)
  }
})

test('an appender says of itself what others do, but neither backups nor that it leaves', () => {
  for (const [name, op] of Object.entries(EXAMPLES)) {
    const isOwn = [ALICE, BOB, CAROL].some(({ peer }) => 'peer' in op && op.peer === peer)
    if (!isOwn || !('peer' in op)) continue
    const asWriter = mayMake(op, op.peer, 'writer')
    const asAppender = mayMake(op, op.peer, 'appender')
    const isRefused = ['backup', 'snapshot', 'snapshot-rm', 'remove-member'].includes(op.kind)
    assert.equal(asAppender, asWriter && !isRefused, name)
  }
})
