// A thread that fuzzes one target for a while, with little memory. What it is about to try stands
// in shared memory: it may not come back from that.
import { parentPort, workerData } from 'node:worker_threads'
import { SeededRandom } from '../../simulations/random.ts'
import { TARGETS } from './all-targets.ts'
import { Fuzzer } from './fuzzer.ts'
import type { Finding } from './fuzzer.ts'

export interface Task {
  readonly target: string
  readonly seed: string
  readonly seconds: number
  /** Two words, the number of the input and its length; then the input. */
  readonly shared: SharedArrayBuffer
}

export interface Report {
  readonly inputs: number
  readonly seconds: number
  readonly findings: readonly Finding[]
  /** The smallest input of each way through the target. */
  readonly ways: readonly Uint8Array[]
}

const FINDINGS_MAX = 10
const HEAD_BYTES = 8

const { target: name, seed, seconds, shared } = workerData as Task
const target = TARGETS.find((one) => one.name === name)
if (target === undefined) throw new Error(`no target ${name}`)
const words = new Int32Array(shared, 0, 2)
const room = new Uint8Array(shared, HEAD_BYTES)
const fuzzer = new Fuzzer(target, new SeededRandom(seed, name))
const findings: Finding[] = await fuzzer.replay()
const startedMs = performance.now()
while (performance.now() - startedMs < seconds * 1000 && findings.length < FINDINGS_MAX) {
  const found = await fuzzer.step((input) => {
    const length = Math.min(input.length, room.length)
    room.set(input.subarray(0, length))
    words[1] = length
    Atomics.add(words, 0, 1)
  })
  findings.push(...found)
}
const report: Report = {
  inputs: fuzzer.count,
  seconds: (performance.now() - startedMs) / 1000,
  findings,
  ways: [...fuzzer.ways.values()],
}
parentPort?.postMessage(report)
