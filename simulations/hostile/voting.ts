// The requests of a lying member to voters, and the voters.
import type { PeerId } from '../../protocol/ids.ts'
import { parseOffice } from '../../protocol/strong/office.ts'
import type { Office } from '../../protocol/strong/office.ts'
import type { StrongRequest } from '../../protocol/strong/acceptor.ts'
import {
  STRONG_PROTOCOL,
  decodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { Channel } from '../../node/world/world.ts'
import type { ClusterNode } from '../cluster.ts'
import type { Stage } from './attack.ts'

/** The founder names who votes, and the liar hears of it. */
export async function named(stage: Stage, voters: readonly ClusterNode[]): Promise<Office> {
  const { founder, liar } = stage
  const text = voters.map(({ name }) => name).join()
  await founder.ask((api) => api.setVolume(liar.volume.id, { voters: text }))
  return heardOffice(stage)
}

/** The liar takes what the founder has of the log. returns who is in office by that. */
export async function heardOffice({ founder, liar }: Stage): Promise<Office> {
  for (const message of await liar.exchange(founder.peer, [])) {
    if (message.kind !== 'entries') continue
    for (const entry of message.entries) liar.volume.receive(entry)
  }
  const text = liar.volume.membership.policy('voters')
  if (text === undefined) throw new ShoalError('missing-past', 'nobody was named yet')
  return parseOffice(text)
}

/** Asks a voter over one channel, one request after the other. */
export class Asker {
  readonly #volume: VolumeId
  readonly #channel: Channel
  readonly #deadline: () => AbortSignal

  private constructor(volume: VolumeId, channel: Channel, deadline: () => AbortSignal) {
    this.#volume = volume
    this.#channel = channel
    this.#deadline = deadline
  }

  static async strong({ liar }: Stage, voter: PeerId): Promise<Asker> {
    const channel = await liar.channel(voter, STRONG_PROTOCOL)
    return new Asker(liar.volume.id, channel, () => liar.deadline())
  }

  /** throws ShoalError 'unreachable' if the voter ends the channel. */
  async ask(request: StrongRequest): Promise<StrongAnswer> {
    return decodeStrongAnswer(await this.#exchange(encodeStrongRequest(this.#volume, request)))
  }

  end(): void {
    this.#channel.abort(new Error('answered'))
  }

  async #exchange(frame: Uint8Array): Promise<Uint8Array> {
    const signal = this.#deadline()
    await this.#channel.send([frame], { signal })
    const answer = await this.#channel.receive({ signal })
    if (answer === undefined) throw new ShoalError('unreachable', 'the voter ended the channel')
    return answer
  }
}

/** The code of an answer that is an error, else its kind. */
export function codeOf(answer: { readonly kind: string; readonly code?: string }): string {
  return answer.code ?? answer.kind
}
