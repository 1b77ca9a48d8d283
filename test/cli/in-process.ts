// Commands run by the process of a test: a process of their own takes 0.13 s of CPU to start, which
// is 20 times what most of them take.
import { Writable } from 'node:stream'
import { runCommand } from '../../cli/program.ts'

/** The result of a command that has ended. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The streams of a command, as it sees them. */
interface Terminal {
  readonly isTerminal?: boolean
  readonly columns?: number | undefined
}

/** Runs a command that asks nothing of a terminal, and is no node itself, to its end. */
export async function runInProcess(
  words: readonly string[],
  { isTerminal = false, columns }: Terminal = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new Kept(isTerminal, columns), new Kept(isTerminal, columns)]
  const { signal } = new AbortController()
  const code = await runCommand(['node', 'shoal', ...words], { stdout, stderr }, { signal })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Kept extends Writable {
  readonly #parts: Buffer[] = []
  readonly isTTY: boolean
  readonly columns: number | undefined

  constructor(isTTY: boolean, columns: number | undefined) {
    super()
    this.isTTY = isTTY
    this.columns = columns
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString('utf8')
  }

  override _write(part: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // Its writer may use it again.
    this.#parts.push(Buffer.from(part))
    done()
  }
}
