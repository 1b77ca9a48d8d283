// Copying many files: a bounded number at a time, one failed file does not end the rest, and what
// failed is told.
import PQueue from 'p-queue'
import { ShoalError } from '../protocol/errors.ts'
import { SECOND_MS } from '../protocol/units.ts'
import { formatBytes } from '../protocol/size.ts'
import { count, errorLine, explain, printable } from './output.ts'
import { showProgress } from './progress.ts'
import { hasContent } from './same-content.ts'
import type { FileHandle } from 'node:fs/promises'
import type { ErrorCode } from '../protocol/errors.ts'
import type { Context } from './context.ts'
import type { LeftOut } from './left-out.ts'
import type { OpenFolder } from './open-folder.ts'
import type { Progress } from './progress.ts'

const CONCURRENCY = 8
/**
 * Bounds memory; and so far the walk is ahead of the copying, so that progress knows of the work to
 * come.
 */
const QUEUED_MAX = 4096
/** So many failures are told one by one; the rest is in the count at the end. */
const TOLD_MAX = 20
/** Node sets file times through a double of seconds, and libuv cuts it to microseconds. */
const TIME_SLACK_NS = 2000n

const FATAL: ReadonlySet<ErrorCode> = new Set([
  'aborted',
  'not-running',
  'stopped',
  'ENOSPC',
  'EROFS',
])

/** Counts what was copied, or with --dry-run would be. */
export interface Tally {
  files: number
  /** Those that were made. */
  folders: number
  symlinks: number
  /** Bytes of the copied files. */
  bytes: number
  /** Files and symlinks that were there already. */
  unchanged: number
  failed: number
}

/** How a tree is copied. */
export interface CopyRules {
  readonly leftOut?: LeftOut | undefined
  /** Files of the same size are compared by their content, not by their time. */
  readonly byContent: boolean
  /** Leave what is a folder on one side only as it is. Otherwise it fails. */
  readonly leavesConflicts: boolean
}

export interface TransferOptions {
  /** Changes are only told. */
  readonly isDryRun?: boolean
  /** "put": what progress is of. */
  readonly label: string
  /** "copied" */
  readonly done: string
}

export class Transfer {
  readonly tally: Tally = { files: 0, folders: 0, symlinks: 0, bytes: 0, unchanged: 0, failed: 0 }
  readonly isDryRun: boolean
  readonly #context: Context
  readonly #label: string
  readonly #done: string
  readonly #queue = new PQueue({ concurrency: CONCURRENCY })
  #shown: Progress | undefined
  #startedMs = performance.now()
  #fatal: ShoalError | undefined
  #firstFailure: ShoalError | undefined
  #isComplete = true
  #expected = 0

  constructor(context: Context, { label, done, isDryRun = false }: TransferOptions) {
    this.#context = context
    this.#label = label
    this.#done = done
    this.isDryRun = isDryRun
  }

