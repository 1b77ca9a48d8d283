// A dispersed volume of GlusterFS, all of its bricks on this machine, in a network namespace with
// nothing but loopback: its servers listen on every address they find. Mounted where this process
// sees it.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../test/cluster/cluster.ts'
import { Namespace } from '../../test/cluster/netns.ts'
import { run } from '../copy.ts'

/** GlusterFS takes no brick on an address of loopback; this one is for documents (RFC 5737). */
const ADDRESS = '192.0.2.1'
const VOLUME = 'bench'

interface Code {
  readonly data: number
  readonly parity: number
}

export class GlusterVolume implements AsyncDisposable {
  readonly mountFolder: string
  readonly #folder: string
  readonly #namespace: Namespace
  readonly #daemon: ChildProcess

  private constructor(folder: string, namespace: Namespace) {
    this.#folder = folder
    this.#namespace = namespace
    this.mountFolder = join(folder, 'mount')
    const [program, ...words] = [
      ...namespace.prefix,
      'glusterd',
      '--no-daemon',
      `--volfile=${join(folder, 'glusterd.vol')}`,
      `--log-file=${join(folder, 'glusterd.log')}`,
      `--pid-file=${join(folder, 'glusterd.pid')}`,
    ]
    this.#daemon = spawn(program, words, { stdio: 'ignore' })
  }

  /** Why there can be none here; undefined: there can. */
  static missing(): string | undefined {
    const isThere = spawnSync('glusterd', ['--version']).error === undefined
    return isThere ? undefined : 'GlusterFS is not installed (glusterfs-server of Debian).'
  }

  static async start(folder: string, { data, parity }: Code): Promise<GlusterVolume> {
    const namespace = await Namespace.open()
    namespace.run('ip', 'link', 'set', 'lo', 'up')
    namespace.run('ip', 'address', 'add', `${ADDRESS}/32`, 'dev', 'lo')
    const state = join(folder, 'state')
    await mkdir(state)
    await writeFile(join(folder, 'glusterd.vol'), settings(state, socketIn(folder)))
    const volume = new GlusterVolume(folder, namespace)
    try {
      await volume.#begin(data, parity)
      return volume
    } catch (error) {
      await volume[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Ends the processes of the last so many bricks, as if their machines were off. */
  killBricks(count: number): void {
    const { stdout } = spawnSync('pgrep', ['--full', `glusterfsd .*${this.#folder}`])
    const bricks = stdout.toString().trim().split('\n').map(Number)
    for (const pid of bricks.slice(-count)) process.kill(pid, 'SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    spawnSync('umount', ['--lazy', this.mountFolder])
    spawnSync('pkill', ['--signal', 'KILL', '--full', `gluster.*${this.#folder}`])
    if (this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      const gone = once(this.#daemon, 'exit')
      this.#daemon.kill('SIGKILL')
      await gone
    }
    await this.#namespace.close()
  }

  async #begin(data: number, parity: number): Promise<void> {
    await eventually('glusterd answers', async () => this.#ask('pool', 'list') === 0)
    const bricks = Array.from({ length: data + parity }, (_, at) =>
      join(this.#folder, `brick-${at}`),
    )
    for (const brick of bricks) await mkdir(brick)
    const code = ['disperse-data', String(data), 'redundancy', String(parity)]
    const places = bricks.map((brick) => `${ADDRESS}:${brick}`)
    this.#must('volume', 'create', VOLUME, ...code, ...places, 'force')
    this.#must('volume', 'start', VOLUME)
    await mkdir(this.mountFolder)
    const [program, ...words] = [...this.#namespace.prefix, 'glusterfs']
    const log = `--log-file=${join(this.#folder, 'mount.log')}`
    const server = `--volfile-server=${ADDRESS}`
    await run(program, ...words, log, server, `--volfile-id=${VOLUME}`, this.mountFolder)
    await eventually('it is mounted', async () =>
      (await readFile('/proc/mounts', 'utf8')).includes(this.mountFolder),
    )
  }

  #must(...words: readonly string[]): void {
    if (this.#ask(...words) !== 0) throw new Error(`gluster ${words.join(' ')} failed`)
  }

  /** returns its exit code. */
  #ask(...words: readonly string[]): number | null {
    const [program = '', ...rest] = [
      ...this.#namespace.prefix,
      'gluster',
      '--mode=script',
      `--glusterd-sock=${socketIn(this.#folder)}`,
      ...words,
    ]
    return spawnSync(program, rest, { stdio: 'ignore' }).status
  }
}

/** The socket on which the command reaches glusterd. */
function socketIn(folder: string): string {
  return join(folder, 'socket')
}

/** Settings of glusterd, with its state in a folder of its own. */
function settings(state: string, socket: string): string {
  return `volume management
    type mgmt/glusterd
    option working-directory ${state}
    option glusterd-sockfile ${socket}
    option run-directory ${state}
    option transport-type socket
    option transport.socket.listen-port 24007
    option ping-timeout 0
    option event-threads 1
    option max-port 60999
end-volume
`
}
