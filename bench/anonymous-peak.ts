// The highest RssAnon of a process while something runs: memory that no page cache blurs. Linux
// keeps no peak of it (proc(5)), so it is sampled.
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const SAMPLE_MS = 50

/** RssAnon of a process now, in bytes. */
export async function anonymousBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

export class AnonymousPeak implements AsyncDisposable {
  readonly #pid: number
  readonly #ending = new AbortController()
  #peakBytes = 0
  readonly #ended: Promise<void>

  private constructor(pid: number) {
    this.#pid = pid
    this.#ended = this.#sample()
  }

  /** Samples a process until end(), or until it is disposed of. */
  static watch(pid: number): AnonymousPeak {
    return new AnonymousPeak(pid)
  }

  /** returns the peak in bytes. */
  async end(): Promise<number> {
    this.#ending.abort()
    await this.#ended
    return this.#peakBytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #sample(): Promise<void> {
    const { signal } = this.#ending
    do {
      this.#peakBytes = Math.max(this.#peakBytes, await anonymousBytes(this.#pid))
      await sleep(SAMPLE_MS, undefined, { signal }).catch(() => undefined)
    } while (!signal.aborted)
  }
}
