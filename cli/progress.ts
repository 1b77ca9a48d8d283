// Progress of long work, on stderr: a bar on a terminal, a plain line now and then elsewhere,
// nothing with --json.
import progress from 'cli-progress'
import { SECOND_MS } from '../protocol/units.ts'
import { formatBytes } from './output.ts'
import type { Context } from './context.ts'

const LINE_EVERY_MS: number = 5 * SECOND_MS

export interface Progress {
  /** More work is known of. */
  expect(bytes: number): void
  advance(bytes: number): void
  /** So much is done by now, of so much that is known of. */
  reach(doneBytes: number, totalBytes: number): void
  end(): void
}

export function showProgress(context: Context, label: string): Progress {
  if (context.json) return { expect: () => {}, advance: () => {}, reach: () => {}, end: () => {} }
  return context.stderr.isTTY === true ? bar(context, label) : lines(context, label)
}

function bar({ stderr }: Context, label: string): Progress {
  const startedMs = performance.now()
  let total = 0
  let done = 0
  const shown = new progress.SingleBar({
    stream: stderr,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    fps: 5,
    format: (options, parameters) =>
      `${label} ${progress.Format.BarFormat(parameters.progress, options)} ${rate(done, total, startedMs)}`,
  })
  shown.start(1, 0)
  const show = (): void => shown.update(total === 0 ? 0 : Math.min(1, done / total))
  return {
    expect: (bytes) => ((total += bytes), show()),
    advance: (bytes) => ((done += bytes), show()),
    reach: (doneBytes, totalBytes) => ((done = doneBytes), (total = totalBytes), show()),
    end: () => shown.stop(),
  }
}

function lines({ stderr }: Context, label: string): Progress {
  const startedMs = performance.now()
  let total = 0
  let done = 0
  const timer = setInterval(() => {
    stderr.write(`${label}: ${rate(done, total, startedMs)}\n`)
  }, LINE_EVERY_MS)
  return {
    expect: (bytes) => (total += bytes),
    advance: (bytes) => (done += bytes),
    reach: (doneBytes, totalBytes) => ((done = doneBytes), (total = totalBytes)),
    end: () => clearInterval(timer),
  }
}

function rate(done: number, total: number, startedMs: number): string {
  const seconds = (performance.now() - startedMs) / SECOND_MS
  return `${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(Math.round(done / seconds))}/s`
}
