// The context given to every command: the node's home, the client of the node, how to print, and
// when to stop.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { openClient } from '../node/control/client.ts'
import type { Client } from '../node/control/client.ts'
import { jsonLine, printableLines } from './output.ts'
import type { Command } from 'commander'
import type { Consistency } from '../node/control/files.ts'
import type { ConsistencyOptions } from './arguments.ts'
import type { SessionFile } from './session.ts'

/** The streams that a command writes to: those of its process, or a test's. */
export interface Output {
  readonly stdout: Writable & {
    readonly isTTY?: boolean | undefined
    readonly columns?: number | undefined
    readonly rows?: number | undefined
  }
  readonly stderr: Writable & {
    readonly isTTY?: boolean | undefined
    readonly columns?: number | undefined
  }
}

export class Context {
  readonly #program: Command
  /** Aborts at Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
  readonly stdout: Output['stdout']
  readonly stderr: Output['stderr']
  /** The exit code if the command does not throw. */
  exitCode = 0
  #client: Client | undefined
  #consistency: Consistency | undefined
  #session: Promise<SessionFile> | undefined

  constructor(program: Command, { stdout, stderr }: Output, { signal }: { signal: AbortSignal }) {
    this.#program = program
    this.stdout = stdout
    this.stderr = stderr
    this.signal = signal
  }

  get home(): string {
    const { home } = this.#program.opts<{ home?: string }>()
    return resolve(home ?? process.env['SHOAL_HOME'] ?? join(homedir(), '.shoal'))
  }

  get json(): boolean {
    return this.#program.opts<{ json?: boolean }>().json === true
  }

  /** Nothing is wanted but results that were asked for, warnings and errors. */
  get quiet(): boolean {
    return this.#program.opts<{ quiet?: boolean }>().quiet === true
  }

  /** To the running node; its calls end with `signal`. */
  get client(): Client {
    this.#client ??= openClient({
      home: this.home,
      signal: this.signal,
      optionsFor: async (path) => ({
        consistency: this.#consistency,
        ...(await (await this.#session)?.optionsFor(path)),
      }),
    })
    return this.#client
  }

  /** From now on calls about files are made so. */
  useConsistency({ consistency, session }: ConsistencyOptions): void {
    this.#consistency = consistency
    const usual = consistency === 'read-own' ? join(this.home, 'session') : undefined
    const file = session ?? process.env['SHOAL_SESSION'] ?? usual
    if (file !== undefined) this.#session = this.#openSession(file)
  }

  /** Write down what the session has seen. */
  async saveSession(): Promise<void> {
    await (await this.#session)?.save()
  }

  async #openSession(file: string): Promise<SessionFile> {
    const { SessionFile } = await import('./session.ts')
    return new SessionFile({ file, listVolumes: () => this.client.listVolumes() })
  }

  /** The width of tables: that of the terminal, if somebody reads them there and it has one. */
  get columns(): number | undefined {
    const { isTTY, columns } = this.stdout
    return isTTY === true && columns !== 0 ? columns : undefined
  }

  /** The result of a command: `value` with --json, else the text, if it is not empty. */
  print(value: unknown, text: () => string): void {
    const line = this.json ? jsonLine(value) : printableLines(text())
    if (line !== '') this.stdout.write(`${line}\n`)
  }

  /** The summary of what a command did. As print, but without text where that is --quiet. */
  summarize(value: unknown, text: () => string): void {
    this.print(value, () => (this.quiet ? '' : text()))
  }

  /** A word to whoever watches, on stderr. */
  tell(text: string): void {
    if (!this.json && !this.quiet) this.stderr.write(`${printableLines(text)}\n`)
  }

  /** The same of what went wrong, for programs too. */
  warn(text: string): void {
    this.stderr.write(`${printableLines(`warning: ${text}`)}\n`)
  }

  /** How to call this command again, for texts that tell the next step. */
  commandLine(rest: string): string {
    const started = isByNpm() ? 'npx shoal' : 'shoal'
    const { home } = this.#program.opts<{ home?: string }>()
    return home === undefined ? `${started} ${rest}` : `${started} --home ${home} ${rest}`
  }

  /** How another machine, on which nothing runs yet, uses a ticket: it asks for it. */
  get joinLine(): string {
    return isByNpm() ? 'npm start -- --join -' : 'shoal up --join -'
  }

  close(): void {
    this.#client?.close()
  }
}

/** Was this started from a clone, by npm or npx? Then `shoal` alone is not on the path. */
function isByNpm(): boolean {
  return process.env['npm_lifecycle_event'] !== undefined
}
