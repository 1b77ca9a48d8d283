// The bulk connections of a node: at most one that it dialled and one that it accepted with each
// connected member. Always true: whoever comes has a token that it was given over its own libp2p
// connection a moment ago, proves its key, and is a member; who is no member any more, or not
// connected, has none; where there is no way to open one, callers use a stream, and the way is
// tried again later.
import { connect } from 'node:net'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import {
  KNOCK_BYTES,
  decodeBulkRequest,
  encodeBulkReply,
  encodePreamble,
} from '../../../protocol/wire/bulk.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { onAbort } from '../abort-listeners.ts'
import { ignoreFailure } from '../ignore-failure.ts'
import { BulkConnection } from './connection.ts'
import { TlsPipe } from './tls-pipe.ts'
import { BulkTokens } from './tokens.ts'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Instant } from '../../../protocol/units.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { BulkReply, BulkRequest } from '../../../protocol/wire/bulk.ts'
import type { InFlight } from '../in-flight.ts'
import type { Channel, Clock, HandleOptions } from '../world.ts'
import type { LaneHandler } from './connection.ts'
import type { WriteLog } from '../../observe/log-events.ts'

/** From the first byte to the hello of the other side. */
const HANDSHAKE_MS: number = 5 * SECOND_MS
/** A caller waits so long for a new connection, then uses a stream. */
const PATIENCE_MS: number = 2 * SECOND_MS
/** A connection without a lane is closed by the side that dialled, or by the other later. */
const IDLE_MS: number = MINUTE_MS
/** After a failure, doubled each time; over when the peer connects anew. */
const PAUSE_MS: number = MINUTE_MS
const PAUSE_MAX_MS: number = 30 * MINUTE_MS

/** How a peer can be dialled: there; or not from here, but it may dial this node. */
export type Way = { readonly host: string; readonly port: number } | 'theirs'

/** The part of libp2p that it needs. */
export interface BulkHost {
  readonly self: PeerId
  /** A member with a libp2p connection. */
  readonly isWelcome: (peer: PeerId) => boolean
  /** By the libp2p connections that are there; undefined if none is direct. */
  readonly wayTo: (peer: PeerId) => Way | undefined
  /** Over a stream of BULK_PROTOCOL. */
  readonly ask: (peer: PeerId, request: BulkRequest, signal: AbortSignal) => Promise<BulkReply>
  readonly context: () => Promise<SecureContext>
  readonly onTraffic: (peer: PeerId, bytes: number) => void
  /** Somebody at this address knocked in vain. */
  readonly onIntruder: (address: string) => void
}

interface Components {
  readonly host: BulkHost
  readonly clock: Pick<Clock, 'now' | 'timer'>
  readonly randomBytes: (length: number) => Uint8Array
  readonly inFlight: InFlight
  readonly log: WriteLog
}

type Direction = 'dialled' | 'accepted'

