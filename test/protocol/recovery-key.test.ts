// Recovery keys as text: docs/formats/cold.md.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeGenesis } from '../../protocol/membership/genesis.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import type { WallTime } from '../../protocol/units.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const genesis = encodeGenesis({
  creator: identityFromSeed(new Uint8Array(32).fill(7)).peer,
  name: 'main',
  nonce: new Uint8Array(32),
  created: 0 as WallTime,
  chunk: '256k',
  hash: 'blake3',
})
const keys: fc.Arbitrary<RecoveryKey> = fc.record(
  {
    name: fc.constantFrom('recovery-2026-11-22', 'recovery-2026-11-22-2'),
    genesis: fc.constant(genesis),
    seed: bytes32,
    secrets: fc.array(fc.tuple(fc.nat(9), bytes32), { minLength: 1, maxLength: 5 }),
  },
  { noNullPrototype: true },
)

describe('a recovery key', () => {
  test('is read back from its text, in whatever case, with what else is typed around', () => {
    fc.assert(
      fc.property(keys, fc.boolean(), (key, isUpper) => {
        const text = formatRecoveryKey(key)
        const typed = isUpper ? text.toUpperCase() : text
        assert.deepEqual(parseRecoveryKey(typed.replaceAll('\n', ' \r\n\n')), key)
      }),
    )
  })

  test('in which a char is wrong is refused, and the line is named', () => {
    fc.assert(
      fc.property(keys, fc.nat(), fc.nat(30), (key, which, shift) => {
        const lines = formatRecoveryKey(key).trimEnd().split('\n')
        const first = lines.findIndex((line) => line.startsWith('1/'))
        const at = first + (which % (lines.length - first))
        const line = lines[at] ?? ''
        const place = line.indexOf(' ') + 1 + (which % 4)
        const digits = 'abcdefghijklmnopqrstuvwxyz234567'
        const wrong = digits[(digits.indexOf(line[place] ?? '') + 1 + shift) % 32] ?? ''
        lines[at] = line.slice(0, place) + wrong + line.slice(place + 1)
        assert.throws(() => parseRecoveryKey(lines.join('\n')), {
          code: 'malformed',
          message: new RegExp(`^line ${at - first + 1} of the recovery key is wrong`),
        })
      }),
    )
  })

  test('that lacks lines, has some in another order, or is something else is refused', () => {
    const secrets = [[1, new Uint8Array(32)]] as const
    const text = formatRecoveryKey({ name: 'n', genesis, seed: new Uint8Array(32), secrets })
    const lines = text.trimEnd().split('\n')
    const [third = '', fourth = ''] = lines.slice(6, 8)
    for (const [bad, message] of [
      [lines.slice(0, -1).join('\n'), /wrong or missing/],
      [[...lines, lines.at(-1)].join('\n'), /more after/],
      [text.replace(third, '').replace(fourth, `${fourth}\n${third}`), /line 3/],
      ['shoal1mfrgg', /no recovery key/],
      ['', /no recovery key/],
    ] as const)
      assert.throws(() => parseRecoveryKey(bad), { code: 'malformed', message })
  })
})
