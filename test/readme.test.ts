// README's commands do what README says. A fenced `sh` block that names machines (```sh
// on=anna,ben) is run in order, by a shell, once on each: a machine is a HOME of its own in a
// temporary folder. What starts a node runs on until the end. What asks for a ticket is given the
// last one that was printed.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ChildProcess } from 'node:child_process'

const root = join(import.meta.dirname, '..')
/** A step is tried again for this long: what another machine wrote shows within two seconds. */
const PATIENCE_MS = 10_000
const READY_MS = 60_000
const STOP_MS = 20_000

interface Block {
  readonly machines: readonly string[]
  readonly script: string
  readonly line: number
}

const blocks = readBlocks(readFileSync(join(root, 'README.md'), 'utf8'))

describe('README', () => {
  test('every npm script that it names is there', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const text = readFileSync(join(root, 'README.md'), 'utf8')
    const named = [...text.matchAll(/\bnpm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? '')
    assert.deepEqual(
      named.filter((name) => !(name in scripts)),
      [],
    )
  })

  test('every link to a file, here and in docs, leads somewhere', () => {
    const documents = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
    const broken = documents.flatMap((document) =>
      [...readFileSync(join(root, document), 'utf8').matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
        .map(([, target]) => join(dirname(document), target ?? ''))
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${document}: ${target}`),
    )
    assert.deepEqual(broken, [])
  })

  test(
    'its walk for two and for six machines works as printed',
    { skip: whyNoMount() },
    async () => {
      const machines = new Machines()
      try {
        for (const block of blocks) await machines.run(block)
        await machines.everyoneHas('notes/hello.txt', 'hello from anna\n')
        const status = await machines.shell('anna', 'npx shoal status')
        assert.match(status, /any 2 peers may be lost/)
        assert.doesNotMatch(status, /conflict/)
        await machines.stop('cleo')
        await machines.stop('emil')
        for (const name of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
          await machines.everyoneHas(`docs/${name}`, readFileSync(join(root, 'docs', name), 'utf8'))
        }
        await machines.stopAll()
      } finally {
        await machines.end()
      }
    },
  )
})

/** The machines of the walk: each a home, and the node that runs there. */
class Machines {
  readonly #folder = mkdtempSync(join(tmpdir(), 'readme-'))
  readonly #nodes = new Map<string, ChildProcess>()
  #ticket = ''
  /** Programs that stand in for others of the machine. */
  readonly #programs = join(this.#folder, 'programs')

  async run({ machines, script, line }: Block): Promise<void> {
    const starts = script.startsWith('npm start')
    await Promise.all(
      machines.map(async (machine) => {
        try {
          if (starts) await this.#start(machine, script)
          else await this.#until(() => this.shell(machine, script))
        } catch (error) {
          throw new Error(`README.md:${line} on ${machine}: ${script}`, { cause: error })
        }
      }),
    )
  }

  /** Run a script to its end. returns its output, and remembers a ticket in it. */
  async shell(machine: string, script: string): Promise<string> {
    const options = { cwd: root, env: this.#environment(machine), timeout: READY_MS }
    const { stdout } = await promisify(execFile)('sh', ['-e', '-c', script], options)
    if (script.startsWith('npx ')) this.#replaceNpx()
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
        this.#until(async () => {
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
    assert.ok(!isMounted(this.#home(machine)), `the mount of ${machine} is left`)
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((machine) => this.stop(machine)))
  }

  /** End whatever still runs, wait until its watchdog has unmounted, and remove the homes. */
  async end(): Promise<void> {
    for (const { pid, exitCode } of this.#nodes.values()) {
      if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGKILL')
    }
    await this.#until(() => {
      assert.ok(!isMounted(this.#folder), `a mount is left in ${this.#folder}`)
    })
    rmSync(this.#folder, { recursive: true })
  }

  /**
   * Start a node in a process group of its own, as a terminal does. returns when it has said what
   * can be done with it.
   */
  async #start(machine: string, command: string): Promise<void> {
    const env = this.#environment(machine)
    const node = spawn('sh', ['-c', `exec ${command}`], { cwd: root, env, detached: true })
    node.stdin.end(`${this.#ticket}\n`)
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
    const late = sleep(READY_MS, undefined, { ref: false }).then(() => {
      throw new Error(`it is not ready: ${output}`)
    })
    await Promise.race([ready, late])
  }

  async #until(step: () => unknown): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
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

  #home(machine: string): string {
    return join(this.#folder, machine)
  }

  #environment(machine: string): NodeJS.ProcessEnv {
    mkdirSync(this.#home(machine), { recursive: true })
    // A dry run of npm starts scripts, but leaves the packages that run this test as they are.
    return {
      ...process.env,
      HOME: this.#home(machine),
      PATH: `${this.#programs}:${process.env['PATH']}`,
      SHOAL_HOME: undefined,
      npm_config_dry_run: 'true',
    }
  }
}

function readBlocks(markdown: string): readonly Block[] {
  const fences = markdown.matchAll(/^```sh on=(?<machines>[\w,]+)\n(?<script>[^]*?)^```$/gm)
  return [...fences].map((fence) => ({
    machines: (fence.groups?.['machines'] ?? '').split(','),
    script: (fence.groups?.['script'] ?? '').trim(),
    line: markdown.slice(0, fence.index).split('\n').length,
  }))
}

/** Is something mounted there or below? */
function isMounted(folder: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder}`)
}

/** Why this machine cannot mount, or false if it can. */
function whyNoMount(): string | false {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return false
  } catch {
    return 'there is no /dev/fuse that we may open'
  }
}
