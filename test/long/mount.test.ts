// Tests of the mount once more, with five times as many files, writers and steps: some minutes.
import { EFFORT } from '../effort.ts'

process.env[EFFORT] = '5'
await import('../mount/robust.test.ts')
await import('../mount/model.test.ts')
