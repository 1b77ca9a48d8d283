// Somebody who is no member of the volume: a stranger, or who was a member, or is one of another
// volume alone. No node runs on its machine; whoever attacks speaks over its network.
import { SECOND_MS } from '../../protocol/units.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Channel, Network } from '../../node/world/world.ts'
import type { InviteRequest } from '../../node/control/tickets.ts'
import type { ClusterNode } from '../cluster.ts'
import type { Stage } from './attack.ts'

const PATIENCE_MS: number = 30 * SECOND_MS
/** In which a new member has been told of by all. */
const KNOWN_MS: number = 30 * SECOND_MS

export class Outsider {
  readonly #node: ClusterNode

  private constructor(node: ClusterNode) {
    this.#node = node
  }

  /** Nobody has heard of it. */
  static async stranger({ cluster, random }: Stage): Promise<Outsider> {
    const outsider = new Outsider(cluster.newNode(`stranger-${random.word()}`))
    await outsider.network.start()
    return outsider
  }

  /** It has joined by a ticket of the founder, and its node has ended. */
  static async guest(stage: Stage, request: InviteRequest): Promise<Outsider> {
    const node = stage.cluster.newNode(`guest-${stage.random.word()}`)
    await node.start()
    await withTicket(stage, request, (ticket) => joinedBy(node, ticket))
    await stage.wait(KNOWN_MS)
    await node.stop()
    await node.machine.restart('killed')
    const outsider = new Outsider(node)
    await outsider.network.start()
    return outsider
  }

  get peer(): PeerId {
    return this.#node.peer
  }

  get network(): Network {
    return this.#node.machine.world.network
  }

  deadline(): AbortSignal {
    return this.#node.machine.world.clock.timeout(PATIENCE_MS)
  }

  /** Connect to a node. throws ShoalError 'unreachable' if it does not let this one in. */
  dial(node: ClusterNode): Promise<PeerId> {
    const { network } = node.machine.world
    return this.network.dial(network.addresses(), { signal: this.deadline() })
  }

  /** throws ShoalError 'unreachable' unless it is let in and served. */
  async open(node: ClusterNode, protocol: string): Promise<Channel> {
    await this.dial(node)
    return this.network.open(node.peer, protocol, { signal: this.deadline() })
  }

  async isServed(node: ClusterNode, protocol: string): Promise<boolean> {
    try {
      const channel = await this.open(node, protocol)
      channel.abort(new Error('seen'))
      return true
    } catch (error) {
      if (error instanceof ShoalError) return false
      throw error
    }
  }

  end(): void {
    this.#node.machine.kill('killed')
  }
}

/** Have an open ticket of the founder while something is done. */
export async function withTicket<Result>(
  { founder }: Pick<Stage, 'founder'>,
  request: InviteRequest,
  run: (ticket: string) => Promise<Result>,
): Promise<Result> {
  const { ticket, id } = await founder.ask((api) => api.invite(request))
  try {
    return await run(ticket)
  } finally {
    await founder.ask((api) => api.revokeTickets(id))
  }
}

/** Have a node join by a ticket, however often it has to ask. */
export async function joinedBy(node: ClusterNode, ticket: string): Promise<void> {
  for (;;) {
    try {
      await node.ask((api) => api.join(ticket))
      return
    } catch (error) {
      if (!hasCode(error, 'timeout') && !hasCode(error, 'unreachable')) throw error
    }
  }
}
