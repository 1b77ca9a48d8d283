// A member that lies: what it has joined with, its keys and its log, in the hands of whoever
// attacks. It says to others whatever that wants, over whatever network it is given; test/hostile
// gives it a real one.
import { VolumeStripeMap } from '../../node/volume/volume-stripe-map.ts'
import { summaryOf } from '../../node/log/log-summary.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Volume } from '../../node/log/volume.ts'
import type { Volumes } from '../../node/log/volumes.ts'
import { ShardClient } from '../../node/peers/shards.ts'
import type { Channel, Clock, Network, Random } from '../../node/world/world.ts'
import { nextHlc } from '../../protocol/clock/hlc.ts'
import { assert } from '../../protocol/errors.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { encodeBatch, sealBody } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, actorIdOf, signEntry } from '../../protocol/log/entry.ts'
import type { Entry, EntryHeader } from '../../protocol/log/entry.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/op/op.ts'
import { headsTopic, sealGossip } from '../../protocol/wire/gossip.ts'
import type { GossipMessage } from '../../protocol/wire/gossip.ts'
import { LOG_PROTOCOL, decodeLogMessage, encodeLogMessage } from '../../protocol/wire/log.ts'
import type { LogMessage } from '../../protocol/wire/log.ts'

const PATIENCE_MS = 30_000

export interface LiarParts {
  readonly identity: Identity
  readonly volumes: Volumes
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
}

/** The fields of an entry; those left out are as an honest member has them. */
export interface EntryFields extends Partial<Omit<EntryHeader, 'bodyBytes' | 'bodyHash'>> {
  /** In place of a batch of ops. Sealed already if it is to be. */
  readonly body?: Uint8Array
  /** Seal the ops. Default: clear. */
  readonly sealed?: boolean
}

export class Liar {
  readonly clock: Clock
  readonly random: Random
  /** Its key. */
  readonly identity: Identity
  readonly volumes: Volumes
  /**
   * Its first volume, opened with all keys that it has. What it submits there stays there until it
   * is sent.
   */
  readonly volume: Volume
  readonly network: Network
  /** Its view of where shards are, and the keys that it seals with. */
  readonly map: VolumeStripeMap
  /** Asks holders for shards. */
  readonly shards: ShardClient

  constructor({ identity, volumes, network, clock, random }: LiarParts) {
    this.identity = identity
    this.volumes = volumes
    this.volume = volumes.find(undefined).volume
    this.network = network
    this.clock = clock
    this.random = random
    this.map = new VolumeStripeMap(this.volume)
    this.shards = new ShardClient({ network, clock }, { volume: this.volume.id })
  }

  /** The nonce of its incarnation. */
  get nonce(): Uint8Array {
    return this.volume.view.get('worigin') ?? this.random.bytes(16)
  }

  /** Ends what is waited for. */
  deadline(): AbortSignal {
    return this.clock.timeout(PATIENCE_MS)
  }

  /** A channel to a peer, over any protocol. */
  channel(peer: PeerId, protocol: string): Promise<Channel> {
    return this.network.open(peer, protocol, { signal: this.deadline() })
  }

  /**
   * A signed entry after what the member has written so far, with whatever is said of it put in
   * place of the truth.
   */
  entry(ops: readonly Op[], { body, sealed = false, ...fields }: EntryFields = {}): Entry {
    const { identity, volume } = this
    const { actors, membership } = volume
    const origin = { publicKey: identity.publicKey, nonce: this.nonce }
    const last = [...actors.all()].find(
      ({ peer, id }) => peer === identity.peer && id === volume.actor,
    )
    const actor = fields.actor ?? last?.id ?? actorIdOf(volume.id, origin)
    const position = {
      volume: volume.id,
      actor,
      seq: (last?.seq ?? 0) + 1,
      prev: last?.hash,
      deps: actors.dependenciesFor(actor),
      hlc: nextHlc(actors.hlc, this.clock.wall()),
      grant: membership.member(identity.peer)?.grant ?? (volume.id as string as EntryHash),
      epoch: membership.epoch,
      flags: sealed ? 0 : FLAG_CLEAR_BODY,
      origin: last === undefined ? origin : undefined,
      ...fields,
    }
    return signEntry(identity, position, body ?? this.#bodyOf(ops, position, sealed))
  }

  #bodyOf(
    ops: readonly Op[],
    position: Pick<EntryHeader, 'volume' | 'actor' | 'seq' | 'hlc' | 'epoch'>,
    sealed: boolean,
  ): Uint8Array {
    const batch = encodeBatch(ops)
    if (!sealed) return batch
    const secret = this.volume.membership.secret(position.epoch)
    assert(secret !== undefined, 'who seals has a key')
    return sealBody(secret, position, batch, this.random.bytes(32))
  }

  /**
   * These messages in a log exchange, between the hello, which may tell what time it is, and the
   * end. returns what the other answered.
   */
  async exchange(
    peer: PeerId,
    messages: readonly LogMessage[],
    timeMs?: WallTime,
  ): Promise<readonly LogMessage[]> {
    const channel = await this.channel(peer, LOG_PROTOCOL)
    const signal = this.deadline()
    const { volume } = this
    const send = (message: LogMessage): Promise<void> =>
      channel.send([encodeLogMessage(message)], { signal })
    await send({ kind: 'hello', volume: volume.id, log: summaryOf(volume), timeMs })
    for (const message of messages) await send(message)
    await send({ kind: 'done' })
    await send({ kind: 'durable', log: summaryOf(volume) })
    const answers: LogMessage[] = []
    for (;;) {
      const frame = await channel.receive({ signal })
      if (frame === undefined) return answers
      const message = decodeLogMessage(frame)
      answers.push(message)
      if (message.kind === 'durable' || message.kind === 'error') {
        await channel.close()
        return answers
      }
    }
  }

  /** Topics that it has keys of, of one volume or of all. */
  topics(id?: VolumeId): string[] {
    return this.volumes
      .all()
      .filter(({ volume }) => id === undefined || volume.id === id)
      .flatMap(({ volume }) => {
        const { membership } = volume
        const epochs = Array.from({ length: membership.epoch }, (_, n) => membership.epoch - n)
        const keys = epochs.flatMap((epoch) => membership.swarmKeys(epoch))
        return keys.map((key) => headsTopic(volume.id, key))
      })
  }

  /** A message sealed with the key that the members seal with. */
  sealed(message: GossipMessage): Uint8Array {
    const { identity, volume } = this
    const { epoch } = volume.membership
    const [swarmKey] = volume.membership.swarmKeys(epoch)
    assert(swarmKey !== undefined, 'a member has a key of gossip')
    const sender = { identity, volume: volume.id, epoch, swarmKey }
    return sealGossip(message, sender, this.random.bytes(32))
  }

  /** Flood a message to the members. */
  async gossip(message: GossipMessage): Promise<void> {
    const [topic = ''] = this.topics(this.volume.id)
    await this.network.publish(topic, this.sealed(message))
  }
}
