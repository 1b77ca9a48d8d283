// One input given to a target, watched: it returns or throws a ShoalError of a code that is known
// for it, within its share of processor time and of memory; anything else is a finding.
import { getHeapStatistics } from 'node:v8'
import { ShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'

/** A decoder of foreign bytes. */
export interface Target {
  readonly name: string
  readonly run: (input: Uint8Array) => unknown
  /** Honest messages. */
  readonly honest: () => readonly Uint8Array[]
  /** How it may refuse. */
  readonly codes?: readonly ErrorCode[]
  /** Processor time and memory that an input may take. */
  readonly cpuMsMax?: number
  readonly memoryBytesMax?: number
}

/**
 * The outcome of an input: how it was taken or refused, in words that tell ways through the code
 * apart.
 */
export interface Outcome {
  readonly way: string
  readonly finding: string | undefined
}

const CODES: readonly ErrorCode[] = ['malformed', 'unsupported', 'bad-signature', 'corrupt']
const CPU_MS_MAX = 250
const MEMORY_BYTES_MAX: number = 48 * MIB

export async function watch(target: Target, input: Uint8Array): Promise<Outcome> {
  const { codes = CODES, cpuMsMax = CPU_MS_MAX, memoryBytesMax = MEMORY_BYTES_MAX } = target
  const heldBefore = heldBytes()
  const cpuBefore = process.threadCpuUsage()
  let way = 'taken'
  let finding: string | undefined
  try {
    const result = target.run(input)
    if (result instanceof Promise) await result
  } catch (error) {
    way = wayOf(error)
    if (!(error instanceof ShoalError)) finding = `threw ${describe(error)}`
    else if (!codes.includes(error.code)) finding = `refused with ${error.code}: ${error.message}`
  }
  const { user, system } = process.threadCpuUsage(cpuBefore)
  const cpuMs = (user + system) / 1000
  // Less, if it was collected meanwhile.
  const grown = heldBytes() - heldBefore
  if (cpuMs > cpuMsMax) finding ??= `took ${Math.round(cpuMs)} ms of processor time`
  if (grown > memoryBytesMax) finding ??= `took ${Math.round(grown / MIB)} MiB of memory`
  return { way, finding }
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

/**
 * Messages name what they are about: without names, numbers and bytes they tell which check it was.
 */
function wayOf(error: unknown): string {
  if (!(error instanceof ShoalError)) return describe(error)
  return `${error.code}: ${error.message.replace(/"[^"]*"|[0-9a-f]{8,}|\d+|[A-Za-z0-9]{30,}/g, '')}`.slice(
    0,
    200,
  )
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
