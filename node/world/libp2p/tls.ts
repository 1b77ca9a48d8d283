// TLS 1.3 for libp2p over the operating system's socket. The wire is that of @libp2p/tls; what
// differs is that node:tls gets the raw socket and not a JavaScript stream around it, which doubles
// the speed. The remote PeerId is always proven before a byte of the application is delivered, and
// an expected one is always required.
// Source: https://github.com/libp2p/specs/blob/master/tls/tls.md
import { constants } from 'node:crypto'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { TLSSocket, connect, createSecureContext } from 'node:tls'
import { tls as streamTls } from '@libp2p/tls'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { AbstractMessageStream } from '@libp2p/utils'
import { ShoalError } from '../../../protocol/errors.ts'
import type { SecureContext, TLSSocketOptions } from 'node:tls'
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMessageEvent,
  StreamMuxerFactory,
} from '@libp2p/interface'
import type { TLSComponents } from '@libp2p/tls'
import type { SendResult } from '@libp2p/utils'

/** Protocol id of the libp2p TLS handshake. */
const TLS_PROTOCOL = '/tls/1.0.0'

/** The fastest first; both sides have AES instructions or lose little. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'
/** ALPN name of a peer that does not choose its muxer in the handshake. */
const ALPN_LIBP2P = 'libp2p'

/** The chunks of an encrypted message stream. */
type Chunks = Parameters<AbstractMessageStream['sendData']>[0]

/** The encrypter, to be passed to libp2p as one of `connectionEncrypters`. */
export function socketTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => new SocketTls(components)
}

class SocketTls implements ConnectionEncrypter {
  readonly protocol = TLS_PROTOCOL
  readonly #components: TLSComponents
  readonly #overStream: ConnectionEncrypter
  #context: Promise<SecureContext> | undefined

  constructor(components: TLSComponents) {
    this.#components = components
    this.#overStream = streamTls()(components)
  }

  async secureInbound(
    connection: MessageStream,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    const raw = socketUnder(connection)
    if (raw === undefined) return this.#overStream.secureInbound(connection, options)
    const muxers = this.#muxers(options)
    return this.#secure(connection, raw, options, muxers, (context) => {
      return new TLSSocket(raw, {
        ...tlsOptions(context),
        isServer: true,
        requestCert: true,
        ALPNCallback: ({ protocols }) =>
          protocols.find((name) => name === ALPN_LIBP2P || muxers.has(name)),
      })
    })
  }

  async secureOutbound(
    connection: MessageStream,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    const raw = socketUnder(connection)
    if (raw === undefined) return this.#overStream.secureOutbound(connection, options)
    const muxers = this.#muxers(options)
    return this.#secure(connection, raw, options, muxers, (context) => {
      const ALPNProtocols = [...muxers.keys(), ALPN_LIBP2P]
      return connect({ socket: raw, ...tlsOptions(context), ALPNProtocols })
    })
  }

  async #secure(
    connection: MessageStream,
    raw: Socket,
    options: SecureConnectionOptions,
    muxers: ReadonlyMap<string, StreamMuxerFactory>,
    wrap: (context: SecureContext) => TLSSocket,
  ): Promise<SecuredConnection> {
    // The context comes first: once the raw socket is taken there must be no await before TLS reads
    // from it.
    const context = await this.#secureContext()
    await takeSocket(connection, raw)
    options.signal?.throwIfAborted()
    const socket = wrap(context)
    // libp2p resets the raw socket to abort. Under a TLS session that crashes the process (SIGSEGV
    // in Node 24.21), so the session goes first and takes the socket with it.
    raw.resetAndDestroy = () => {
      socket.destroy()
      return raw
    }
    // node:tls reports a failure as 'error' at any time; without a listener it would end the
    // process.
    socket.on('error', (error) => connection.abort(error))
    try {
      await handshake(socket, options.signal)
      const remotePeer = await provenPeer(socket, options.remotePeer)
      const streamMuxer = muxers.get(socket.alpnProtocol || ALPN_LIBP2P)
      return {
        connection: new TlsStream(connection, socket, raw),
        remotePeer,
        ...(streamMuxer === undefined ? {} : { streamMuxer }),
      }
    } catch (error) {
      socket.destroy()
      raw.destroy()
      throw error
    }
  }

  #muxers(options: SecureConnectionOptions): ReadonlyMap<string, StreamMuxerFactory> {
    if (options.skipStreamMuxerNegotiation === true) return new Map()
    return this.#components.upgrader.getStreamMuxers()
  }

  /** One certificate serves all connections of this process, as in go-libp2p. */
  #secureContext(): Promise<SecureContext> {
    this.#context ??= libp2pContext(this.#components.privateKey)
    return this.#context
  }
}

