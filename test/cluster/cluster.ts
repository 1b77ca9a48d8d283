// Real node processes for tests: one home each in a temp folder, on loopback, run and asked through
// the command as a person would. Whatever a test started is ended with it.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import type { Pin } from '../../node/control/pins.ts'
import type { NodeStatus, VolumeStatus } from '../../node/control/status.ts'
import { pinsOf } from '../node/handlers/pins-of.ts'
import { runInProcess } from '../cli/in-process.ts'
import type { Outcome } from '../cli/in-process.ts'
import { mountsBelow } from '../mounts.ts'
import type { Machine } from './netns.ts'
import { claimPort } from './ports.ts'

const SHOAL = fileURLToPath(new URL('../../cli/shoal.mjs', import.meta.url))
const PACKAGES = new URL('../load-packages.ts', import.meta.url).href
/** Commands that run a node, or ask for a passphrase: each has a process of its own. */
const OF_A_NODE: ReadonlySet<string> = new Set(['init', 'up', 'recover', 'key'])
/** As it would grow to: a fifth of the CPU time of a start is spent on collections until then. */
const YOUNG = '--min-semi-space-size=16'
const POLL_MS = 100
/** The length of a node's log in the message of a wait that fails, in characters. */
const LOG_TOLD = 8_000
/** The unit of times in /proc, on every Linux. */
const TICKS_PER_SECOND = 100
const THIS_MACHINE: Machine = { address: '127.0.0.1', prefix: [], link: 'lo' }

export interface StartOptions {
  /** Mount here; undefined: no mount. */
  readonly mount?: string | undefined
  /** The mount driver; undefined: the platform's. */
  readonly driver?: string | undefined
  readonly ticket?: string | undefined
  readonly zone?: string | undefined
  /** How much it may store. */
  readonly capacity?: string | undefined
  /** Bound of its JavaScript heap, in MiB. */
  readonly heapMb?: number | undefined
  /** A module that its process runs first, as a URL. */
  readonly preload?: string | undefined
  /** Find and be found on the local network. */
  readonly mdns?: boolean | undefined
  readonly metrics?: boolean | undefined
}

/** One node: its home stays over kill() and start(). */
export class TestNode {
  readonly name: string
  readonly home: string
  readonly folder: string
  #process: ChildProcess | undefined
  #said = ''
  #ownPort: number | undefined
  readonly #machine: Machine

  constructor(folder: string, name: string, machine: Machine) {
    this.name = name
    this.#machine = machine
    this.folder = join(folder, name)
    this.home = join(this.folder, 'home')
  }

  get mountFolder(): string {
    return join(this.folder, 'mount')
  }

  get pid(): number {
    assert(this.#process?.pid !== undefined, `${this.name} runs`)
    return this.#process.pid
  }

  get isRunning(): boolean {
    return (
      this.#process !== undefined &&
      this.#process.exitCode === null &&
      this.#process.signalCode === null
    )
  }

  /** The output of the process since its last start. */
  get output(): string {
    return this.#said
  }

  /** Run `up` and wait until it says that it is ready. */
  async start(start: StartOptions = {}): Promise<void> {
    assert(!this.isRunning, `${this.name} runs already`)
    const {
      mount,
      driver,
      ticket,
      zone,
      capacity,
      heapMb,
      preload,
      mdns = false,
      metrics = false,
    } = start
    const listen = `/ip4/${this.#machine.address}/tcp/${await this.#port()}`
    const options = [
      `--name=${this.name}`,
      `--listen=${listen}`,
      ...(mdns ? [] : ['--no-mdns']),
      ...(metrics ? ['--metrics', '127.0.0.1:0'] : []),
      ...(mount === undefined ? [] : ['--mount', mount]),
      ...(driver === undefined ? [] : ['--driver', driver]),
      ...(ticket === undefined ? [] : ['--join', '-']),
      ...(zone === undefined ? [] : ['--zone', zone]),
      ...(capacity === undefined ? [] : ['--capacity', capacity]),
    ]
    const flags = [
      YOUNG,
      ...(heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`]),
      ...preloading(preload),
    ]
    const node = [
      process.execPath,
      ...flags,
      SHOAL,
      '--home',
      this.home,
      '--json',
      'up',
      ...options,
    ]
    const [program = '', ...words] = [...this.#machine.prefix, ...node]
    const up = spawn(program, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment({ preload }),
    })
    up.stdin.end(ticket)
    this.#process = up
    runningNodes.add(this)
    this.#said = ''
    await new Promise<void>((resolve, reject) => {
      up.stdout.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
        if (this.#said.includes('\n')) resolve()
      })
      up.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text))
      up.once('exit', (code, signal) => {
        reject(new Error(`${this.name} ended at its start (${code ?? signal}): ${this.#said}`))
      })
    })
    assert(!this.#said.startsWith('{"error"'), `${this.name}: ${this.#said}`)
  }

  /** The same over restarts, as a node's port is: others find it again where it was. */
  async #port(): Promise<number> {
    this.#ownPort ??= await claimPort()
    return this.#ownPort
  }

  /** End the process by a signal and wait until it is gone. */
  async kill(signal: NodeJS.Signals): Promise<number | undefined> {
    const up = this.#process
    runningNodes.delete(this)
    if (up === undefined) return undefined
    if (this.isRunning) {
      const gone = once(up, 'exit')
      up.kill(signal)
      await gone
    }
    return up.exitCode ?? undefined
  }

  /** Run a command of this node to its end. */
  run(...words: readonly string[]): Promise<Outcome> {
    const all = ['--home', this.home, ...words]
    const command = words.find((word) => !word.startsWith('-')) ?? ''
    return OF_A_NODE.has(command) ? runShoal(all) : runInProcess(all)
  }