  /** Has all that was attempted succeeded? */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /**
   * Run `job` when there is room for it; returns early, throws only what ends the whole transfer.
   * folder: the one that is not done before.
   */
  async add(job: () => Promise<void>, folder?: OpenFolder): Promise<void> {
    await this.#queue.onSizeLessThan(QUEUED_MAX)
    if (this.#fatal !== undefined) throw this.#fatal
    folder?.enter()
    const run = async (): Promise<void> => {
      await this.attempt(job)
      await folder?.leave()
    }
    this.#queue.add(run).catch(() => {}) // kept, and thrown by the next call
  }

  /** Run `job` now; a failure is kept or told, and thrown only if it ends the whole transfer. */
  async attempt(job: () => Promise<void>): Promise<void> {
    try {
      await job()
    } catch (thrown) {
      const error = explain(thrown)
      if (isFatal(error)) {
        this.#fatal ??= error
        this.#queue.clear()
        throw error
      }
      this.#isComplete = false
      this.fail(error)
    }
  }

  /** Count what cannot be copied. */
  fail(error: ShoalError): void {
    this.tally.failed++
    this.#firstFailure ??= error
    // A failure that stays alone is told at the end.
    if (this.tally.failed === 2) this.#tell(this.#firstFailure)
    if (this.tally.failed > 1 && this.tally.failed <= TOLD_MAX) this.#tell(error)
  }

  /** Make a change, or with --dry-run tell of it: a line of output. */
  async change(told: string, make: () => Promise<unknown>): Promise<void> {
    if (!this.isDryRun) await make()
    else if (!this.#context.json) this.#context.stdout.write(`${printable(told)}\n`)
  }

  /** Wait for what was added. throws what ended the transfer. */
  async drain(): Promise<void> {
    await this.#queue.onIdle()
    if (this.#fatal !== undefined) throw this.#fatal
  }

  /** Take the progress away. */
  async end(): Promise<void> {
    this.#queue.clear()
    await this.#queue.onIdle()
    this.#shown?.end()
  }

  /** throws if something failed, with the code of the first. */
  check(): void {
    if (this.#firstFailure === undefined) return
    const { files, folders, symlinks, unchanged, failed } = this.tally
    const rest = files + folders + symlinks + unchanged === 0 ? '' : ` The rest was ${this.#done}.`
    if (failed === 1 && rest === '') throw this.#firstFailure
    const { code, message } = this.#firstFailure
    const what = failed === 1 ? message : `${failed} files or folders could not be ${this.#done}`
    throw new ShoalError(code, `${what.replace(/\.$/, '')}.${rest}`)
  }

  /** The same bytes, counted as they pass. */
  async *counted(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      yield part
      this.copied(part.byteLength)
    }
  }

  copied(bytes: number): void {
    this.tally.bytes += bytes
    this.#progress.advance(bytes)
  }

  /** A file or symlink is to be copied, if it is not there already. */
  expect(bytes: number): void {
    this.#expected++
    this.#progress.expect(bytes)
  }

  /** Has the file just these bytes? As they are compared, they count as done. */
  async compare(file: FileHandle, parts: AsyncIterable<Uint8Array>): Promise<boolean> {
    let bytes = 0
    const isSame = await hasContent(file, parts, (more) => {
      bytes += more
      this.#progress.advance(more)
    })
    // It is to be copied then, too.
    if (!isSame) this.#progress.expect(bytes)
    return isSame
  }

  /** A file or symlink that need not be copied. bytes: those that do not count as done yet. */
  skip(bytes: number): void {
    this.tally.unchanged++
    this.#progress.advance(bytes)
  }

  /** "Put 3 files (1.2 MB) in 0.4 s, 2 unchanged". */
  summary(verb: string): string {
    const { files, bytes, unchanged } = this.tally
    const seconds = ((performance.now() - this.#startedMs) / SECOND_MS).toFixed(1)
    const rest = unchanged === 0 ? '' : `, ${unchanged} unchanged`
    return `${verb} ${count(files, 'file')} (${formatBytes(bytes)}) in ${seconds} s${rest}`
  }

  /** Begins with the first file: before, somebody may be asked. */
  get #progress(): Progress {
    if (this.#shown === undefined) {
      this.#startedMs = performance.now()
      this.#shown = showProgress(this.#context, this.#label, { counts: () => this.#counts() })
    }
    return this.#shown
  }

  /** "3 of 10 files": symlinks are among them, and what failed. */
  #counts(): string {
    const { files, symlinks, unchanged, failed } = this.tally
    const done = Math.min(this.#expected, files + symlinks + unchanged + failed)
    return `${done} of ${count(this.#expected, 'file')}`
  }

  #tell(error: ShoalError): void {
    this.#context.stderr.write(`${errorLine(error)}\n`)
  }
}

/** Would the next file fail, too? */
export function isFatal(error: unknown): boolean {
  return FATAL.has(explain(error).code)
}

/** Are two file times the same, as far as both sides can keep them? */
export function sameTime(aNs: bigint, bNs: bigint): boolean {
  const difference = aNs - bNs
  return difference < TIME_SLACK_NS && -difference < TIME_SLACK_NS
}
