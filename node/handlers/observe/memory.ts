// Describes the memory of the node for status: each cache with its bound.
import { CHUNK_CACHE_BYTES } from '../../content/decoded-cache.ts'
import { DIRTY_BYTES_ALL } from '../../content/dirty-budget.ts'
import type { MemoryStatus } from '../../control/status.ts'
import type { HostedVolumes } from '../../volume/hosted-volumes.ts'

/** ofProcess: as the operating system, and the index, tell of it. */
export function memoryStatus(
  { caches, ...ofProcess }: MemoryStatus,
  { chunkBytes, unsavedBytes }: Pick<HostedVolumes, 'chunkBytes' | 'unsavedBytes'>,
): MemoryStatus {
  const own = [
    { name: 'chunks', bytes: chunkBytes, limitBytes: CHUNK_CACHE_BYTES },
    { name: 'unsaved', bytes: unsavedBytes, limitBytes: DIRTY_BYTES_ALL },
  ]
  return { ...ofProcess, caches: [...caches, ...own] }
}
