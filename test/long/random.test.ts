// Random tests once more, with far more seeds and runs.
import { EFFORT } from '../effort.ts'

process.env[EFFORT] = '20'
await import('../protocol/tree/made-up-ids.test.ts')
await import('../protocol/tree/random.test.ts')
await import('../protocol/tree/many-names.test.ts')
await import('../protocol/tree/purge.test.ts')
await import('../protocol/tree/crowded.test.ts')
await import('../protocol/tree/record-set.test.ts')
await import('../protocol/prolly.test.ts')
await import('../node/replica/removals-random.test.ts')
await import('../node/replica/cuts-random.test.ts')
await import('../node/replica/forks-random.test.ts')
await import('../node/shard-map/stripes-random.test.ts')
await import('../node/store/crash.test.ts')
await import('../node/store/kill.test.ts')
await import('../node/consensus/strong-hostile.test.ts')
