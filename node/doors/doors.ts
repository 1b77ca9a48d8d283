// The doors of a node: ways in for programs that are no Shoal node, each as config.yaml says. All
// go through one gate. A door is a folder here, which turns a protocol into calls of NodeApi.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { NodeAccounts } from '../accounts/node-accounts.ts'
import type { DoorConfig } from '../door-config.ts'
import type { NodeApi } from '../control/api.ts'
import type { ConsoleLink, DoorStatus } from '../control/doors.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Kv } from '../store/kv.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Clock, Random, World } from '../world/world.ts'
import { AccountSessions } from './account-sessions.ts'
import { Gate } from './gate.ts'
import { OwnerToken } from './owner-token.ts'
import { CODE_MS, Sessions } from './sessions.ts'
import { DoorTls } from './tls.ts'
import { openWebServer } from './web-server.ts'
import type { Exchange } from './web-server.ts'

export interface NodeDoorsComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly kv: Kv
  readonly log: WriteLog
  readonly version: string
  readonly settings: readonly DoorConfig[]
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'find' | 'all'>
}

/** The parts that each door is made of. */
export interface DoorComponents {
  readonly gate: Gate
  readonly accountSessions: AccountSessions
  readonly clock: Clock
  readonly random: Random
  readonly version: string
  readonly onError: (error: ShoalError) => void
  /**
   * Listen where the settings say, for requests that `answer` answers; it never rejects. what: is
   * served there, for errors.
   */
  readonly serve: (
    what: string,
    answer: (exchange: Exchange) => Promise<void>,
  ) => Promise<LocalServer>
}

interface OpenDoor {
  readonly kind: DoorConfig['kind']
  readonly door: LocalServer
  readonly tls: DoorTls | undefined
  readonly failed: { readonly count: number }
}

/** The console is there unless something else listens so; then at any free port. */
const CONSOLE = { host: '127.0.0.1', port: 4190 } as const

export class NodeDoors {
  readonly token: OwnerToken
  readonly #sessions: Sessions
  readonly #accountSessions: AccountSessions
  readonly #c: NodeDoorsComponents
  readonly #opening = new SerialQueue()
  #gate: Gate | undefined
  readonly #open: OpenDoor[] = []

  constructor(components: NodeDoorsComponents) {
    this.#c = components
    this.token = new OwnerToken(components.kv, components.world.random)
    this.#sessions = new Sessions(components.world)
    this.#accountSessions = new AccountSessions({ ...components, ...components.world })
  }

  /** throws ShoalError 'usage' where one cannot listen; then none is open. */
  async start(api: NodeApi): Promise<void> {
    const { world, log, settings, accounts, volumes } = this.#c
    const { clock } = world
    const { token } = this
    const [sessions, accountSessions] = [this.#sessions, this.#accountSessions]
    const parts = { token, sessions, accountSessions, accounts, volumes }
    this.#gate = new Gate({ api, clock, log, ...parts })
    try {
      for (const one of settings) await this.#openOne(this.#gate, one)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** A link to the console that is good once; opens a door for it where there is none. */
  openConsole(): Promise<ConsoleLink> {
    return this.#opening.run(async () => {
      const gate = this.#gate
      if (gate === undefined) throw new ShoalError('stopped', 'the node is not up')
      const known = this.#open.find(({ kind }) => kind === 'http')
      const { url } = known?.door ?? (await this.#openForConsole(gate))
      const expiresMs = Math.floor(this.#c.world.clock.wall() + CODE_MS) as WallTime
      return { url: `${url}/#login=${gate.newCode()}`, expiresMs }
    })
  }

  async #openForConsole(gate: Gate): Promise<LocalServer> {
    const { host, port } = CONSOLE
    try {
      return await this.#openOne(gate, { kind: 'http', host, port })
    } catch (error) {
      if (!hasCode(error, 'usage')) throw error
      return this.#openOne(gate, { kind: 'http', host, port: 0 })
    }
  }

  async #openOne(gate: Gate, settings: DoorConfig): Promise<LocalServer> {
    const { world, kv, log, version } = this.#c
    const { kind } = settings
    const failed = { count: 0 }
    const onError = ({ message, stack }: ShoalError): void => {
      failed.count++
      log('door.failed', { door: kind, message, stack })
    }
    const { clock } = world
    const tls = settings.tls && (await DoorTls.open({ kv, clock, onError }, settings.tls))
    const serve: DoorComponents['serve'] = (what, answer) =>
      openWebServer({ ...settings, tls }, what, answer)
    const accountSessions = this.#accountSessions
    const parts = { gate, accountSessions, ...world, version, onError, serve }
    const door = await openDoor(parts, settings)
    this.#open.push({ kind, door, tls, failed })
    log('door.open', { door: kind, url: door.url })
    return door
  }

  async stop(): Promise<void> {
    this.#gate = undefined
    await Promise.all(this.#open.splice(0).map(({ door }) => door.close()))
  }

  list(): readonly DoorStatus[] {
    return this.#open.map(({ kind, door: { url }, tls, failed }) => ({
      kind,
      url,
      fingerprint: tls?.fingerprint,
      failed: failed.count,
      refused: this.#gate?.refused.get(kind) ?? 0,
      ...(kind === 'http' && { sessions: this.#sessions.count }),
    }))
  }
}

/** A door costs nothing where there is none. throws ShoalError 'usage' naming the address. */
async function openDoor(components: DoorComponents, settings: DoorConfig): Promise<LocalServer> {
  switch (settings.kind) {
    case 'http': {
      const { openHttpDoor } = await import('./http/http-door.ts')
      return openHttpDoor(components)
    }
    case 'webdav': {
      const { openWebDavDoor } = await import('./webdav/webdav-door.ts')
      return openWebDavDoor(components, settings)
    }
    case 's3': {
      const { openS3Door } = await import('./s3/s3-door.ts')
      return openS3Door(components, settings)
    }
  }
}
