// Attestations (docs/formats/checkpoint.md): golden bytes, and what is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ATTESTATION_BYTES_MAX, attest, decodeAttestation } from '../../protocol/log/attestation.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { bytes } from './arbitraries.ts'
import { ALICE, BOB, OTHER_VOLUME, VOLUME, filled, toJson } from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const MALFORMED = { code: 'malformed' }
const STATE = {
  cut: toHex(filled(0xc0, 32)) as EntryHash,
  clear: toHex(filled(0xc1, 32)) as NodeHash,
  sealed: toHex(filled(0x5e, 32)) as NodeHash,
}
const OF_MEMBER = attest(ALICE, VOLUME, STATE)
const OF_KEEPER = attest(BOB, VOLUME, { ...STATE, sealed: undefined })

describe('attestation', () => {
  test('attestations have the bytes that docs/formats/checkpoint.md shows', () => {
    checkVectors('attestation', {
      aliceSeed: toHex(ALICE.seed),
      bobSeed: toHex(BOB.seed),
      volume: VOLUME,
      state: STATE,
      member: toHex(OF_MEMBER.bytes),
      keeper: toHex(OF_KEEPER.bytes),
    })
  })

  test('an attestation comes back from its bytes', () => {
    const anyRoot = fc.option(
      bytes(32).map((root) => toHex(root) as NodeHash),
      { nil: undefined },
    )
    fc.assert(
      fc.property(bytes(32), anyRoot, anyRoot, (cut, clear, sealed) => {
        const made = attest(ALICE, VOLUME, { cut: toHex(cut) as EntryHash, clear, sealed })
        assert.ok(made.bytes.length <= ATTESTATION_BYTES_MAX)
        assert.deepEqual(toJson(decodeAttestation(made.bytes, VOLUME)), toJson(made))
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  test('it is signed for one volume, by the key that it names, and for nothing else', () => {
    const signed = concatBytes([
      fromHex(VOLUME),
      encodeCbor([
        1,
        ALICE.publicKey,
        fromHex(STATE.cut),
        fromHex(STATE.clear),
        fromHex(STATE.sealed),
      ]),
    ])
    const withSignature = (signature: Uint8Array): Uint8Array =>
      encodeCbor((decodeCbor(OF_MEMBER.bytes, 'attestation') as unknown[]).with(5, signature))
    decodeAttestation(withSignature(ALICE.sign('shoal/attestation/1', signed)), VOLUME)
    const forged = [
      BOB.sign('shoal/attestation/1', signed),
      ALICE.sign('shoal/beacon/1', signed),
      ALICE.sign('shoal/attestation/1', signed.subarray(32)),
      new Uint8Array(64),
    ]
    for (const signature of forged)
      assert.throws(() => decodeAttestation(withSignature(signature), VOLUME), {
        code: 'bad-signature',
      })
    assert.throws(() => decodeAttestation(OF_MEMBER.bytes, OTHER_VOLUME), { code: 'bad-signature' })
  })

  test('hostile bytes are refused and do nothing else', () => {
    assertRefusesOnly(
      (wire) => decodeAttestation(wire, VOLUME),
      [OF_MEMBER.bytes, OF_KEEPER.bytes],
      { codes: ['malformed', 'unsupported', 'bad-signature'] },
    )
    const fields = decodeCbor(OF_MEMBER.bytes, 'attestation') as unknown[]
    for (const bad of [fields.with(3, filled(1, 31)), fields.with(2, null), fields.slice(0, 5)])
      assert.throws(() => decodeAttestation(encodeCbor(bad), VOLUME), MALFORMED)
    assert.throws(() => decodeAttestation(encodeCbor(fields.with(0, 2)), VOLUME), {
      code: 'unsupported',
    })
    const padded = encodeCbor([...fields, filled(0, ATTESTATION_BYTES_MAX)])
    assert.throws(() => decodeAttestation(padded, VOLUME), MALFORMED)
  })
})
