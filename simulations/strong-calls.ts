// Strong calls of users, and the history of them all: what was asked when, and what was answered. A
// path under /strong is a register whose value is the size of the file there, or a lock that is
// taken by making a folder.
import { hasCode } from '../protocol/errors.ts'
import { CheckError } from './check-error.ts'
import { checkLinearizable } from './linearizability.ts'
import type { Contents } from './content.ts'
import type { Call, Operation, Value } from './linearizability.ts'
import type { SeededRandom } from './random.ts'
import type { NodeApi } from '../node/control/api.ts'

/** One strong call. The folder of a lock has no size. */
export interface StrongOp {
  readonly kind: 'strong'
  readonly call: 'read' | 'write' | 'lock' | 'remove'
  readonly path: string
  readonly sizeBytes?: number
}

/** The folder of strong calls, which has nothing else. */
export const STRONG_FOLDER = 'strong'
const REGISTERS = ['a', 'b'] as const
const LOCKS = ['lock'] as const
const LOCKED: Value = 'folder'
const STRONG = { consistency: 'strong' } as const

export function chooseStrong(random: SeededRandom, contents: Contents): StrongOp {
  const kind = 'strong'
  const fate = random.number()
  if (fate < 0.35) {
    const path = `/${STRONG_FOLDER}/${random.pick(LOCKS)}`
    const call = fate < 0.15 ? 'lock' : fate < 0.25 ? 'remove' : 'read'
    return { kind, call, path }
  }
  const path = `/${STRONG_FOLDER}/${random.pick(REGISTERS)}`
  if (fate < 0.65) return { kind, call: 'read', path }
  if (fate < 0.72) return { kind, call: 'remove', path }
  return { kind, call: 'write', path, sizeBytes: contents.freshSize(random) }
}

export class StrongHistory {
  readonly #operations: Operation[] = []
  readonly #contents: Contents
  readonly #nowMs: () => number

  constructor(components: { readonly contents: Contents; readonly nowMs: () => number }) {
    this.#contents = components.contents
    this.#nowMs = components.nowMs
  }

  /** Make a call by `ask`, and remember it with its outcome. throws what the call throws. */
  async make(
    op: StrongOp,
    process: string,
    ask: (run: (api: NodeApi) => Promise<Value>) => Promise<Value>,
  ): Promise<void> {
    const invokeMs = this.#nowMs()
    const add = (call: Call, outcome: Operation['outcome'], value?: Value): void => {
      const returnMs = this.#nowMs()
      this.#operations.push({ process, key: op.path, call, invokeMs, returnMs, outcome, value })
    }
    try {
      add(callOf(op), 'ok', await ask((api) => this.#run(api, op)))
    } catch (error) {
      if (op.call === 'remove' && hasCode(error, 'ENOENT')) add({ f: 'read' }, 'ok')
      else if (op.call === 'lock' && hasCode(error, 'EEXIST')) add(callOf(op), 'refused')
      else add(callOf(op), hasCode(error, 'NO_QUORUM') ? 'fail' : 'info')
      throw error
    }
  }

  /** throws CheckError if no order of the calls explains their outcomes. */
  check(): void {
    const verdict = checkLinearizable(this.#operations)
    if (verdict.linearizable) return
    const { key, stuckAt } = verdict
    const calls = this.#operations.filter((operation) => operation.key === key).map(describe)
    const what = `${key} cannot be explained at ${describe(stuckAt)}, of:\n${calls.join('\n')}`
    throw new CheckError('28 strong calls are one sequence', what)
  }

  async #run(api: NodeApi, { call, path, sizeBytes = 0 }: StrongOp): Promise<Value> {
    switch (call) {
      case 'read':
        return await valueAt(api, path)
      case 'write':
        await api.writeFile(path, once(this.#contents.bytes(sizeBytes)), {}, STRONG)
        return undefined
      case 'lock':
        await api.makeFolder(path, STRONG)
        return undefined
      case 'remove':
        await api.remove(path, STRONG)
        return undefined
    }
  }
}

function callOf({ call, sizeBytes }: StrongOp): Call {
  switch (call) {
    case 'read':
      return { f: 'read' }
    case 'write':
      return { f: 'write', value: String(sizeBytes) }
    case 'lock':
      return { f: 'cas', from: undefined, to: LOCKED }
    case 'remove':
      return { f: 'write', value: undefined }
  }
}

async function valueAt(api: NodeApi, path: string): Promise<Value> {
  try {
    const { kind, sizeBytes } = await api.stat(path, STRONG)
    return kind === 'folder' ? LOCKED : String(sizeBytes)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function describe({ process, call, outcome, value, invokeMs, returnMs }: Operation): string {
  const asked = Object.values(call).join(' ')
  return `${invokeMs.toFixed(1)}..${returnMs.toFixed(1)} ${process}: ${asked} ${outcome} ${value ?? ''}`
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
