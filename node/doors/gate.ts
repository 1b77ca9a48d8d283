// The gate of all doors: who may come in. A door says what a request shows of where it comes from
// and of who sent it; the gate lets it in or says why not, before anything of it is read.
import { ShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'
import { isOwnHost } from '../world/own-host.ts'
import type { OwnerToken } from './owner-token.ts'

/** Whoever showed a wrong secret waits so long for the answer, up to so many at a time. */
const WRONG_MS: number = SECOND_MS
const WRONG_AT_ONCE_MAX = 32

export interface Visitor {
  readonly door: string
  /** The address of the other end. */
  readonly address: string
  /** Headers of HTTP, where the door speaks it. */
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly authorization?: string | undefined
}

export interface GateComponents {
  readonly clock: Clock
  readonly token: OwnerToken
  readonly log: WriteLog
}

export class Gate {
  readonly #c: GateComponents
  #wrong = 0

  constructor(components: GateComponents) {
    this.#c = components
  }

  /** throws ShoalError 'EACCES', 'EPERM' for a page of another origin, 'EBUSY'. */
  async admit(visitor: Visitor): Promise<void> {
    const { host, origin, authorization = '' } = visitor
    if (!isOwnHost(host))
      throw new ShoalError('EPERM', 'this door is for programs of this machine: ask for localhost')
    if (origin !== undefined && origin !== `http://${host}`)
      throw new ShoalError('EPERM', 'pages of other origins may ask nothing here')
    const [, shown] = /^Bearer ([\w-]{1,256})$/.exec(authorization) ?? []
    if (shown !== undefined && (await this.#c.token.opensWith(shown))) return
    await this.#slowDown(visitor)
    throw new ShoalError('EACCES', 'show the token of the owner: "shoal door token" prints it')
  }

  async #slowDown({ door, address }: Visitor): Promise<void> {
    const { clock, log } = this.#c
    if (this.#wrong >= WRONG_AT_ONCE_MAX) throw new ShoalError('EBUSY', 'too many wrong secrets')
    this.#wrong++
    log('door.refused', { door, address })
    try {
      await clock.sleep(WRONG_MS)
    } finally {
      this.#wrong--
    }
  }
}