/** TLS 1.3 with a certificate that proves the libp2p key. */
export async function libp2pContext(key: PrivateKey): Promise<SecureContext> {
  return createSecureContext({
    ...(await generateCertificate(key)),
    ciphers: CIPHERS,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // Every connection proves its identity afresh.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
}

function tlsOptions(secureContext: SecureContext): TLSSocketOptions {
  // The certificate is self-signed by design; provenPeer() checks the libp2p extension in it.
  return { secureContext, rejectUnauthorized: false }
}

/**
 * The TCP socket of a connection of @libp2p/tcp, which keeps it in a field; undefined for any other
 * transport.
 */
function socketUnder(connection: MessageStream): Socket | undefined {
  const { socket } = connection as { socket?: unknown }
  return socket instanceof Socket ? socket : undefined
}

/** Stop the libp2p connection from reading its socket, and give back what it had read ahead. */
async function takeSocket(connection: MessageStream, raw: Socket): Promise<void> {
  raw.pause()
  raw.removeAllListeners('data')
  raw.removeAllListeners('drain')
  // Whether the peer is alive is known to libp2p's connection monitor.
  raw.setTimeout(0)
  if (connection.readBufferLength === 0) return
  const readAhead: Uint8Array[] = []
  const keep = ({ data }: StreamMessageEvent): void => {
    readAhead.push(data.subarray())
  }
  connection.addEventListener('message', keep)
  await Promise.resolve() // a new listener gets buffered bytes in the next microtask
  connection.removeEventListener('message', keep)
  raw.unshift(Buffer.concat(readAhead))
}

/**
 * Resolves when both sides have the keys; rejects when that fails, the socket closes or `signal`
 * aborts.
 */
function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('secure', () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => {
      signal?.removeEventListener('abort', onAbort)
      reject(new ShoalError('unreachable', 'the peer hung up during the TLS handshake'))
    })
  })
}

/** The peer whose key signed the certificate of the other side. */
export async function provenPeer(
  socket: TLSSocket,
  expected: { readonly toString: () => string } | undefined,
): Promise<PeerId> {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) {
    throw new ShoalError('unreachable', 'the peer showed no certificate')
  }
  const peer = await verifyPeerCertificate(certificate.raw)
  if (expected !== undefined && expected.toString() !== peer.toString()) {
    throw new ShoalError('unreachable', `another peer answers there: ${peer.toString()}`)
  }
  return peer
}

/** The decrypted bytes of a connection. The connection and its socket end together. */
class TlsStream extends AbstractMessageStream {
  readonly #connection: MessageStream
  readonly #socket: TLSSocket
  #corked = false

  constructor(connection: MessageStream, socket: TLSSocket, raw: Socket) {
    const { log, inactivityTimeout, maxReadBufferLength, direction } = connection
    super({ log, inactivityTimeout, maxReadBufferLength, direction })
    this.#connection = connection
    this.#socket = socket
    socket.on('data', (bytes) => this.onData(bytes))
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('close', () => raw.destroy())
    connection.addEventListener('close', ({ error, local }) => {
      socket.destroy()
      if (error === undefined) this.onTransportClosed()
      else if (local === true) this.abort(error)
      else this.onRemoteReset()
    })
  }

  override async close(): Promise<void> {
    if (this.#socket.destroyed) return
    this.#socket.destroySoon()
    await once(this.#socket, 'close')
  }

  override sendData(chunks: Chunks): SendResult {
    this.#cork()
    let canSendMore = true
    for (const chunk of chunks) canSendMore = this.#socket.write(chunk)
    return { sentBytes: chunks.byteLength, canSendMore }
  }

  /**
   * All that is written in one turn of the event loop goes out as one write: frame headers are
   * tiny.
   */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  override sendReset(error: Error): void {
    this.#socket.destroy()
    this.#connection.abort(error)
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }
}
