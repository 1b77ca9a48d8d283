// The doors of a node: ways in for programs that are no Shoal node, each as config.yaml says. All
// go through one gate. A door is a folder here, which turns a protocol into calls of NodeApi.
import { isDeepStrictEqual } from 'node:util'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { NodeAccounts } from '../accounts/node-accounts.ts'
import type { DoorConfig, ListenAddress } from '../door-config.ts'
import { parseNewDoor } from '../door-settings.ts'
import type { DoorSettings } from '../door-settings.ts'
import type { NodeApi } from '../control/api.ts'
import type { ConsoleLink, DoorLogEntry, DoorStatus, NewDoor } from '../control/doors.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Kv } from '../store/kv.ts'
import type { Examined } from '../observe/log-chain.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { LineSeal } from '../world/home-key.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Clock, Random, World } from '../world/world.ts'
import type { Tracer } from '../traces/span.ts'
import { AccountSessions } from './account-sessions.ts'
import { DoorLog } from './door-log.ts'
import type { DoorLogReading } from './door-log.ts'
import { Gate } from './gate.ts'
import type { HttpState } from './http/http-state.ts'
import { OwnerToken } from './owner-token.ts'
import { CODE_MS, Sessions } from './sessions.ts'
import { DoorTls } from './tls.ts'
import { tracedAnswers } from './traced-answers.ts'
import { openWebServer } from './web-server.ts'
import type { Exchange } from './web-server.ts'

export interface NodeDoorsComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'disk'>
  readonly kv: Kv
  readonly lines: LineSeal
  readonly log: WriteLog
  readonly tracer?: Tracer | undefined
  readonly security: RecordSecurity
  readonly version: string
  /** Undefined: there are no doors. */
  readonly settings: DoorSettings | undefined
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'find' | 'all'>
}

/** The parts that each door is made of. */
export interface DoorComponents {
  readonly gate: Gate
  readonly accountSessions: AccountSessions
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'find'>
  readonly clock: Clock
  readonly random: Random
  readonly version: string
  /** The state of all HTTP doors of the node. */
  readonly httpState: () => Promise<HttpState>
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
  readonly server: LocalServer
  readonly tls: DoorTls | undefined
  readonly failed: { readonly count: number }
}

interface KnownDoor {
  readonly settings: DoorConfig
  /** Undefined: it is stopped. */
  open: OpenDoor | undefined
}

/** The console is there unless something else listens so; then at any free port. */
const CONSOLE = { host: '127.0.0.1', port: 4190 } as const

export class NodeDoors {
  readonly token: OwnerToken
  readonly #sessions: Sessions
  readonly #accountSessions: AccountSessions
  readonly #c: NodeDoorsComponents
  readonly #changing = new SerialQueue()
  #gate: Gate | undefined
  /** Absent until a door is opened. */
  #log: Promise<DoorLog> | undefined
  #known: readonly KnownDoor[] = []
  #httpState: Promise<HttpState> | undefined

  constructor(components: NodeDoorsComponents) {
    this.#c = components
    this.token = new OwnerToken(components.kv, components.world.random)
    this.#sessions = new Sessions(components.world)
    this.#accountSessions = new AccountSessions({ ...components, ...components.world })
  }

