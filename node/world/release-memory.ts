// Returns memory of this process to the kernel: garbage of JavaScript with the room for young
// objects, and pages of malloc with nothing on them.
import v8 from 'node:v8'
import vm from 'node:vm'
import { SECOND_MS } from '../../protocol/units.ts'
import { pageBuffers } from './page-buffers.ts'
import type { Clock } from './world.ts'
import type { ProcessUse } from './idle-memory.ts'

/** glibc, from version 2.8 on: of all arenas. */
type MallocTrim = (keptBytes: number) => number

/** V8's threads have swept by then. */
const SWEPT_MS: number = 2 * SECOND_MS

/** Takes some ten milliseconds, twice, in which nothing else is done. */
export async function releaseMemory(clock: Pick<Clock, 'sleep'>): Promise<void> {
  pageBuffers.release()
  v8.setFlagsFromString('--expose-gc')
  const collect: unknown = vm.runInNewContext('gc')
  v8.setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') collect()
  await clock.sleep(SWEPT_MS)
  const trim = await loadMallocTrim()
  trim?.(0)
}

/** In use, and what JavaScript has of it: in its heap, and outside. */
export function processMemory(): {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
} {
  const { rss, heapTotal, external } = process.memoryUsage()
  return { residentBytes: rss, heapBytes: heapTotal, externalBytes: external }
}

export function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage()
  return { residentBytes: process.memoryUsage.rss(), processorMs: (user + system) / 1000 }
}

/** Undefined where the optional package koffi is missing, or the C library has no such thing. */
async function loadMallocTrim(): Promise<MallocTrim | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    return koffi.load(null).func('int malloc_trim(size_t)') as MallocTrim
  } catch {
    // koffi is optional
    return undefined
  }
}
