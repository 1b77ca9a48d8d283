// A TLS 1.3 connection between two nodes that both prove their libp2p key, over a TCP socket, for
// many bytes: what comes is decrypted into one reused buffer, which the listener reads at once.
// Where this version of Node does not have what that takes, the bytes come as events.
import { Buffer } from 'node:buffer'
import { TLSSocket, connect } from 'node:tls'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { BULK_ALPN } from '../../../protocol/wire/bulk.ts'
import { KIB } from '../../../protocol/units.ts'
import { onAbort } from '../abort-listeners.ts'
import { provenPeer } from '../libp2p/tls.ts'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { PeerId } from '../../../protocol/ids.ts'

/** Several TLS records. */
const READ_BYTES: number = 64 * KIB
/** Bytes that may come before there is a listener: the first record of the other side. */
const EARLY_MAX: number = 1 * KIB

/** Takes `bytes` up to `end`, which are its only until it returns. */
export type OnBytes = (bytes: Buffer, end: number) => void

/** Bytes both ways. */
export interface Pipe {
  /** From now on; what came before is told at once. */
  listen(onBytes: OnBytes, onClose: (error: Error | undefined) => void): void
  /** Sends; `done` is called when the memory is not read any more, also on failure. */
  write(bytes: Uint8Array, done?: () => void): void
  /** Ends at once. */
  destroy(error?: Error): void
}

export class TlsPipe implements Pipe {
  readonly #raw: Socket
  readonly #socket: TLSSocket
  readonly #early: Buffer[] = []
  #earlyBytes = 0
  #onBytes: OnBytes | undefined
  #onClose: ((error: Error | undefined) => void) | undefined
  #error: Error | undefined

  private constructor(raw: Socket, socket: TLSSocket) {
    this.#raw = raw
    this.#socket = socket
    raw.on('error', (error) => this.destroy(error))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => {
      raw.destroy()
      this.#onClose?.(this.#error)
    })
    readInto(socket, Buffer.allocUnsafeSlow(READ_BYTES), (bytes, end) => this.#take(bytes, end))
  }

  /**
   * The handshake with `peer`, from the side that dialled or the other.
   * throws ShoalError 'unreachable' if it fails, or somebody else is there.
   */
  static async open(
    raw: Socket,
    options: {
      readonly peer: PeerId
      readonly context: SecureContext
      readonly isServer: boolean
      readonly signal: AbortSignal
    },
  ): Promise<TlsPipe> {
    const { peer, context: secureContext, isServer, signal } = options
    // The certificate is self-signed by design; provenPeer() checks the libp2p extension in it.
    const common = { secureContext, rejectUnauthorized: false, ALPNProtocols: [BULK_ALPN] }
    raw.setNoDelay(true)
    const socket = isServer
      ? new TLSSocket(raw, { ...common, isServer, requestCert: true })
      : connect({ socket: raw, ...common })
    const pipe = new TlsPipe(raw, socket)
    const forget = onAbort(signal, () => pipe.destroy(asShoalError(signal.reason)))
    try {
      if (signal.aborted) throw asShoalError(signal.reason)
      await pipe.#handshake()
      await provenPeer(socket, peer)
      if (socket.destroyed) throw pipe.#broken()
      return pipe
    } catch (error) {
      pipe.destroy(asShoalError(error))
      throw error
    } finally {
      forget()
    }
  }

  listen(onBytes: OnBytes, onClose: (error: Error | undefined) => void): void {
    this.#onBytes = onBytes
    this.#onClose = onClose
    for (const bytes of this.#early.splice(0)) onBytes(bytes, bytes.length)
    if (this.#socket.destroyed) queueMicrotask(() => onClose(this.#error))
  }

  write(bytes: Uint8Array, done?: () => void): void {
    this.#socket.write(bytes, done)
  }

  /**
   * The session goes first: Node 24.21 crashes where its socket is reset under it.
   */
  destroy(error?: Error): void {
    this.#error ??= error
    this.#socket.destroy()
    if (this.#socket.closed) this.#raw.destroy()
  }

  #take(bytes: Buffer, end: number): void {
    if (this.#onBytes !== undefined) return this.#onBytes(bytes, end)
    this.#earlyBytes += end
    if (this.#earlyBytes > EARLY_MAX)
      return this.destroy(new ShoalError('malformed', 'it speaks before it may'))
    this.#early.push(Buffer.from(bytes.subarray(0, end)))
  }

  #handshake(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('secure', () => {
        if (this.#socket.alpnProtocol === BULK_ALPN) resolve()
        else reject(new ShoalError('unreachable', 'it speaks another protocol within TLS'))
      })
      this.#socket.once('close', () => reject(this.#broken()))
    })
  }

  #broken(): ShoalError {
    const cause = this.#error
    const why = cause?.message ?? 'the peer hung up'
    return new ShoalError('unreachable', `the TLS handshake failed: ${why}`, { cause })
  }
}

/** The parts of a socket that Node's own option `onread` sets, but only where it dials itself. */
interface Readable {
  readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null
  [key: symbol]: unknown
}

/** Has what comes on a socket read into `buffer`, and told of, with no object for each read. */
function readInto(socket: TLSSocket, buffer: Buffer, onBytes: OnBytes): void {
  const parts = socket as unknown as Readable
  const symbols = Object.getOwnPropertySymbols(parts)
  const named = (name: string): symbol | undefined =>
    symbols.find(({ description }) => description === name)
  const [kBuffer, kBufferCb] = [named('kBuffer'), named('kBufferCb')]
  const handle = parts._handle
  if (kBuffer === undefined || kBufferCb === undefined || handle?.useUserBuffer === undefined) {
    socket.on('data', (bytes: Buffer) => onBytes(bytes, bytes.length))
    return
  }
  parts[kBuffer] = buffer
  parts[kBufferCb] = (end: number, bytes: Buffer): boolean => {
    onBytes(bytes, end)
    return true
  }
  handle.useUserBuffer(buffer)
}
