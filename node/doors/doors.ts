// The doors of a node: ways in for programs that are no Shoal node, each as config.yaml says. All
// go through one gate. A door is a folder here, which turns a protocol into calls of NodeApi.
import type { ShoalError } from '../../protocol/errors.ts'
import type { NodeAccounts } from '../accounts/node-accounts.ts'
import type { DoorConfig } from '../door-config.ts'
import type { NodeApi } from '../control/api.ts'
import type { DoorStatus } from '../control/doors.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Kv } from '../store/kv.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { Clock, Random, World } from '../world/world.ts'
import { Gate } from './gate.ts'
import { OwnerToken } from './owner-token.ts'
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
  readonly volumes: Pick<Volumes, 'find'>
}

/** The parts that each door is made of. */
export interface DoorComponents {
  readonly gate: Gate
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
}

export class NodeDoors {
  readonly token: OwnerToken
  readonly #c: NodeDoorsComponents
  readonly #open: OpenDoor[] = []

  constructor(components: NodeDoorsComponents) {
    this.#c = components
    this.token = new OwnerToken(components.kv, components.world.random)
  }

  /** throws ShoalError 'usage' where one cannot listen; then none is open. */
  async start(api: NodeApi): Promise<void> {
    const { world, version, settings, kv, ...others } = this.#c
    const { log } = others
    if (settings.length === 0) return
    const gate = new Gate({ ...others, api, clock: world.clock, token: this.token })
    try {
      for (const one of settings) {
        const { kind } = one
        const onError = ({ message, stack }: ShoalError): void =>
          log('door.failed', { door: kind, message, stack })
        const tls = one.tls && (await DoorTls.open({ kv, clock: world.clock, onError }, one.tls))
        const serve: DoorComponents['serve'] = (what, answer) =>
          openWebServer({ ...one, tls }, what, answer)
        const door = await openDoor({ gate, ...world, version, onError, serve }, one)
        this.#open.push({ kind, door, tls })
        log('door.open', { door: kind, url: door.url })
      }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(({ door }) => door.close()))
  }

  list(): readonly DoorStatus[] {
    return this.#open.map(({ kind, door: { url }, tls }) => ({
      kind,
      url,
      fingerprint: tls?.fingerprint,
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
