// A server of HTTP on an address of this machine, from when it listens until it is closed.
import { once } from 'node:events'
import { ShoalError } from '../../protocol/errors.ts'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface LocalServer {
  /** As programs reach it. */
  readonly url: string
  /** Connections are broken off. */
  close(): Promise<void>
}

/** what: is served there, for errors. throws ShoalError 'usage' naming the address. */
export async function listenHere(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  what: string,
  scheme: 'http' | 'https' = 'http',
): Promise<LocalServer> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { message } = error as Error
    throw new ShoalError('usage', `${what} cannot be served on ${host}:${port}: ${message}`)
  }
  const shown = host.includes(':') ? `[${host}]` : host
  return {
    url: `${scheme}://${shown}:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
