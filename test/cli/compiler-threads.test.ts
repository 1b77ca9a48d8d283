// The flags of V8 that keep its threads from making objects change while such threads are at work:
// that ends no process. In the other order some of these runs end with a failed check.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const RUNS = 40
const SOURCE = `
import { keepCodeOnMainThread } from '${new URL('../../cli/compiler-threads.mjs', import.meta.url).href}'
const body = (i) => 'let s = ' + i + '; for (let j = 0; j < 30; j++) { s = (s * 31 + a.x + j * b) % ' +
  (i + 7) + '; if (s === 3) s += a.y.length; const o = { s, j, a }; if (o.s < 0) throw o } return s'
const functions = Array.from({ length: 60 }, (_, i) => new Function('a', 'b', body(i)))
const run = (k) => { for (const f of functions) f({ x: k, y: 'abc' }, k) }
const until = performance.now() + 5 + 15 * Number(process.argv[1])
for (let k = 0; performance.now() < until; k++) run(k)
keepCodeOnMainThread()
for (let k = 0; k < 50; k++) run(k)
`

test('V8 threads that compile finish their work when told to start no more', () => {
  const signals = Array.from({ length: RUNS }, (_, run) => {
    const flags = ['--input-type=module', '--eval', SOURCE, String(run / RUNS)]
    return spawnSync(process.execPath, flags).signal
  })
  assert.deepEqual(new Set(signals), new Set([null]))
})