  /** Run a command that must succeed. returns its stdout. */
  async shoal(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words)
    assert.equal(code, 0, `${this.name}: shoal ${words.join(' ')} failed: ${stderr}${stdout}`)
    return stdout
  }

  /** The one JSON value that a command prints. */
  async json<Value>(...words: readonly string[]): Promise<Value> {
    return JSON.parse(await this.shoal('--json', ...words)) as Value
  }

  /**
   * Ask the process itself, over its control socket: for what is asked often, a command takes 50
   * times the CPU.
   */
  async ask<Value>(call: (client: Client) => Promise<Value>): Promise<Value> {
    const client = openClient({ home: this.home })
    try {
      return await call(client)
    } finally {
      client.close()
    }
  }

  status(): Promise<NodeStatus> {
    return this.ask((client) => client.status())
  }

  pins(): Promise<readonly Pin[]> {
    return this.ask(pinsOf)
  }

  async volume(): Promise<VolumeStatus> {
    const [first] = (await this.status()).volumes
    assert(first !== undefined, `${this.name} has a volume`)
    return first
  }

  /** A ticket of this node. */
  async invite(...options: readonly string[]): Promise<string> {
    return (await this.json<{ ticket: string }>('invite', ...options)).ticket
  }

  /** Processor time of the process so far, in seconds. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8')
    const [, , , , , , , , , , , user = '', system = ''] = stat.slice(stat.indexOf(')')).split(' ')
    return (Number(user) + Number(system)) / TICKS_PER_SECOND
  }

  /** Peak resident memory of the process, in bytes. */
  async peakBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }
}

/** Run the command to its end. preload: as of StartOptions. */
export async function runShoal(
  words: readonly string[],
  stdin: 'ignore' | Uint8Array = 'ignore',
  { preload }: Pick<StartOptions, 'preload'> = {},
): Promise<Outcome> {
  const flags = preloading(preload)
  const child = spawn(process.execPath, [...flags, SHOAL, ...words], {
    stdio: [stdin === 'ignore' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: environment({ preload }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  if (stdin !== 'ignore') child.stdin?.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout, stderr }
}

function preloading(preload: string | undefined): readonly string[] {
  return preload === undefined ? [] : ['--import', PACKAGES, '--import', preload]
}

/** A preloaded module names sources: with one they run, not the bundle. */
function environment({ preload }: Pick<StartOptions, 'preload'>): NodeJS.ProcessEnv {
  return preload === undefined ? process.env : { ...process.env, SHOAL_FROM_SOURCE: '1' }
}

/** Nodes that run, for the message of a wait that fails. */
const runningNodes = new Set<TestNode>()

/** The status, output and end of the log of each node that runs here. */
async function whatNodesSay(): Promise<string> {
  const lines = [...runningNodes].map(async (node) => {
    const said = await node.status().then(JSON.stringify, String)
    const log = await readFile(join(node.home, 'logs', 'node.log'), 'utf8').catch(String)
    return `\n${node.name}: ${said}\n${node.output}${log.slice(-LOG_TOLD)}`
  })
  return (await Promise.all(lines)).join('')
}

/** Nodes of one test; disposing ends them and removes their homes. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string
  readonly nodes: TestNode[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<TestCluster> {
    return new TestCluster(await mkdtemp(join(tmpdir(), 'shoal-cluster-')))
  }

  /** A node that is not started yet. */
  node(name: string, machine: Machine = THIS_MACHINE): TestNode {
    const node = new TestNode(this.folder, name, machine)
    this.nodes.push(node)
    return node
  }

  /** `count` started nodes in one volume, the first its admin. `mounts`: each with a mount. */
  static async start(
    count: number,
    {
      mounts = false,
      mdns = false,
      metrics = false,
      capacity,
    }: { mounts?: boolean; mdns?: boolean; metrics?: boolean; capacity?: string } = {},
  ): Promise<TestCluster> {
    const cluster = await TestCluster.create()
    try {
      const first = cluster.node('n1')
      await first.start({ capacity, mdns, metrics, mount: mounts ? first.mountFolder : undefined })
      const ticket = count > 1 ? await first.invite('--uses', String(count - 1)) : undefined
      for (let number = 2; number <= count; number++) {
        const node = cluster.node(`n${number}`)
        const mount = mounts ? node.mountFolder : undefined
        await node.start({ ticket, capacity, mdns, metrics, mount })
      }
      await cluster.connected()
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Wait until every running node is connected to every other running one. */
  async connected(): Promise<void> {
    const running = this.nodes.filter((node) => node.isRunning)
    for (const node of running) {
      await eventually(`${node.name} is connected to all`, async () => {
        const { peers } = await node.status()
        return peers.filter(({ isConnected }) => isConnected).length >= running.length - 1
      })
    }
  }

  /** Wait until all running nodes have the same heads. */
  async converged(): Promise<void> {
    const running = this.nodes.filter((node) => node.isRunning)
    await eventually('all nodes have the same heads', async () => {
      const heads = await Promise.all(
        running.map(async (node) => JSON.stringify((await node.volume()).heads)),
      )
      return new Set(heads).size === 1
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      await node.kill('SIGTERM')
      // Left by one that was killed.
      for (const mount of mountsBelow(node.folder)) spawnSync('umount', ['-l', mount])
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * Ask until it is so. The state of another process can only be asked for; the test's own timeout is
 * the bound.
 */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean>,
  timeoutMs = 180_000,
): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await isSo())) {
    if (Date.now() >= end) assert.fail(`not within ${timeoutMs} ms: ${what}${await whatNodesSay()}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
