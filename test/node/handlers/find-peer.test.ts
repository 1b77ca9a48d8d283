// The members that people mean by a name: members choose their names, and one may have that of
// another, or its id.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findPeer } from '../../../node/handlers/find-peer.ts'
import type { Volumes } from '../../../node/log/volumes.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const ANNA = '12D3KooWAnnaAnnaAnnaAnnaAnnaAnnaAnnaAnnaAnnaaaaa' as PeerId
const MALLORY = '12D3KooWMallMallMallMallMallMallMallMallMallzzzz' as PeerId

function find(text: string, names: Readonly<Record<string, string>>): PeerId {
  const member = (peer: PeerId): unknown => ({
    name: names[peer],
    said: names[peer],
    role: 'writer',
  })
  const volumes = { all: () => [{ name: 'main', volume: { membership: { member } } }] }
  return findPeer(text, [ANNA, MALLORY], volumes as unknown as Volumes)
}

test('a member named like the id of another, or like its end, is not taken for it', () => {
  assert.equal(find('anna', { [ANNA]: 'anna', [MALLORY]: 'm' }), ANNA)
  assert.equal(find('aaaa', { [ANNA]: 'anna', [MALLORY]: 'm' }), ANNA)
  assert.equal(find(ANNA, { [ANNA]: 'anna', [MALLORY]: ANNA }), ANNA)
  const end = ANNA.slice(-8)
  assert.throws(() => find(end, { [ANNA]: 'anna', [MALLORY]: end }), /use the id/)
  assert.throws(() => find('anna', { [ANNA]: 'anna', [MALLORY]: 'anna' }), /use the id/)
})

test('who may be meant is listed, each with its id and its role', () => {
  assert.throws(() => find('vm', { [ANNA]: 'vm', [MALLORY]: 'vm' }), {
    code: 'no-such-peer',
    message:
      `"vm" may be vm (${ANNA}, writer of main) or vm (${MALLORY}, writer of main); ` +
      'use the id, or its last 8 characters',
  })
  assert.throws(() => find('ben', { [ANNA]: 'vm', [MALLORY]: 'vm' }), /no peer "ben"; see/)
})
