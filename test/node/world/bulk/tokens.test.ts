// Tokens of bulk connections: good once, soon, for their peer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BulkTokens, TOKEN_MS } from '../../../../node/world/bulk/tokens.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { KNOCK_BYTES, TOKEN_BYTES } from '../../../../protocol/wire/bulk.ts'
import type { PeerId } from '../../../../protocol/ids.ts'
import type { Instant } from '../../../../protocol/units.ts'

const [A, B] = ['a' as PeerId, 'b' as PeerId]

function tokens(): { readonly of: BulkTokens; readonly clock: { now: number } } {
  const clock = { now: 1000 }
  let next = 0
  const of = new BulkTokens({
    now: () => clock.now as Instant,
    bytes: (length) => new Uint8Array(length).fill(++next),
  })
  return { of, clock }
}

function knock(token: Uint8Array): string {
  return toHex(token.subarray(0, KNOCK_BYTES))
}

describe('tokens of bulk connections', () => {
  test('one is good once, and names its peer and its secret', () => {
    const { of } = tokens()
    const token = of.issue(A)
    assert.equal(token.length, TOKEN_BYTES)
    const redeemed = of.redeem(knock(token))
    assert.equal(redeemed?.peer, A)
    assert.deepEqual(redeemed.secret, token.slice(KNOCK_BYTES))
    assert.equal(of.redeem(knock(token)), undefined)
  })

  test('one is good until it is too late', () => {
    const { of, clock } = tokens()
    const [early, late] = [of.issue(A), of.issue(A)]
    clock.now += TOKEN_MS - 1
    assert.equal(of.redeem(knock(early))?.peer, A)
    clock.now += 1
    assert.equal(of.redeem(knock(late)), undefined)
  })

  test('a peer has two at a time, and the oldest gives way to its own alone', () => {
    const { of } = tokens()
    const other = of.issue(B)
    const [first, second, third] = [of.issue(A), of.issue(A), of.issue(A)]
    assert.equal(of.redeem(knock(first)), undefined)
    for (const token of [second, third]) assert.equal(of.redeem(knock(token))?.peer, A)
    assert.equal(of.redeem(knock(other))?.peer, B)
  })

  test('those of a peer that is gone are void', () => {
    const { of } = tokens()
    const [gone, kept] = [of.issue(A), of.issue(B)]
    of.forget(A)
    assert.equal(of.redeem(knock(gone)), undefined)
    assert.equal(of.redeem(knock(kept))?.peer, B)
  })
})
