// A thread that performs hostile plans, one at a time, and answers with what became of each. As in
// ../seed-worker.ts signatures are made cheap before any of the nodes' code is loaded; nobody signs
// in the name of another.
import { parentPort } from 'node:worker_threads'
import { signCheaply } from '../patches.ts'
import type { Reply, Request } from '../performer.ts'
import type { HostilePlan } from './plan.ts'
import type { HostileResult } from './run.ts'

signCheaply()
const { performHostile } = await import('./run.ts')
const { invariantOf } = await import('../check-error.ts')

const reply = (message: Reply<HostileResult>): void => parentPort?.postMessage(message)

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

parentPort?.on('message', ({ script, tells, records }: Request<HostilePlan>) => {
  const print = (line: string): void => reply({ kind: 'line', line })
  const options = { tell: tells ? print : undefined, record: records ? print : undefined }
  performHostile(script, options).then((result) => reply({ kind: 'passed', result }), fail)
})
