// A thread that performs years of swarms that store, one at a time, and answers with what became of
// each. Modules are patched before any of the nodes' code is loaded: what fifty nodes would compute
// alike is computed once; where asked for, a fault is planted.
import { parentPort, workerData } from 'node:worker_threads'
import { patchSource } from '../patches.ts'
import { plantFault } from '../../protocol/planted-faults.ts'
import { faultNamed } from '../mutations.ts'
import { SHARED, STORAGE_MUTATIONS } from './mutations.ts'
import type { Reply, Request } from '../performer.ts'
import type { StoragePlan } from './plan.ts'
import type { YearResult } from './year.ts'

const { mutation } = workerData as { readonly mutation: string | undefined }
for (const patch of SHARED) patchSource(patch)
if (mutation !== undefined) plantFault(faultNamed(mutation, STORAGE_MUTATIONS))
const { Year } = await import('./year.ts')
const { invariantOf } = await import('../check-error.ts')

const reply = (message: Reply<YearResult>): void => parentPort?.postMessage(message)

const fail = (error: unknown): void => {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  reply({ kind: 'failed', invariant: invariantOf(error), message, decided: [] })
}

// What nobody awaited fails the run too. It may go on in the background: this thread has had its
// time.
process.on('uncaughtException', (error) => {
  fail(error)
  process.exit(1)
})

parentPort?.on('message', ({ script, tells, records }: Request<StoragePlan>) => {
  const print = (line: string): void => reply({ kind: 'line', line })
  const year = new Year(script, {
    tell: tells ? print : undefined,
    record: records ? print : undefined,
  })
  year.run().then((result) => reply({ kind: 'passed', result }), fail)
})
