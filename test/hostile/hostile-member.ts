// A member that lies: a node joined as any other, whose process was ended, and whose home,
// identity, keys and log are now in the hands of a test. It speaks to real nodes over the real
// network and says whatever the test wants.
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { initHome } from '../../node/home.ts'
import { VolumeStripeMap } from '../../node/volume/volume-stripe-map.ts'
import type { Volumes } from '../../node/log/volumes.ts'
import { summaryOf } from '../../node/log/log-summary.ts'
import type { Volume } from '../../node/log/volume.ts'
import { ShardClient } from '../../node/peers/shards.ts'
import type { LevelKv } from '../../node/store/level-kv.ts'
import type { Store } from '../../node/store/store.ts'
import { SystemClock } from '../../node/world/clock.ts'
import type { Libp2pNetwork } from '../../node/world/libp2p/network.ts'
import { SystemRandom } from '../../node/world/random.ts'
import type { Channel } from '../../node/world/world.ts'
import { concatBytes } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { sealOnce } from '../../protocol/cipher.ts'
import { nextHlc } from '../../protocol/clock/hlc.ts'
import { deriveKey } from '../../protocol/hash.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { encodeBatch, sealBody } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, FLAG_GOVERNS, actorIdOf, signEntry } from '../../protocol/log/entry.ts'
import type { Entry, EntryHeader } from '../../protocol/log/entry.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/op/op.ts'
import { headsTopic, sealGossip } from '../../protocol/wire/gossip.ts'
import type { GossipMessage } from '../../protocol/wire/gossip.ts'
import { LOG_PROTOCOL, decodeLogMessage, encodeLogMessage } from '../../protocol/wire/log.ts'
import type { LogMessage } from '../../protocol/wire/log.ts'
import type { Role } from '../../protocol/roles.ts'
import { eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { openHome, showTicket } from './hostile-home.ts'
import type { HostileHome } from './hostile-home.ts'

const PATIENCE_MS = 120_000
const ENTRIES_AT_ONCE = 16

/** How a member comes to be one. */
export interface JoinOptions {
  readonly role?: Role | undefined
  /** A volume of the victim, by name; its default without one. */
  readonly volume?: string | undefined
  readonly name?: string | undefined
  /** Without: one that is made for it. */
  readonly ticket?: string | undefined
}

/** The fields of an entry; those left out are as an honest member has them. */
export interface EntryFields extends Partial<Omit<EntryHeader, 'bodyBytes' | 'bodyHash'>> {
  /** In place of a batch of ops. Sealed already if it is to be. */
  readonly body?: Uint8Array
  /** Seal the ops. Default: clear. */
  readonly sealed?: boolean
  /** It is to be kept for good, as what is about members and policies must be. */
  readonly governs?: boolean
}

export class HostileMember implements AsyncDisposable {
  readonly clock: SystemClock = new SystemClock()
  readonly random: SystemRandom = new SystemRandom()
  /** Its key. */
  readonly identity: Identity
  readonly volumes: Volumes
  /**
   * Its first volume, opened with all keys that it has. What it submits there stays there until it
   * is sent.
   */
  readonly volume: Volume
  readonly network: Libp2pNetwork
  /** Its view of where shards are, and the keys that it seals with. */
  readonly map: VolumeStripeMap
  /** Asks holders for shards. */
  readonly shards: ShardClient
  readonly #kv: LevelKv
  readonly #store: Store

  private constructor({ identity, volumes, network, kv, store }: HostileHome) {
    this.identity = identity
    this.volumes = volumes
    this.volume = volumes.find(undefined).volume
    this.network = network
    this.map = new VolumeStripeMap(this.volume)
    this.shards = new ShardClient({ network, clock: this.clock }, { volume: this.volume.id })
    this.#kv = kv
    this.#store = store
  }

  /** Take over a node that has joined: its process ends, what it knows stays. */
  static async of(node: TestNode): Promise<HostileMember> {
    await node.kill('SIGTERM')
    return new HostileMember(await openHome(node.home))
  }

  /**
   * One that joins without ever having been a process: that takes a tenth of the time. It has the
   * log as its victim has it, and the victim knows its name.
   */
  static async join(
    victim: TestNode,
    { role = 'writer', volume, name = 'mallory', ticket: given }: JoinOptions = {},
  ): Promise<HostileMember> {
    const home = await mkdtemp(join(victim.folder, `${name}-`))
    await initHome(home, { name, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })
    const parts = await openHome(home)
    const signal = new SystemClock().timeout(PATIENCE_MS)
    const ticket = given ?? (await victim.ask((client) => client.invite({ role, volume }))).ticket
    await showTicket(parts, ticket, signal)
    const joined = new HostileMember(parts)
    await joined.fetch(victim)
    await joined.volumes.describeSelf(joined.volume)
    await joined.tell(victim)
    await joined[Symbol.asyncDispose]()
    const isSelf = ({ id }: { readonly id: PeerId }): boolean => id === parts.identity.peer
    await eventually('the victim has seen it go', async () =>
      (await victim.status()).peers.every((peer) => !isSelf(peer) || !peer.isConnected),
    )
    // An op of the victim that follows it makes all others ask for it.
    const path = `${volume === undefined ? '' : `${volume}:`}/joined`
    await victim.ask((client) => client.makeFolder(path).then(() => client.remove(path)))
    // As one that was taken over: where nobody looks for it, and connected to nobody.
    return new HostileMember(await openHome(home))
  }

  /** Take all entries that a running node has and this one lacks. */
  async fetch(victim: TestNode): Promise<void> {
    for (const message of await this.say(victim, []))
      if (message.kind === 'entries')
        for (const entry of message.entries) this.volume.receive(entry)
    await this.volume.commit()
  }

  /** Give a running node what this one has written in its volume. */
  async tell(victim: TestNode): Promise<void> {
    const { actor, actors, entries } = this.volume
    const written = Array.from({ length: actors.get(actor)?.seq ?? 0 }, (_, at) =>
      entries.entry(actor, at + 1),
    )
    await this.give(
      victim,
      written.filter((entry) => entry !== undefined),
    )
  }

  /** The nonce of its incarnation. */
  get nonce(): Uint8Array {
    return this.volume.view.get('worigin') ?? this.random.bytes(16)
  }

  /** Ends what a test waits for. */
  deadline(): AbortSignal {
    return this.clock.timeout(PATIENCE_MS)
  }

  /** Connect to a running node. returns its id. */
  async dial(victim: TestNode): Promise<PeerId> {
    const { addresses } = (await victim.status()).node
    return this.network.dial(addresses, { signal: this.deadline() })
  }

  /** A channel to a running node, over any protocol. */
  async open(victim: TestNode, protocol: string): Promise<Channel> {
    const peer = await this.dial(victim)
    return this.network.open(peer, protocol, { signal: this.deadline() })
  }

  /**
   * A signed entry after what the member has written so far, with whatever is said of it put in
   * place of the truth.
   */
  entry(
    ops: readonly Op[],
    { body, sealed = false, governs = false, ...fields }: EntryFields = {},
  ): Entry {
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
      flags: (sealed ? 0 : FLAG_CLEAR_BODY) | (governs ? FLAG_GOVERNS : 0),
      origin: last === undefined || governs ? origin : undefined,
      governed: governs ? membership.governance.headsIn(() => true) : undefined,
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

  /** The first entry of an incarnation that nobody has heard of: it has seen what this one has. */
  first(): Pick<EntryHeader, 'actor' | 'origin' | 'seq' | 'prev' | 'deps'> {
    const { publicKey } = this.identity
    const origin = { publicKey, nonce: this.random.bytes(16) }
    const actor = actorIdOf(this.volume.id, origin)
    const deps = this.volume.actors.dependenciesFor(actor)
    return { actor, origin, seq: 1, prev: undefined, deps }
  }

  /**
   * Entries with these bodies, one after the other, under an actor that nobody has heard of. Made
   * as they are asked for.
   */
  *chain(bodies: Iterable<Uint8Array>, isSealed = false): Generator<Entry> {
    const { actor, origin, deps } = this.first()
    let [seq, prev, hlc] = [1, undefined as EntryHash | undefined, this.volume.actors.hlc]
    for (const body of bodies) {
      hlc = nextHlc(hlc, this.clock.wall())
      const at = { actor, seq, prev, hlc, origin: seq === 1 ? origin : undefined }
      const how = { body, flags: isSealed ? 0 : FLAG_CLEAR_BODY }
      const entry = this.entry([], { ...at, deps: seq === 1 ? deps : [], ...how })
      yield entry
      prev = entry.hash
      seq++
    }
  }

  /**
   * Push entries into log exchanges with a node as fast as it takes them, one exchange after the
   * other. returns their bytes.
   */
  async flood(victim: TestNode, entries: Iterable<Entry>): Promise<number> {
    const { volume } = this
    const mute = async (): Promise<Channel> => {
      const channel = await this.open(victim, LOG_PROTOCOL)
      const hello = encodeLogMessage({ kind: 'hello', volume: volume.id, log: summaryOf(volume) })
      await channel.send([hello], { signal: this.deadline() })
      // Unread it would stop the sender of what it answers, which does not matter.
      return channel
    }
    let channel: Channel | undefined
    let bytes = 0
    for (const entry of entries) {
      const frame = encodeLogMessage({ kind: 'entries', entries: [entry] })
      for (;;) {
        channel ??= await mute()
        try {
          await channel.send([frame], { signal: this.deadline() })
          break
        } catch {
          channel = undefined
          if (!victim.isRunning) return bytes
        }
      }
      bytes += frame.length
    }
    await channel?.close().catch(() => undefined)
    return bytes
  }

  /**
   * Entries one after the other, of these ops each: as the first of them is said to be, and so on
   * from there.
   */
  entriesOf(batches: readonly (readonly Op[])[], fields: EntryFields = {}): readonly Entry[] {
    const entries: Entry[] = []
    for (const ops of batches) {
      const last = entries.at(-1)
      const { actor, seq = 0, hlc = 0n } = last?.header ?? {}
      const next = { seq: seq + 1, prev: last?.hash, hlc: (hlc + 1n) as Hlc, deps: [] }
      const goesOn = actor === undefined ? {} : { ...next, actor, origin: undefined }
      entries.push(this.entry(ops, { ...fields, ...goesOn }))
    }
    return entries
  }

  /**
   * Entries in a log exchange, as if they were all that the victim lacks. returns what it answered,
   * to the end.
   */
  give(victim: TestNode, entries: readonly Entry[]): Promise<readonly LogMessage[]> {
    const messages: LogMessage[] = []
    for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE)
      messages.push({ kind: 'entries', entries: entries.slice(at, at + ENTRIES_AT_ONCE) })
    return this.say(victim, messages)
  }

  /**
   * These messages in a log exchange, between the hello and the end. returns what the victim
   * answered.
   */
  async say(victim: TestNode, messages: readonly LogMessage[]): Promise<readonly LogMessage[]> {
    const [channel, signal] = [await this.open(victim, LOG_PROTOCOL), this.deadline()]
    const { volume } = this
    const send = (message: LogMessage): Promise<void> =>
      channel.send([encodeLogMessage(message)], { signal })
    await send({ kind: 'hello', volume: volume.id, log: summaryOf(volume) })
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

  /** Write it, and give it to all of these: each entry after those before. */
  async write(
    victims: readonly TestNode[],
    ops: readonly Op[],
    fields?: EntryFields,
  ): Promise<Entry> {
    const entry = this.entry(ops, fields)
    this.volume.receive(entry)
    for (const victim of victims) await this.give(victim, [entry])
    return entry
  }

  /** One frame, and the first that comes back. */
  async ask(victim: TestNode, protocol: string, frame: Uint8Array): Promise<Uint8Array> {
    const [channel, signal] = [await this.open(victim, protocol), this.deadline()]
    await channel.send([frame], { signal })
    const answer = await channel.receive({ signal })
    await channel.close()
    assert(answer !== undefined, 'the victim answers')
    return answer
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

  /** Flood bytes that are no message, sealed as one. */
  async gossipBytes(plain: Uint8Array): Promise<void> {
    const { volume } = this
    const { epoch } = volume.membership
    const [swarmKey] = volume.membership.swarmKeys(epoch)
    assert(swarmKey !== undefined, 'a member has a key of gossip')
    const salt = this.random.bytes(32)
    const key = deriveKey('shoal 2026 gossip v1', concatBytes([swarmKey, salt]))
    const message = encodeCbor([epoch, salt, sealOnce(key, plain, salt)])
    const [topic = ''] = this.topics(volume.id)
    await this.network.publish(topic, message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shards.close()
    await this.network.stop()
    await this.volumes.close()
    await this.#store.close()
    await this.#kv.close()
  }
}
