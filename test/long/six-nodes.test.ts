// The main job with thousands of files and more data than a memory cache holds: ten minutes beside
// other work, where the short one in test/cluster shows the same in two.
import { test } from 'node:test'
import { keepAllWithoutTwo } from '../cluster/any-two-lost.ts'

const PACKAGES = [
  'utils',
  'crypto',
  'kad-dht',
  'gossipsub',
  'interface',
  'peer-store',
  'peer-record',
  'identify',
]

test('six nodes with much data keep every byte when any two are killed', (t) =>
  keepAllWithoutTwo(t, { packages: PACKAGES, filesMin: 2000, bigMib: 256 }))
