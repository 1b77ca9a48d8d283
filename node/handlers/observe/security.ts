// The owner's calls about the security log.
import type { PeerId } from '../../../protocol/ids.ts'
import type { SecurityApi, Witness } from '../../control/observe/security.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import { peerName } from '../find-peer.ts'
import type { NodeParts } from '../parts.ts'

export function securityApi(parts: NodeParts): SecurityApi {
  const { security, witness, swarm, volumes, until } = parts
  const askOne = async (peer: PeerId, signal: AbortSignal): Promise<Witness> => {
    const name = peerName(peer, volumes)
    const answer = await ignoreFailure(
      witness.ask(peer, signal).then((held) => ({ held })),
      'the peer is reported as unreachable',
    )
    signal.throwIfAborted()
    if (answer === undefined) return { peer, name, holds: 'unreachable' }
    const { held } = answer
    if (held === undefined) return { peer, name, holds: 'none' }
    return { peer, name, holds: await security.compare(held), number: held.number }
  }
  /** A new peer tells its name later than it is let in. */
  const nameNow = (peer: PeerId | undefined): string | undefined => {
    const name = peer && peerName(peer, volumes)
    return name === peer ? undefined : name
  }
  return {
    async *readSecurity({ signal, ...options } = {}) {
      for await (const page of security.read({ ...options, signal: until(signal) }))
        yield page.map((entry) => ({ ...entry, name: entry.name ?? nameNow(entry.peer) }))
    },

    async checkSecurity({ signal } = {}) {
      const { first, last, problems } = await security.check()
      const asked = swarm.members().map((peer) => askOne(peer, until(signal)))
      return { first, last: last?.number, problems, witnesses: await Promise.all(asked) }
    },
  }
}
