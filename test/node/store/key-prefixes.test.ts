// No table takes keys of another: of two prefixes in one key space neither begins the other, but
// for those named here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATE_PREFIXES, STORE_PREFIXES } from '../../../node/store/key-prefixes.ts'
import { TREE_PREFIXES } from '../../../protocol/tree/key-prefixes.ts'
import { files } from '../../sources.ts'

/** Single records, and tables whose keys all go on with something else. */
const WITHIN: ReadonlySet<string> = new Set(['D Dx'])

test('no key prefix of a key space is the beginning of another', () => {
  const spaces = [
    Object.values<string>(STORE_PREFIXES),
    Object.values<string>({ ...STATE_PREFIXES, ...TREE_PREFIXES }),
  ]
  const colliding = spaces.flatMap((space) =>
    space.flatMap((one, at) =>
      space
        .filter((other, otherAt) => at !== otherAt && other.startsWith(one))
        .map((other) => `${one} ${other}`),
    ),
  )
  assert.deepEqual(
    colliding.filter((pair) => !WITHIN.has(pair)),
    [],
  )
  assert.equal(
    new Set(Object.keys({ ...STATE_PREFIXES, ...TREE_PREFIXES })).size,
    Object.keys(STATE_PREFIXES).length + Object.keys(TREE_PREFIXES).length,
  )
})

test('every prefix is declared in the registry', () => {
  const elsewhere = files
    .filter(({ path }) => /^(node|protocol)\//.test(path) && !path.endsWith('key-prefixes.ts'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/^(?:export )?const \w+: ByteString = '[^'\\]+'/gm)].map(
        ([line]) => `${path}: ${line}`,
      ),
    )
  assert.deepEqual(elsewhere, [])
})
