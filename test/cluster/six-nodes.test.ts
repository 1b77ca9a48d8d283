// The main job, with as little data as shows it; test/long/six-nodes.test.ts takes more.
import { test } from 'node:test'
import { keepAllWithoutTwo } from './any-two-lost.ts'

const SIZE = { packages: ['mdns', 'logger'], filesMin: 40, bigMib: 8 }

test('six nodes survive the loss of any two, report the loss of a third, and recover', (t) =>
  keepAllWithoutTwo(t, SIZE))
