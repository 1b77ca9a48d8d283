// Preloaded into a command: a thread that no exit(3) can end, since it waits in the kernel for a
// writer of a fifo, and enough work that the command is no short one.
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker, isMainThread } from 'node:worker_threads'

if (isMainThread) {
  const fifo = join(mkdtempSync(join(tmpdir(), 'shoal-fifo-')), 'fifo')
  execFileSync('mkfifo', [fifo])
  const source = "require('fs').openSync(require('worker_threads').workerData)"
  new Worker(source, { eval: true, workerData: fifo }).unref()
  while (performance.now() < 1000);
}
