// The requests of hostile members to voters, and the answers.
import assert from 'node:assert/strict'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'
import { LOCK_PROTOCOL, decodeLockAnswer, encodeLockRequest } from '../../protocol/wire/lock.ts'
import type { StrongRequest } from '../../protocol/strong/acceptor.ts'
import {
  STRONG_PROTOCOL,
  decodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'
import type { VoterError } from '../../protocol/wire/voter-error.ts'
import { Namespace } from '../../node/tree/namespace.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Channel } from '../../node/world/world.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
import type { TestVolume } from './test-volume.ts'
import type { Role } from '../../protocol/roles.ts'

/**
 * A volume in which all nodes vote, or those given, and a member that lies; it votes, too, if it is
 * a voter.
 */
export async function besideMallory(
  volume: TestVolume,
  role: Role | 'voter',
  voting: readonly TestNode[] = volume.nodes,
): Promise<HostileMember> {
  const { admin, name } = volume
  const voters = voting.map((node) => node.name)
  const of = role === 'voter' ? 'writer' : role
  const mallory = await HostileMember.join(admin, { role: of, volume: name })
  if (role === 'voter') voters.push('mallory')
  await volume.set({ voters: voters.join() })
  await volume.converged()
  await mallory.fetch(admin)
  return mallory
}

/** Asks one node, over one channel. */
export class Asker {
  readonly #mallory: HostileMember
  readonly #channel: Channel
  readonly #protocol: string

  private constructor(mallory: HostileMember, channel: Channel, protocol: string) {
    this.#mallory = mallory
    this.#channel = channel
    this.#protocol = protocol
  }

  static async strong(mallory: HostileMember, victim: TestNode): Promise<Asker> {
    const channel = await mallory.open(victim, STRONG_PROTOCOL)
    return new Asker(mallory, channel, STRONG_PROTOCOL)
  }

  static async locks(mallory: HostileMember, victim: TestNode): Promise<Asker> {
    return new Asker(mallory, await mallory.open(victim, LOCK_PROTOCOL), LOCK_PROTOCOL)
  }

  async ask(request: StrongRequest): Promise<StrongAnswer> {
    assert.equal(this.#protocol, STRONG_PROTOCOL)
    return decodeStrongAnswer(
      await this.#exchange(encodeStrongRequest(this.#mallory.volume.id, request)),
    )
  }

  async askLock(request: LockRequest): Promise<LockReply | VoterError> {
    assert.equal(this.#protocol, LOCK_PROTOCOL)
    return decodeLockAnswer(
      await this.#exchange(encodeLockRequest(this.#mallory.volume.id, request)),
    )
  }

  async #exchange(bytes: Uint8Array): Promise<Uint8Array> {
    const signal = this.#mallory.deadline()
    await this.#channel.send([bytes], { signal })
    return (await this.#channel.receive({ signal })) ?? assert.fail('it ended the channel')
  }
}

/** The id of a path, as a member's log tells. */
export function idOf({ volume, random }: HostileMember, ...path: readonly string[]): NodeId {
  return new Namespace({ volume, random }).resolvePath(path).id
}

/** The code of an answer that is an error, else its kind. */
export function codeOf(answer: { readonly kind: string; readonly code?: string }): string {
  return answer.code ?? answer.kind
}
