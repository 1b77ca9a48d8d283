// The parts that every operation works on, and the report of its failure.
import type { FileSystem, Maker } from '../../../file-system.ts'
import type { OperationName } from '../binding.ts'
import type { Handles } from '../handles.ts'
import type { Paths } from '../paths.ts'

export interface Served {
  readonly fileSystem: FileSystem
  readonly paths: Paths
  readonly handles: Handles
  /**
   * Whoever mounted: libfuse knows who asks, but fuse-native does not say. The umask is applied by
   * the kernel.
   */
  readonly maker: Maker
  /** Aborts when nobody waits for answers any more. */
  readonly signal: AbortSignal
}

/** An operation's result (0, or bytes), and what else is answered. */
export type Reply = readonly [result: number, ...outs: readonly unknown[]]

export interface Operation {
  /** `call` is the C structure of the call (fuse_thread_locals_t). A failure is thrown. */
  readonly run: (call: Buffer, ...args: never[]) => Promise<Reply>
  /** Further arguments of the answer to a failure: fuse-native hangs or aborts without. */
  readonly failed: (...args: never[]) => readonly unknown[]
}

export type Operations = Readonly<Partial<Record<OperationName, Operation>>>

export const DONE: Reply = [0]

export function nothing(): readonly unknown[] {
  return []
}
