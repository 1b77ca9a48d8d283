// A program that locks a file of a mounted folder as it is told, by locker-program.ts.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { TestNode } from './cluster.ts'

const SCRIPT = fileURLToPath(new URL('./locker-program.ts', import.meta.url))

/** A program that locks the file of its argument as it is told. */
export class Locker implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #said: string[] = []
  #heard: (() => void) | undefined
  #hasEnded = false

  constructor(node: TestNode, name = 'file') {
    const file = join(node.mountFolder, name)
    this.#process = spawn(process.execPath, [SCRIPT, file], {
      cwd: '/',
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { stdout } = this.#process
    assert(stdout !== null)
    const lines = createInterface(stdout)
    lines.on('line', (line) => {
      this.#said.push(line)
      this.#heard?.()
    })
    lines.on('close', () => {
      this.#hasEnded = true
      this.#heard?.()
    })
  }

  tell(...words: readonly string[]): void {
    this.#process.stdin?.write(`${words.join(' ')}\n`)
  }

  /** Its next answer: 'ok', or the name of an error number. */
  async hear(): Promise<string> {
    while (this.#said.length === 0) {
      assert(!this.#hasEnded, 'the program that locks has ended')
      await new Promise<void>((resolve) => (this.#heard = resolve))
    }
    return this.#said.shift() ?? ''
  }

  async ask(...words: readonly string[]): Promise<string> {
    this.tell(...words)
    return this.hear()
  }

  interrupt(): void {
    this.#process.kill('SIGUSR2')
  }

  get hasSaid(): boolean {
    return this.#said.length > 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}
