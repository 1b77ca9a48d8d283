// A network of which every channel is opened as bulk, so that the suite of channels runs over bulk
// connections.
import type { Network } from '../../node/world/world.ts'

/** The same network, seen so. */
export function allBulk(network: Network): Network {
  const bulk: Pick<Network, 'open' | 'handle'> = {
    open: (peer, protocol, options) => network.open(peer, protocol, { ...options, isBulk: true }),
    handle: (protocol, serve, options) =>
      network.handle(protocol, serve, { ...options, isBulk: true }),
  }
  return new Proxy(network, {
    get: (target, name) => {
      const own: unknown = Reflect.get(name in bulk ? bulk : target, name)
      return typeof own === 'function' ? own.bind(name in bulk ? bulk : target) : own
    },
  })
}
