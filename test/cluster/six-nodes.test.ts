// The main job, with as little data as shows it; test/long/six-nodes.test.ts takes more.
import { test } from 'node:test'
import { keepAllWithoutTwo } from './any-two-lost.ts'

const SIZE = { packages: ['mdns', 'logger'], filesMin: 40, bigMib: 8 }

test('six nodes keep every byte when any two are killed, say so when a third is, and recover', (t) =>
  keepAllWithoutTwo(t, SIZE))