export class BulkConnections {
  readonly #c: Components
  readonly #tokens: BulkTokens
  readonly #handlers = new Map<string, LaneHandler>()
  readonly #open: Readonly<Record<Direction, Map<PeerId, BulkConnection>>> = {
    dialled: new Map(),
    accepted: new Map(),
  }
  /** Under way, so that all who want one share it. */
  readonly #attempts = new Map<PeerId, Promise<BulkConnection>>()
  readonly #dials = new Map<PeerId, Promise<BulkConnection>>()
  readonly #pauses = new Map<PeerId, { ms: number; until: number }>()
  /** Connections whose handshake is not done. */
  readonly #unready = new Set<Socket>()
  #stopped = new AbortController()

  constructor(components: Components) {
    this.#c = components
    const { clock, randomBytes } = components
    this.#tokens = new BulkTokens({ now: (): Instant => clock.now(), bytes: randomBytes })
  }

  start(): void {
    this.#stopped = new AbortController()
  }

  /** Ends all of them; none begins any more. */
  stop(): void {
    this.#stopped.abort(new ShoalError('stopped', 'the network stops'))
    for (const socket of this.#unready) socket.destroy()
    for (const connection of this.#all()) connection.end(unreachable('this node stops'))
  }

  /** Serves lanes of a protocol as its streams are. */
  handle(
    protocol: string,
    serve: (channel: Channel) => Promise<void>,
    { frameMax }: HandleOptions,
  ): void {
    this.#handlers.set(protocol, { serve: (lane) => void serve(lane), frameMax })
  }

  /**
   * A channel to a connected member; undefined if there is no bulk connection, and none can be
   * opened soon. throws ShoalError as Network.open().
   */
  async open(
    peer: PeerId,
    protocol: string,
    options: { readonly signal: AbortSignal; readonly frameMax?: number | undefined },
  ): Promise<Channel | undefined> {
    const connection = this.#to(peer) ?? (await this.#patiently(peer, options.signal))
    try {
      return await connection?.open(protocol, options)
    } catch (error) {
      if (options.signal.aborted || connection?.isOpen === true) throw error
      return undefined
    }
  }

  /** Answers a stream of BULK_PROTOCOL. */
  async serve(channel: Channel): Promise<void> {
    const { peer } = channel
    const signal = this.#deadline()
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    const request = decodeBulkRequest(frame)
    const isWelcome = this.#c.host.isWelcome(peer)
    const reply: BulkReply =
      request.kind === 'token' && isWelcome
        ? { kind: 'token', token: this.#tokens.issue(peer) }
        : { kind: await this.#dialFor(peer, request, signal) }
    await channel.send([encodeBulkReply(reply)], { signal })
  }

  /** Takes a connection that knocked. */
  accept(socket: Socket, knock: string): void {
    const issued = this.#tokens.redeem(knock)
    if (issued === undefined || !this.#c.host.isWelcome(issued.peer)) {
      this.#c.host.onIntruder(socket.remoteAddress ?? '')
      return void socket.destroy()
    }
    const { peer, secret } = issued
    this.#handshake(socket, { peer, secret, direction: 'accepted' }).catch((error: unknown) =>
      this.#note('a bulk connection was refused', peer, error),
    )
  }

  /** The peer has connected anew: what failed before may work now. */
  onConnect(peer: PeerId): void {
    this.#pauses.delete(peer)
  }

  /** The peer is not connected any more, or hung up on. */
  drop(peer: PeerId): void {
    this.#tokens.forget(peer)
    for (const connection of this.#all())
      if (connection.peer === peer) connection.end(unreachable('this node hangs up'))
  }

  /** Hangs up on whoever is not welcome any more. */
  recheck(): void {
    for (const { peer } of this.#all()) if (!this.#c.host.isWelcome(peer)) this.drop(peer)
  }

  /** Peers with a connection, for tests and figures. */
  peers(): readonly PeerId[] {
    return [...new Set(this.#all().map(({ peer }) => peer))]
  }

  #all(): readonly BulkConnection[] {
    return [...this.#open.dialled.values(), ...this.#open.accepted.values()]
  }

  #to(peer: PeerId): BulkConnection | undefined {
    return this.#open.dialled.get(peer) ?? this.#open.accepted.get(peer)
  }

  /** A new connection, unless that takes too long for a caller or failed lately. */
  async #patiently(peer: PeerId, signal: AbortSignal): Promise<BulkConnection | undefined> {
    const { clock, host } = this.#c
    const isPaused = (this.#pauses.get(peer)?.until ?? 0) > clock.now()
    if (isPaused || this.#stopped.signal.aborted || !host.isWelcome(peer)) return undefined
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const timer = clock.timer(PATIENCE_MS, () => resolve(undefined))
    const forget = onAbort(signal, () => resolve(undefined))
    const attempt = ignoreFailure(this.#attempt(peer), 'a stream is used instead')
    try {
      return await Promise.race([attempt, promise])
    } finally {
      timer.cancel()
      forget()
    }
  }

  #attempt(peer: PeerId): Promise<BulkConnection> {
    const known = this.#attempts.get(peer)
    if (known !== undefined) return known
    const attempt = this.#connect(peer)
      .catch((error: unknown) => {
        this.#pause(peer, error)
        throw error
      })
      .finally(() => this.#attempts.delete(peer))
    this.#attempts.set(peer, attempt)
    return attempt
  }

  async #connect(peer: PeerId): Promise<BulkConnection> {
    const { host } = this.#c
    const way = host.wayTo(peer)
    if (way === undefined) throw unreachable('there is no direct connection')
    const signal = this.#deadline()
    if (way !== 'theirs') {
      const reply = await host.ask(peer, { kind: 'token' }, signal)
      if (reply.kind === 'token') return await this.#dial(peer, way, reply.token)
    } else {
      await host.ask(peer, { kind: 'dial', token: this.#tokens.issue(peer) }, signal)
      const accepted = this.#open.accepted.get(peer)
      if (accepted !== undefined) return accepted
    }
    throw unreachable('the peer refused')
  }

  async #dialFor(
    peer: PeerId,
    request: BulkRequest,
    signal: AbortSignal,
  ): Promise<'connected' | 'refused'> {
    const { host } = this.#c
    const way = host.isWelcome(peer) ? host.wayTo(peer) : undefined
    if (request.kind !== 'dial' || way === undefined || way === 'theirs') return 'refused'
    try {
      await this.#dial(peer, way, request.token)
      return 'connected'
    } catch (error) {
      signal.throwIfAborted()
      this.#note('could not dial a bulk connection', peer, error)
      return 'refused'
    }
  }

  #dial(peer: PeerId, way: Exclude<Way, 'theirs'>, token: Uint8Array): Promise<BulkConnection> {
    const dial =
      this.#dials.get(peer) ??
      this.#dialOnce(peer, way, token).finally(() => this.#dials.delete(peer))
    this.#dials.set(peer, dial)
    return dial
  }

  async #dialOnce(
    peer: PeerId,
    { host, port }: Exclude<Way, 'theirs'>,
    token: Uint8Array,
  ): Promise<BulkConnection> {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    socket.on('error', () => socket.destroy())
    const sent = Promise.withResolvers<void>()
    socket.once('close', () => sent.reject(unreachable('nobody answers there')))
    socket.write(encodePreamble(token), () => sent.resolve())
    const secret = token.slice(KNOCK_BYTES)
    return this.#handshake(socket, { peer, secret, direction: 'dialled', before: sent.promise })
  }

  async #handshake(
    socket: Socket,
    options: {
      readonly peer: PeerId
      readonly secret: Uint8Array
      readonly direction: Direction
      readonly before?: Promise<void>
    },
  ): Promise<BulkConnection> {
    const { peer, direction } = options
    const signal = this.#deadline()
    const forget = onAbort(signal, () => socket.destroy())
    this.#unready.add(socket)
    try {
      await options.before
      const context = await this.#c.host.context()
      const isServer = direction === 'accepted'
      const pipe = await TlsPipe.open(socket, { peer, context, isServer, signal })
      const connection = this.#over(pipe, options)
      await connection.greeted
      if (signal.aborted || !this.#c.host.isWelcome(peer)) {
        connection.end(unreachable('it is not welcome any more'))
        throw unreachable('it is not welcome any more')
      }
      this.#register(connection, direction)
      return connection
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      forget()
      this.#unready.delete(socket)
    }
  }

  #over(
    pipe: TlsPipe,
    { peer, secret, direction }: { peer: PeerId; secret: Uint8Array; direction: Direction },
  ): BulkConnection {
    const { clock, host, inFlight } = this.#c
    let idle: { cancel: () => void } | undefined
    const connection: BulkConnection = new BulkConnection(pipe, {
      peer,
      secret,
      isDialler: direction === 'dialled',
      inFlight,
      handlerOf: (protocol) => this.#handlers.get(protocol),
      onTraffic: host.onTraffic,
      onIdle: (isIdle) => {
        idle?.cancel()
        const afterMs = direction === 'dialled' ? IDLE_MS : 2 * IDLE_MS
        const end = (): void => connection.end(unreachable('it was idle'))
        idle = isIdle ? clock.timer(afterMs, end) : undefined
      },
      onEnd: (error) => {
        idle?.cancel()
        const open = this.#open[direction]
        if (open.get(peer) !== connection) return
        open.delete(peer)
        const { moved } = connection
        this.#c.log('bulk.ended', { peer, reason: error.message, ...moved })
      },
    })
    return connection
  }

  #register(connection: BulkConnection, direction: Direction): void {
    const { peer } = connection
    const open = this.#open[direction]
    const old = open.get(peer)
    open.set(peer, connection)
    old?.end(unreachable('there is a newer connection'))
    this.#c.log('bulk.open', { peer, direction })
  }

  #pause(peer: PeerId, error: unknown): void {
    if (this.#stopped.signal.aborted) return
    const ms = Math.min(2 * (this.#pauses.get(peer)?.ms ?? PAUSE_MS / 2), PAUSE_MAX_MS)
    this.#pauses.set(peer, { ms, until: this.#c.clock.now() + ms })
    const reason = asShoalError(error).message
    this.#c.log('bulk.streams', { peer, reason, forMs: ms })
  }

  #note(what: string, peer: PeerId, error: unknown): void {
    this.#c.log('bulk.failed', { peer, what, reason: asShoalError(error).message })
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(HANDSHAKE_MS)])
  }
}

function unreachable(why: string): ShoalError {
  return new ShoalError('unreachable', why)
}
