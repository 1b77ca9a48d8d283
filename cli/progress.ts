// Progress of long work, on stderr: a bar on a terminal, a plain line now and then elsewhere,
// nothing with --json or --quiet.
import progress from 'cli-progress'
import { SECOND_MS } from '../protocol/units.ts'
import { formatBytes } from '../protocol/size.ts'
import { count, formatDuration } from './output.ts'
import type { Context } from './context.ts'

const LINE_EVERY_MS: number = 5 * SECOND_MS
/** Before, the time left is a guess. */
const LEFT_AFTER_MS: number = 3 * SECOND_MS
const BAR_WIDTH_MAX = 40
/** A shorter bar says nothing. */
const BAR_WIDTH_MIN = 8
/** The width that is taken where a terminal tells none. */
const COLUMNS = 80

/** 'bytes', 'ms', or what is counted: "file". */
export type Unit = 'bytes' | 'ms' | (string & {})

export interface Progress {
  /** More work is known of. */
  expect(amount: number): void
  advance(amount: number): void
  /** So much is done by now, of so much that is known of. */
  reach(done: number, total: number): void
  /** From now on it is about other work, if it is. */
  begin(label: string, unit: Unit): void
  end(): void
}

export interface ProgressOptions {
  /** Said beside the bytes: "3 of 10 files". */
  readonly counts?: () => string
}

export function showProgress(
  context: Context,
  label: string,
  options: ProgressOptions = {},
): Progress {
  const work = new Work(label, options)
  if (context.json || context.quiet) return progressOf(work, { end: () => {} })
  return progressOf(work, context.stderr.isTTY === true ? bar(context, work) : lines(context, work))
}

interface Shown {
  readonly changed?: () => void
  readonly end: () => void
}

function progressOf(work: Work, { changed = () => {}, end }: Shown): Progress {
  return {
    expect: (amount) => ((work.total += amount), changed()),
    advance: (amount) => ((work.done += amount), changed()),
    reach: (done, total) => ((work.done = done), (work.total = total), changed()),
    begin: (label, unit) => (work.begin(label, unit), changed()),
    end,
  }
}

function bar({ stderr }: Context, work: Work): Shown {
  const shown = new progress.SingleBar({
    stream: stderr,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    fps: 5,
    format: (options, parameters) => {
      const text = work.text()
      const room = (stderr.columns || COLUMNS) - work.label.length - text.length - 3
      const barsize = Math.min(BAR_WIDTH_MAX, room)
      if (work.total === 0 || barsize < BAR_WIDTH_MIN) return `${work.label} ${text}`
      const drawn = progress.Format.BarFormat(parameters.progress, { ...options, barsize })
      return `${work.label} ${drawn} ${text}`
    },
  })
  shown.start(1, 0)
  return { changed: () => shown.update(work.share), end: () => shown.stop() }
}

function lines({ stderr }: Context, work: Work): Shown {
  const timer = setInterval(() => {
    stderr.write(`${work.label}: ${work.text()}\n`)
  }, LINE_EVERY_MS)
  return { end: () => clearInterval(timer) }
}

/** The amount of work that is done and to be done, and how fast that goes. */
export class Work {
  readonly #counts: (() => string) | undefined
  readonly #now: () => number
  label: string
  #unit: Unit = 'bytes'
  #startedMs: number
  done = 0
  total = 0

  constructor(
    label: string,
    { counts, now = () => performance.now() }: ProgressOptions & { readonly now?: () => number },
  ) {
    this.label = label
    this.#counts = counts
    this.#now = now
    this.#startedMs = now()
  }

  begin(label: string, unit: Unit): void {
    if (label === this.label && unit === this.#unit) return
    this.label = label
    this.#unit = unit
    this.#startedMs = this.#now()
    this.done = 0
    this.total = 0
  }

  get share(): number {
    return this.total <= 0 ? 0 : Math.min(1, this.done / this.total)
  }

  /** "1.20 MB of 3.40 MB, 3 of 10 files, 100 KB/s, 22 s left"; "..." before anything is known. */
  text(): string {
    if (this.#counts === undefined && this.total === 0 && this.done === 0) return '...'
    const elapsedMs = this.#now() - this.#startedMs
    const parts = [amountText(this.done, this.total, this.#unit)]
    if (this.#counts !== undefined) parts.push(this.#counts())
    if (this.#unit === 'bytes' && this.done > 0)
      parts.push(`${formatBytes(Math.round(this.done / Math.max(elapsedMs / SECOND_MS, 0.001)))}/s`)
    const isKnown = elapsedMs >= LEFT_AFTER_MS && this.done > 0 && this.done < this.total
    if (isKnown && this.#unit !== 'ms') {
      const leftMs = (elapsedMs * (this.total - this.done)) / this.done
      parts.push(`${formatDuration(leftMs + SECOND_MS)} left`)
    }
    return parts.join(', ')
  }
}

/** "3 of 10 files" */
export function amountText(done: number, total: number, unit: Unit): string {
  switch (unit) {
    case 'bytes':
      // Files that grow, as those of /proc do.
      return done > total ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`
    case 'ms':
      return `${formatDuration(done)} of at most ${formatDuration(total)}`
    default:
      return `${done} of ${count(total, unit)}`
  }
}
