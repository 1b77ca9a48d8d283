// How V8 counts buffers, which lie outside its heap. Plain JavaScript, for the first file that runs
// (shoal.mjs).
import v8 from 'node:v8'

/**
 * Let buffers count as what is in the heap does: garbage is collected when both have grown by a
 * share. Otherwise all of the heap is marked for each 64 MiB of buffers that were made, dead or
 * not: up to half of the processor time of moving large files.
 */
export function countBuffersAsHeap() {
  v8.setFlagsFromString('--external-memory-accounted-in-global-limit')
}
