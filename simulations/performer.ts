// Has scripts, or other tasks, performed in a thread of its own, with modules of its own; a new
// thread when one is stuck or has died.
import { Worker } from 'node:worker_threads'
import { MINUTE_MS } from '../protocol/units.ts'
import type { InvariantId } from './check-error.ts'
import type { RunResult } from './perform.ts'
import type { Script, Step } from './script.ts'

/**
 * Real time that a script may take; what nodes tell each other grows with the square of their
 * number.
 */
const LIMIT_MS: number = 20 * MINUTE_MS
const LIMIT_NODES = 50
/**
 * Memory that a thread may take: Node's usual 4 GB, and more where many nodes each know of all
 * others.
 */
const HEAP_MB_MIN = 4096
const HEAP_MB_NODE = 60

export interface Request<Task = Script> {
  readonly script: Task
  /** Send what is done to the nodes and what they log; each line of the trace. */
  readonly tells: boolean
  readonly records: boolean
}

export type Reply<Result = RunResult> =
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'passed'; readonly result: Result }
  | Failure

export interface Failure {
  readonly kind: 'failed'
  readonly invariant: InvariantId
  readonly message: string
  /** The steps that were begun, as they were decided: they make a script that needs no draws. */
  readonly decided: readonly Step[]
}

/** The outcome of a script, and the real time it took. */
export type Outcome<Result = RunResult> = { readonly tookMs: number } & (
  { readonly kind: 'passed'; readonly result: Result } | Failure
)

export interface RequestOptions {
  readonly tells?: boolean
  readonly records?: boolean
  readonly print?: (line: string) => void
}

export class Performer<Task extends Pick<Script, 'nodeCount'> = Script, Result = RunResult> {
  readonly #mutation: string | undefined
  readonly #url: URL
  #worker: Worker | undefined

  /** mutation: a bug to put in. url: of the module that performs. */
  constructor(mutation?: string, url: URL = new URL('./seed-worker.ts', import.meta.url)) {
    this.#mutation = mutation
    this.#url = url
  }

  /** One at a time. */
  async perform(script: Task, options: RequestOptions = {}): Promise<Outcome<Result>> {
    const { tells = false, records = false, print = console.log } = options
    const worker = (this.#worker ??= this.#start(script.nodeCount))
    const startedMs = performance.now()
    const answered = Promise.withResolvers<Exclude<Reply<Result>, { kind: 'line' }>>()
    const failed = (message: string): void =>
      answered.resolve({ kind: 'failed', invariant: 'nothing else fails', message, decided: [] })
    const onMessage = (reply: Reply<Result>): void => {
      if (reply.kind === 'line') print(reply.line)
      else answered.resolve(reply)
    }
    const onExit = (): void => {
      this.#worker = undefined
      failed('the thread of the simulation has ended')
    }
    const onError = (error: Error): void => failed(error.stack ?? error.message)
    worker.on('message', onMessage).on('exit', onExit).on('error', onError)
    const limitMs = LIMIT_MS * Math.max(1, script.nodeCount / LIMIT_NODES) ** 2
    const timer = setTimeout(() => {
      failed(`not done after ${Math.round(limitMs / MINUTE_MS)} minutes of real time`)
      if (this.#worker === worker) this.#worker = undefined
      void worker.terminate()
    }, limitMs)
    worker.postMessage({ script, tells, records } satisfies Request<Task>)
    const reply = await answered.promise
    clearTimeout(timer)
    worker.off('message', onMessage).off('exit', onExit).off('error', onError)
    return { ...reply, tookMs: performance.now() - startedMs }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(nodeCount: number): Worker {
    const worker = new Worker(this.#url, {
      workerData: { mutation: this.#mutation },
      resourceLimits: {
        maxOldGenerationSizeMb: Math.max(HEAP_MB_MIN, HEAP_MB_NODE * nodeCount),
      },
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    return worker
  }
}
