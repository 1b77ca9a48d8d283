// A peer that asks for bulk connections and uses them as it likes: libp2p as it comes for the
// asking, and below that any bytes, with the certificate of any key.
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import {
  BULK_ALPN,
  BULK_PROTOCOL,
  KNOCK_BYTES,
  RECORD,
  RECORD_HEAD_BYTES,
  decodeBulkReply,
  encodeBulkRequest,
  encodePreamble,
  writeRecordHead,
} from '../../protocol/wire/bulk.ts'
import { FrameDecoder, encodeFrame } from '../../node/world/libp2p/frames.ts'
import { libp2pContext } from '../../node/world/libp2p/tls.ts'
import { RawPeer } from './raw-peer.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { BulkReply, BulkRequest } from '../../protocol/wire/bulk.ts'
import type { Network } from '../../node/world/world.ts'

const PATIENCE_MS = 10_000

/** A record of any content. */
export function record(kind: number, lane: number, n: number, body?: Uint8Array): Uint8Array {
  const head = Buffer.alloc(RECORD_HEAD_BYTES)
  writeRecordHead(head, 0, { kind, lane, n })
  return Buffer.concat([head, body ?? new Uint8Array()])
}

export function hello(token: Uint8Array): Uint8Array {
  const secret = token.subarray(KNOCK_BYTES)
  return record(RECORD.HELLO, 0, secret.length, secret)
}

export function open(lane: number, protocol: string): Uint8Array {
  return record(RECORD.OPEN, lane, protocol.length, Buffer.from(protocol))
}

export class BulkPeer implements AsyncDisposable {
  readonly raw: RawPeer
  readonly #seed: Uint8Array
  readonly #sockets: Socket[] = []

  private constructor(raw: RawPeer, seed: Uint8Array) {
    this.raw = raw
    this.#seed = seed
  }

  static async start(seed: Uint8Array): Promise<BulkPeer> {
    return new BulkPeer(await RawPeer.start({ seed, isQuiet: true }), seed)
  }

  /** Ask over libp2p. */
  async ask(victim: Network, request: BulkRequest): Promise<BulkReply> {
    const connection =
      this.raw.libp2p.getConnections()[0] ?? (await this.raw.dialAt(victim.addresses()))
    const stream = await this.raw.open(connection, BULK_PROTOCOL)
    const frames: Uint8Array[] = []
    const decoder = new FrameDecoder((frame) => frames.push(frame))
    stream.addEventListener('message', ({ data }) => decoder.push(data.subarray()))
    for (const block of [...encodeFrame([]), ...encodeFrame([encodeBulkRequest(request)])])
      stream.send(block)
    const startedAt = Date.now()
    while (frames.length < 2 && Date.now() < startedAt + PATIENCE_MS && stream.status === 'open')
      await new Promise((resolve) => setTimeout(resolve, 10))
    const [, answer] = frames
    if (answer === undefined) throw new Error('it was not answered')
    return decodeBulkReply(answer)
  }

  async token(victim: Network): Promise<Uint8Array> {
    const reply = await this.ask(victim, { kind: 'token' })
    if (reply.kind !== 'token') throw new Error('it was given no token')
    return reply.token
  }

  /** A TCP connection to the port of the victim. */
  async socket(victim: Network): Promise<Socket> {
    const [, , host, , port] = victim.addresses()[0]?.split('/') ?? []
    const socket = connect({ host: host ?? '', port: Number(port) })
    socket.on('error', () => undefined)
    this.#sockets.push(socket)
    await once(socket, 'connect').catch(() => undefined) // it was hung up on
    return socket
  }

  /** Knock with a token, and go through TLS, as far as that goes. */
  async enter(victim: Network, token: Uint8Array): Promise<TLSSocket> {
    const raw = await this.socket(victim)
    raw.write(encodePreamble(token))
    const key = await generateKeyPairFromSeed('Ed25519', this.#seed)
    const secureContext = await libp2pContext(key)
    const socket = connectTls({
      socket: raw,
      secureContext,
      rejectUnauthorized: false,
      ALPNProtocols: [BULK_ALPN],
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect').catch(() => undefined) // it was hung up on
    return socket
  }

  /** The same, and say hello. */
  async connect(victim: Network): Promise<TLSSocket> {
    const token = await this.token(victim)
    const socket = await this.enter(victim, token)
    socket.write(hello(token))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (answer.readUInt32BE(0) !== RECORD.HELLO) throw new Error('it was not greeted')
    return socket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await this.raw[Symbol.asyncDispose]()
  }
}

/** Resolves when the victim has closed it; throws after a while. */
export async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return
  socket.resume()
  await new Promise<void>((resolve, reject) => {
    const slow = setTimeout(() => reject(new Error('it was not closed')), PATIENCE_MS)
    socket.once('close', () => {
      clearTimeout(slow)
      resolve()
    })
  })
}
