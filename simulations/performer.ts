// Has scripts performed in a thread of its own, with modules of its own; a new thread when one is stuck or has died.
import { Worker } from 'node:worker_threads'
import { MINUTE_MS } from '../protocol/units.ts'
import type { InvariantId } from './check-error.ts'
import type { RunResult } from './perform.ts'
import type { Script, Step } from './script.ts'

/** Real time that a script may take. */
const LIMIT_MS: number = 20 * MINUTE_MS

export interface Request {
  readonly script: Script
  /** Send what is done to the nodes and what they log; each line of the trace. */
  readonly tells: boolean
  readonly records: boolean
}

export type Reply =
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'passed'; readonly result: RunResult }
  | Failure

export interface Failure {
  readonly kind: 'failed'
  readonly invariant: InvariantId
  readonly message: string
  /** The steps that were begun, as they were decided: they make a script that needs no draws. */
  readonly decided: readonly Step[]
}

/** What became of a script, and the real time it took. */
export type Outcome = { readonly tookMs: number } & (
  { readonly kind: 'passed'; readonly result: RunResult } | Failure
)

export interface RequestOptions {
  readonly tells?: boolean
  readonly records?: boolean
  readonly print?: (line: string) => void
}

export class Performer {
  readonly #mutation: string | undefined
  #worker: Worker | undefined

  /** mutation: a bug to put in. */
  constructor(mutation?: string) {
    this.#mutation = mutation
  }

  /** One at a time. */
  async perform(script: Script, options: RequestOptions = {}): Promise<Outcome> {
    const { tells = false, records = false, print = console.log } = options
    const worker = (this.#worker ??= this.#start())
    const startedMs = performance.now()
    const answered = Promise.withResolvers<Extract<Reply, { kind: 'passed' | 'failed' }>>()
    const failed = (message: string): void =>
      answered.resolve({ kind: 'failed', invariant: 'nothing else fails', message, decided: [] })
    const onMessage = (reply: Reply): void => {
      if (reply.kind === 'line') print(reply.line)
      else answered.resolve(reply)
    }
    const onExit = (): void => {
      this.#worker = undefined
      failed('the thread of the simulation has ended')
    }
    const onError = (error: Error): void => failed(error.stack ?? error.message)
    worker.on('message', onMessage).on('exit', onExit).on('error', onError)
    const timer = setTimeout(() => {
      failed(`not done after ${LIMIT_MS / MINUTE_MS} minutes of real time`)
      void worker.terminate()
    }, LIMIT_MS)
    worker.postMessage({ script, tells, records } satisfies Request)
    const reply = await answered.promise
    clearTimeout(timer)
    worker.off('message', onMessage).off('exit', onExit).off('error', onError)
    return { ...reply, tookMs: performance.now() - startedMs }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const url = new URL('./seed-worker.ts', import.meta.url)
    const worker = new Worker(url, { workerData: { mutation: this.#mutation } })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    return worker
  }
}
