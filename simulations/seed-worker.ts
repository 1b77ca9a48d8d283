// A thread that performs scripts, one at a time, and answers with what became of each. Signatures
// are made cheap before any of the nodes' code is loaded; where asked for, a fault is planted.
import { parentPort, workerData } from 'node:worker_threads'
import { plantFault } from '../protocol/planted-faults.ts'
import { faultNamed } from './mutations.ts'
import { signCheaply } from './patches.ts'
import type { Request, Reply } from './performer.ts'
import type { Step } from './script.ts'

const { mutation } = workerData as { readonly mutation: string | undefined }
signCheaply()
if (mutation !== undefined) plantFault(faultNamed(mutation))
const { perform } = await import('./perform.ts')
const { invariantOf } = await import('./check-error.ts')

/** The decisions of the run under way. */
let decided: Step[] = []

const reply = (message: Reply): void => parentPort?.postMessage(message)

const fail = (error: unknown): void => {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  reply({ kind: 'failed', invariant: invariantOf(error), message, decided })
}

// What nobody awaited fails the run too. It may go on in the background: this thread has had its
// time.
process.on('uncaughtException', (error) => {
  fail(error)
  process.exit(1)
})

parentPort?.on('message', ({ script, tells, records }: Request) => {
  decided = []
  const print = (line: string): void => reply({ kind: 'line', line })
  perform(script, {
    tell: tells ? print : undefined,
    record: records ? print : undefined,
    decided: (step) => decided.push(step),
  }).then((result) => reply({ kind: 'passed', result }), fail)
})
