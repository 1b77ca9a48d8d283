// The walk of README: a fenced `sh` block that names machines (```sh on=anna,ben) is run in order,
// by a shell, once on each: a machine is a HOME of its own in a temporary folder. What starts a
// node runs on until the end. What asks for a ticket is given the last one that was printed.
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ChildProcess } from 'node:child_process'
import { mountsBelow } from './mounts.ts'
import type { NodeStatus } from '../node/control/status.ts'

const root = join(import.meta.dirname, '..')
/** A step is tried again for this long: what another machine wrote shows within two seconds. */
const PATIENCE_MS = 10_000
const READY_MS = 60_000
const STOP_MS = 20_000
const INSTALL_MS = 15 * 60_000
const MAX_BYTES = 16 * 1024 * 1024

export interface Block {
  readonly machines: readonly string[]
  /** The heading above it. */
  readonly section: string
  readonly script: string
  readonly line: number
}

/** The machines of the walk: each a home, and the node that runs there. */
export class Machines {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'readme-'))
  readonly #clones: boolean
  readonly #nodes = new Map<string, ChildProcess>()
  #ticket = ''
  /** Programs that stand in for others of the machine. */
  readonly #programs = join(this.folder, 'programs')

  /**
   * clones: each machine has a clone of its own, in which `npm start` installs what it needs, and
   * runs `npx` itself; or all share this one, and nothing is installed.
   */
  constructor({ clones = false }: { readonly clones?: boolean } = {}) {
    this.#clones = clones
  }

  async run({ machines, script, line }: Block): Promise<void> {
    const starts = script.startsWith('npm start')
    await Promise.all(
      machines.map(async (machine) => {
        try {
          if (starts) await this.start(machine, script)
          else await this.until(async () => this.shell(machine, await this.#withNames(script)))
        } catch (error) {
          throw new Error(`README.md:${line} on ${machine}: ${script}`, { cause: error })
        }
      }),
    )
  }

  /** Run a script to its end. returns its output, and remembers a ticket in it. */
  async shell(machine: string, script: string): Promise<string> {
    const cwd = this.clone(machine)
    const options = {
      cwd,
      env: this.#environment(machine),
      timeout: READY_MS,
      maxBuffer: MAX_BYTES,
    }
    const run = promisify(execFile)('sh', ['-e', '-c', script], options)
    offer(run.child, this.#ticket)
    const { stdout } = await run
    if (script.startsWith('npx ') && !this.#clones) this.#replaceNpx()
    this.#ticket = /\bshoal1[a-z2-7]+\b/.exec(stdout)?.[0] ?? this.#ticket
    return stdout
  }

  /**
   * Once npx has run the command: it takes three times as long as what it runs, which is run in its
   * place from then on.
   */
  #replaceNpx(): void {
    mkdirSync(this.#programs, { recursive: true })
    const script = '#!/bin/sh\nname=$1\nshift\nexec "node_modules/.bin/$name" "$@"\n'
    writeFileSync(join(this.#programs, 'npx'), script, { mode: 0o755 })
  }

  /** The mount of every machine that is up shows this file with this content. */
  async everyoneHas(path: string, content: string): Promise<void> {
    await Promise.all(
      [...this.#nodes.keys()].map((machine) =>
        this.until(async () => {
          assert.equal(await this.shell(machine, `cat ~/Shoal/${path}`), content)
        }),
      ),
    )
  }

  /** Ctrl-C in the terminal where the node runs: it unmounts and ends well. */
  async stop(machine: string): Promise<void> {
    const node = this.#nodes.get(machine)
    assert.ok(node?.pid !== undefined)
    const ended = new Promise<number | null>((resolve) => node.on('exit', resolve))
    process.kill(-node.pid, 'SIGINT')
    const code = await Promise.race([ended, sleep(STOP_MS, 'still running', { ref: false })])
    this.#nodes.delete(machine)
    assert.equal(code, 0, `the node of ${machine} does not end well at Ctrl-C`)
    assert.ok(!isMounted(this.home(machine)), `the mount of ${machine} is left`)
  }

  /** Pull the plug: its mount stays, and answers nothing. */
  async kill(machine: string): Promise<void> {
    const node = this.#nodes.get(machine)
    assert.ok(node?.pid !== undefined)
    const ended = once(node, 'exit')
    process.kill(-node.pid, 'SIGKILL')
    await ended
    this.#nodes.delete(machine)
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((machine) => this.stop(machine)))
  }

  /** End whatever still runs, unmount what that leaves, and remove the homes. */
  async end(): Promise<void> {
    for (const { pid, exitCode } of this.#nodes.values()) {
      if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGKILL')
    }
    await this.until(() => {
      for (const mount of mountsBelow(this.folder)) unmount(mount)
      assert.ok(!isMounted(this.folder), `a mount is left in ${this.folder}`)
    })
    rmSync(this.folder, { recursive: true })
  }

  /**
   * Start a node in a process group of its own, as a terminal does. returns when it has said what
   * can be done with it.
   */
  async start(machine: string, command = 'npm start'): Promise<string> {
    const [cwd, env] = [this.clone(machine), this.#environment(machine)]
    const node = spawn('sh', ['-c', `exec ${command}`], { cwd, env, detached: true })
    offer(node, this.#ticket)
    this.#nodes.set(machine, node)
    let output = ''
    const ready = new Promise<void>((resolve, reject) => {
      const add = (data: Buffer): void => {
        output += data.toString()
        if (/shoal invite/.test(output)) resolve()
      }
      node.stdout.on('data', add)
      node.stderr.on('data', add)
      node.on('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)))
    })
    const waitMs = this.#clones ? INSTALL_MS : READY_MS
    const late = sleep(waitMs, undefined, { ref: false }).then(() => {
      throw new Error(`it is not ready: ${output}`)
    })
    await Promise.race([ready, late])
    return output
  }

  /** All machines of the test have one host name: a voter is called as it is in the volume. */
  async #withNames(script: string): Promise<string> {
    const [, volume, voters] = /volume set (\S+) voters=([a-z,]+)/.exec(script) ?? []
    if (volume === undefined || voters === undefined) return script
    const names = await Promise.all(
      voters.split(',').map(async (machine) => {
        const { node, volumes } = await this.status(machine)
        return volumes.find(({ name }) => name === volume)?.calledAs ?? node.name
      }),
    )
    return script.replace(`voters=${voters}`, `voters=${names.join()}`)
  }

  async status(machine: string): Promise<NodeStatus> {
    return JSON.parse(await this.shell(machine, 'npx shoal --json status')) as NodeStatus
  }

  /** Try a step until it succeeds. */
  async until(step: () => unknown, patienceMs: number = PATIENCE_MS): Promise<void> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      try {
        await step()
        return
      } catch (error) {
        if (performance.now() > deadline) throw error
        await sleep(250)
      }
    }
  }

  home(machine: string): string {
    return join(this.folder, machine)
  }

  clone(machine: string): string {
    return this.#clones ? join(this.folder, `${machine}-clone`) : root
  }

  #environment(machine: string): NodeJS.ProcessEnv {
    mkdirSync(this.home(machine), { recursive: true })
    // A dry run of npm starts scripts, but leaves the packages that run this test as they are.
    return {
      ...process.env,
      HOME: this.home(machine),
      PATH: `${this.#programs}:${process.env['PATH']}`,
      SHOAL_HOME: undefined,
      ...(this.#clones ? {} : { npm_config_dry_run: 'true' }),
    }
  }
}

/**
 * Runs all blocks of a page on machines of which one has started, then `check`. None is left out:
 * each names the machine that it runs on.
 */
export async function walkPage(
  page: string,
  check: (machines: Machines) => Promise<void>,
): Promise<void> {
  const text = readFileSync(join(root, page), 'utf8')
  const blocks = readBlocks(text)
  assert.equal(blocks.length, [...text.matchAll(/^```sh/gm)].length)
  const machines = new Machines()
  try {
    await machines.start('anna', 'npm start')
    for (const block of blocks) await machines.run(block)
    await check(machines)
    await machines.stopAll()
  } finally {
    await machines.end()
  }
}

export function readBlocks(markdown: string): readonly Block[] {
  const fences = markdown.matchAll(/^```sh on=(?<machines>[\w,]+)\n(?<script>[^]*?)^```$/gm)
  return [...fences].map((fence) => {
    const above = markdown.slice(0, fence.index).split('\n')
    return {
      machines: (fence.groups?.['machines'] ?? '').split(','),
      section: above.findLast((line) => line.startsWith('## '))?.slice(3) ?? '',
      script: (fence.groups?.['script'] ?? '').trim(),
      line: above.length,
    }
  })
}

/** Types the ticket. What asks for none may end before that is read. */
function offer({ stdin }: ChildProcess, ticket: string): void {
  stdin?.on('error', () => {})
  stdin?.end(`${ticket}\n`)
}

/** The mount of a node that was killed stays until it is unmounted, or the node starts again. */
function unmount(folder: string): void {
  if (spawnSync('umount', ['--lazy', folder]).status !== 0)
    spawnSync('fusermount3', ['-u', '-z', folder])
}

/** Is something mounted there or below? */
function isMounted(folder: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder}`)
}

/** Why this machine cannot mount, or false if it can. */
export function whyNoMount(): string | false {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return false
  } catch {
    return 'there is no /dev/fuse that we may open'
  }
}
