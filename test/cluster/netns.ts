// Machines with a network of their own: each in a Linux network namespace (network_namespaces(7))
// behind a veth pair, and a router between them, in one more, that drops what it is told to.
// Nothing of the host's network is touched, and nothing of it has a name there: a namespace lives
// as long as the process that holds it, which ends with this one.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** One of the machines. */
export interface Machine {
  readonly address: string
  /** Words to put before a command for it to run on this machine. */
  readonly prefix: readonly string[]
  /** The other end of its link, in the router. */
  readonly link: string
}

/** Why there can be no TestNetwork here; undefined: there can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux'
  const { status, stderr, error } = spawnSync(
    'unshare',
    ['--net', 'sh', '-c', 'ip link set lo up && ip rule add from 192.0.2.1 blackhole'],
    { encoding: 'utf8' },
  )
  if (status === 0) return undefined
  return `network namespaces need root and iproute2 here: ${error?.message ?? stderr.trim()}`
}

/** Disposing ends all of it. */
export class TestNetwork implements AsyncDisposable {
  readonly machines: readonly Machine[]
  readonly #namespaces: readonly Namespace[]
  readonly #router: Namespace

  private constructor(router: Namespace, namespaces: readonly Namespace[]) {
    this.#router = router
    this.#namespaces = namespaces
    this.machines = namespaces.map(({ prefix }, at) => ({
      address: addressOf(at),
      prefix,
      link: linkOf(at),
    }))
  }

  static async start(count: number): Promise<TestNetwork> {
    const [router, ...machines] = await Promise.all(
      Array.from({ length: count + 1 }, () => Namespace.open()),
    )
    assert(router !== undefined)
    const network = new TestNetwork(router, machines)
    try {
      router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
      machines.forEach((machine, at) => network.#connect(machine, at))
      return network
    } catch (error) {
      await network[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * From now on nothing that `from` sends arrives at `to`; nobody is told. What `to` sends still
   * arrives at `from`.
   */
  drop(from: Machine, to: Machine): void {
    this.#router.run('ip', 'rule', 'add', ...ruleOf(from, to))
  }

  /** Undo drop(). */
  pass(from: Machine, to: Machine): void {
    this.#router.run('ip', 'rule', 'del', ...ruleOf(from, to))
  }

  /** Take a machine's cable out: its link is down until join(). */
  cut({ link }: Machine): void {
    this.#router.run('ip', 'link', 'set', link, 'down')
  }

  /** Undo cut(). */
  join({ link }: Machine): void {
    this.#router.run('ip', 'link', 'set', link, 'up')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#router, ...this.#namespaces].map((namespace) => namespace.close()))
  }

  #connect(machine: Namespace, at: number): void {
    const [link, gateway] = [linkOf(at), `10.77.${at}.1`]
    const router = this.#router
    const peer = ['peer', 'name', 'eth0', 'netns', String(machine.pid)]
    router.run('ip', 'link', 'add', 'name', link, 'type', 'veth', ...peer)
    router.run('ip', 'address', 'add', `${gateway}/30`, 'dev', link)
    router.run('ip', 'link', 'set', link, 'up')
    machine.run('ip', 'address', 'add', `${addressOf(at)}/30`, 'dev', 'eth0')
    machine.run('ip', 'link', 'set', 'lo', 'up')
    machine.run('ip', 'link', 'set', 'eth0', 'up')
    machine.run('ip', 'route', 'add', 'default', 'via', gateway)
  }
}

/** A network namespace with a process to hold it. */
export class Namespace {
  readonly #holder: ChildProcess
  readonly pid: number

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder
    this.pid = pid
  }

  static async open(): Promise<Namespace> {
    // Ends when its stdin does, which the kernel closes with this process, however that ends.
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(holder, 'spawn')
    // An echo: it is in its namespace.
    holder.stdin.write('.')
    await once(holder.stdout, 'data')
    assert(holder.pid !== undefined)
    return new Namespace(holder, holder.pid)
  }

  get prefix(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--']
  }

  /** Run a short command in it, which must succeed. */
  run(...words: readonly string[]): void {
    const [program = '', ...rest] = [...this.prefix, ...words]
    const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8' })
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`)
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const gone = once(this.#holder, 'exit')
    this.#holder.kill('SIGKILL')
    await gone
  }
}

function linkOf(at: number): string {
  return `to-${at}`
}

function addressOf(at: number): string {
  return `10.77.${at}.2`
}

function ruleOf(from: Machine, to: Machine): readonly string[] {
  return ['from', from.address, 'to', to.address, 'blackhole']
}