  /** throws ShoalError 'usage' where one cannot listen; then none is open. */
  async start(api: NodeApi): Promise<void> {
    const { world, log, settings, accounts, volumes, tracer } = this.#c
    const { clock } = world
    const { doors = [], requestRate } = (await settings?.read()) ?? {}
    const { token } = this
    const [sessions, accountSessions] = [this.#sessions, this.#accountSessions]
    const parts = { token, sessions, accountSessions, accounts, volumes, requestRate }
    const gate = (this.#gate = new Gate({
      api: tracer?.calls(api, 'api') ?? api,
      clock,
      log,
      ...parts,
    }))
    this.#known = doors.map((one) => ({ settings: one, open: undefined }))
    try {
      for (const door of this.#known) await this.#openOne(gate, door)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** A link to the console that is good once; opens a door for it where there is none. */
  openConsole(): Promise<ConsoleLink> {
    return this.#change(async (gate) => {
      const known = this.#known.find(({ settings, open }) => settings.kind === 'http' && open)
      const { url } = known?.open?.server ?? (await this.#openForConsole(gate))
      const expiresMs = Math.floor(this.#c.world.clock.wall() + CODE_MS) as WallTime
      return { url: `${url}/#login=${gate.newCode()}`, expiresMs }
    })
  }

  async #openForConsole(gate: Gate): Promise<LocalServer> {
    const { host, port } = CONSOLE
    try {
      return await this.#openNew(gate, { kind: 'http', host, port })
    } catch (error) {
      if (!hasCode(error, 'usage')) throw error
      return this.#openNew(gate, { kind: 'http', host, port: 0 })
    }
  }

  /**
   * Open another door, and save it in config.yaml. throws ShoalError 'usage' for one that cannot be
   * opened; then nothing is saved.
   */
  add(door: NewDoor): Promise<DoorStatus> {
    return this.#change(async (gate) => {
      const settings = parseNewDoor(door)
      const known = this.#known.find(
        ({ settings: { host, port } }) => port > 0 && addressOf({ host, port }) === door.listen,
      )
      if (known !== undefined)
        throw new ShoalError('usage', `there is a door at ${door.listen}: see "shoal door ls"`)
      await this.#openNew(gate, settings)
      const made = this.#known.at(-1)
      try {
        await this.#settings().add(door)
      } catch (error) {
        if (made !== undefined) await this.#forget(made)
        throw error
      }
      return this.#statusOf(made ?? { settings, open: undefined })
    })
  }

  /** Close one, and take it out of config.yaml. throws ShoalError 'ENOENT' naming all there are. */
  remove(name: string): Promise<void> {
    return this.#change(async () => {
      const door = this.#find(name)
      await this.#settings().remove(door.settings)
      await this.#forget(door)
    })
  }

  /**
   * Open one that was stopped, or (no name) all that are in config.yaml by now and are not open.
   * throws ShoalError 'ENOENT', 'usage'.
   */
  open(name: string | undefined): Promise<readonly DoorStatus[]> {
    return this.#change(async (gate) => {
      const named = name === undefined ? undefined : this.#find(name)
      if (named === undefined) {
        const { doors } = await this.#settings().read()
        const isNew = (one: DoorConfig): boolean =>
          !this.#known.some(({ settings }) => isDeepStrictEqual(settings, one))
        const added = doors.filter(isNew).map((settings) => ({ settings, open: undefined }))
        this.#known = [...this.#known, ...added]
      }
      const closed = (named === undefined ? this.#known : [named]).filter(({ open }) => !open)
      for (const door of closed) await this.#openOne(gate, door)
      return closed.map((door) => this.#statusOf(door))
    })
  }

  /** Until it is opened again, or the node starts. throws ShoalError 'ENOENT'. */
  close(name: string): Promise<void> {
    return this.#change(async () => {
      const door = this.#find(name)
      await door.open?.server.close()
      door.open = undefined
    })
  }

  /** As DoorsApi has it. */
  async *readLog(options: DoorLogReading): AsyncGenerator<readonly DoorLogEntry[]> {
    yield* (await this.#openLog()).read(options)
  }

  async checkLog(): Promise<Examined> {
    return (await this.#openLog()).check()
  }

  async stop(): Promise<void> {
    this.#gate = undefined
    const doors = this.#known
    this.#known = []
    await Promise.all(doors.flatMap(({ open }) => open?.server.close() ?? []))
    await (await this.#httpState)?.stop()
    this.#httpState = undefined
    await (await this.#log)?.close()
    this.#log = undefined
  }

  list(): readonly DoorStatus[] {
    return this.#known.map((door) => this.#statusOf(door))
  }

  #statusOf({ settings, open }: KnownDoor): DoorStatus {
    const { kind } = settings
    return {
      kind,
      listen: addressOf(settings),
      ...(kind !== 'http' && { volume: settings.volume, path: settings.path }),
      url: open?.server.url,
      fingerprint: open?.tls?.fingerprint,
      failed: open?.failed.count ?? 0,
      refused: this.#gate?.refused.get(kind) ?? 0,
      ...(kind === 'http' && { sessions: this.#sessions.count }),
    }
  }

  /** One change after the other. throws ShoalError 'stopped'. */
  #change<Result>(run: (gate: Gate) => Promise<Result>): Promise<Result> {
    return this.#changing.run(async () => {
      if (this.#gate === undefined) throw new ShoalError('stopped', 'the node is not up')
      return run(this.#gate)
    })
  }

  #settings(): DoorSettings {
    const { settings } = this.#c
    if (settings === undefined) throw new ShoalError('unsupported', 'this node has no config.yaml')
    return settings
  }

  /** By its address, or by its kind where there is one of it. */
  #find(name: string): KnownDoor {
    const all = this.#known
    const byAddress = all.find(
      ({ settings, open }) =>
        addressOf(settings) === name || (open && new URL(open.server.url).host === name),
    )
    if (byAddress !== undefined) return byAddress
    const [byKind, ...more] = all.filter(({ settings }) => settings.kind === name)
    if (byKind !== undefined && more.length === 0) return byKind
    const names = all.map(({ settings }) => `${settings.kind} ${addressOf(settings)}`).join(', ')
    throw new ShoalError(
      'ENOENT',
      byKind === undefined
        ? `there is no door "${name}"; there are: ${names === '' ? 'none' : names}`
        : `"${name}" may be several doors: name one by its address, of ${names}`,
    )
  }

  async #forget(door: KnownDoor): Promise<void> {
    this.#known = this.#known.filter((one) => one !== door)
    await door.open?.server.close()
  }

  async #openNew(gate: Gate, settings: DoorConfig): Promise<LocalServer> {
    const door: KnownDoor = { settings, open: undefined }
    const server = await this.#openOne(gate, door)
    this.#known = [...this.#known, door]
    return server
  }

  async #openOne(gate: Gate, door: KnownDoor): Promise<LocalServer> {
    const { settings } = door
    const { world, kv, log, version, tracer } = this.#c
    const { kind } = settings
    const failed = { count: 0 }
    const onError = ({ message, stack }: ShoalError): void => {
      failed.count++
      log('door.failed', { door: kind, message, stack })
    }
    const { clock } = world
    const tls = settings.tls && (await DoorTls.open({ kv, clock, onError }, settings.tls))
    const requests = await this.#openLog()
    const serve: DoorComponents['serve'] = (what, answer) =>
      openWebServer({ ...settings, tls, clock }, what, {
        answer: tracer === undefined ? answer : tracedAnswers(answer, kind, tracer),
        onAnswered: (answered) => requests.record(kind, answered),
      })
    const httpState = (): Promise<HttpState> => (this.#httpState ??= this.#openHttpState(gate.api))
    const accountSessions = this.#accountSessions
    const { accounts, volumes } = this.#c
    const shared = { gate, accountSessions, accounts, volumes, ...world }
    const parts = { ...shared, version, httpState, onError, serve }
    const server = await openDoor(parts, settings)
    door.open = { server, tls, failed }
    log('door.open', { door: kind, url: server.url })
    return server
  }

  async #openHttpState(api: NodeApi): Promise<HttpState> {
    const { world, kv, log } = this.#c
    const { HttpState } = await import('./http/http-state.ts')
    return HttpState.open({ ...world, api, kv, log })
  }

  #openLog(): Promise<DoorLog> {
    this.#log ??= DoorLog.open(this.#c)
    return this.#log
  }
}

/** As config.yaml has it. */
function addressOf({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A door costs nothing where there is none. throws ShoalError 'usage' naming the address. */
async function openDoor(components: DoorComponents, settings: DoorConfig): Promise<LocalServer> {
  switch (settings.kind) {
    case 'http': {
      const { openHttpDoor } = await import('./http/http-door.ts')
      return openHttpDoor(components, settings)
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
