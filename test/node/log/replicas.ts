// Replicas of one volume in one process, without a network: each a real Volume over a store in
// memory, given the entries of others by hand, in whatever order a test wants.
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import { nextHlc } from '../../../protocol/clock/hlc.ts'
import { encodeBatch, sealBody } from '../../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, actorIdOf, decodeEntry, signEntry } from '../../../protocol/log/entry.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { heldBy, summaryOf } from '../../../node/log/log-summary.ts'
import { Namespace } from '../../../node/tree/namespace.ts'
import { prefixEnd } from '../../../node/state/state-view.ts'
import { Volumes } from '../../../node/log/volumes.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { EntryVerdict } from '../../../node/replica/entry-check.ts'
import type { Volume } from '../../../node/log/volume.ts'
import type { KvWrite } from '../../../node/store/kv.ts'
import type { SegmentsEnd } from '../../../node/store/segments-end.ts'
import type { Disk } from '../../../node/world/world.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { Entry, EntryHeader } from '../../../protocol/log/entry.ts'
import type { Role } from '../../../protocol/roles.ts'
import type { Identity } from '../../../protocol/signed.ts'
import type { Op } from '../../../protocol/op/op.ts'
import type { ContentRef } from '../../../protocol/op/op.ts'
import type { ViewTarget } from '../../../protocol/tree/view.ts'

/** A day in 2026: clocks stand still unless a test moves them. */
const START_MS = 1_790_000_000_000
/** Records that replicas with the same entries have in common, by the first char of their keys. */
const SHARED = 'cdlixmMphskgjteaS'

/** A store in memory whose commits a test can hold up or let fail. */
export class MemoryStore {
  readonly kv: MemoryKv
  commitCount = 0
  /** No room for the log to grow. */
  isFull = false
  /** Awaited by each commit before it writes. */
  before: () => Promise<void> = async () => undefined
  /** The disk for journals; without one there are none. */
  readonly disk: Disk | undefined
  /** Up to where payloads are here, and where those that were put last end. */
  whole: SegmentsEnd = { segment: 1, offset: 0 }
  payloadsEnd: SegmentsEnd = { segment: 1, offset: 0 }

  constructor(kv: MemoryKv = MemoryKv.open(), disk?: Disk) {
    this.kv = kv
    this.disk = disk
  }

  async keepPayloads(): Promise<void> {}

  async commit(writes: readonly KvWrite[]): Promise<void> {
    this.commitCount++
    await this.before()
    await this.kv.write(writes, { sync: true })
  }
}

/** One node with at most one volume. */
export class Replica {
  readonly name: string
  readonly seed: string
  readonly identity: Identity
  readonly clock: ManualClock
  readonly store: MemoryStore
  readonly volumes: Volumes
  /** The notes of its volume. */
  readonly notes: string[] = []
  readonly #random: SeededRandom

  private constructor(name: string, store: MemoryStore, parts: Omit<Parts, 'store'>) {
    this.name = name
    this.seed = parts.seed
    this.store = store
    this.identity = parts.identity
    this.clock = parts.clock
    this.volumes = parts.volumes
    this.#random = parts.random
    for (const { volume } of this.volumes.all()) this.#listen(volume)
  }

  /**
   * seed: of its randomness, which two copies of a machine do not share. called: its name in its
   * settings, if not that of its key.
   */
  static async open(
    name: string,
    store: MemoryStore = new MemoryStore(),
    seed: string = name,
    called: string = name,
  ): Promise<Replica> {
    const identity = identityFromSeed(blake3(utf8(name)))
    const clock = new ManualClock()
    clock.advance(START_MS)
    const random = new SeededRandom(seed, 'replica')
    const self = { name: called, zone: '', capacityBytes: 1000 }
    const world = { clock, random, ...(store.disk && { disk: store.disk }) }
    const volumes = await Volumes.open({ world, store, identity }, self)
    return new Replica(name, store, { seed, identity, clock, random, volumes })
  }

  /** One that has made a volume. */
  static async founder(
    name: string,
    called: string = name,
    store: MemoryStore = new MemoryStore(),
  ): Promise<Replica> {
    const replica = await Replica.open(name, store, undefined, called)
    await replica.volumes.create('main')
    replica.#listen(replica.volume)
    return replica
  }

  get volume(): Volume {
    return this.volumes.find(undefined).volume
  }

  get namespace(): Namespace {
    return new Namespace({ volume: this.volume, random: this.#random })
  }

  /** Admit another node, which takes the volume up; the log is not exchanged yet. */
  async admit(joiner: Replica, role: Role = 'writer'): Promise<void> {
    const reply = await this.volumes.admit(this.volume.id, joiner.identity.peer, role)
    await joiner.volumes.adopt(reply, role)
    joiner.#listen(joiner.volume)
  }

  /** A member that has all that this node has. */
  async member(name: string, role: Role = 'writer', called: string = name): Promise<Replica> {
    const joiner = await Replica.open(name, undefined, undefined, called)
    await this.admit(joiner, role)
    await send(this, joiner)
    return joiner
  }

  /** Another machine with an image of this one's disk, as it is durable by now. */
  async clone(seed: string): Promise<Replica> {
    const copy = await Replica.open(this.name, new MemoryStore(this.#image()), seed)
    copy.clock.advance(this.clock.wall() - copy.clock.wall())
    return copy
  }

  /** The same node after a restart. */
  async reopen(called: string = this.name): Promise<Replica> {
    return Replica.open(this.name, new MemoryStore(this.#image()), undefined, called)
  }

  /** The same after it was killed: what it had not committed is gone, but for its journal. */
  async killed(whole: SegmentsEnd = this.store.payloadsEnd): Promise<Replica> {
    const store = new MemoryStore(this.#image(), this.store.disk)
    store.whole = whole
    return Replica.open(this.name, store, `${this.seed} again`)
  }

  /** The target of a name in the root. */
  at(name: string): ViewTarget {
    const target = this.namespace.lookup(ROOT, nameFromText(name))
    if (target === undefined) throw new Error(`${this.name} has no ${name}`)
    return target
  }

  /** A new file of a few bytes. */
  write(name: string, text: string, parent: NodeId = ROOT): Extract<ViewTarget, { kind: 'inode' }> {
    const target = this.namespace.create(parent, nameFromText(name), {})
    this.rewrite(target, text)
    return target
  }

  /** Other bytes for a file, in place of what this node sees. */
  rewrite(target: ViewTarget, text: string): void {
    const content: ContentRef = { kind: 'inline', bytes: utf8(text) }
    const { base } = this.namespace.fileVersion(target)
    const modifiedNs = this.namespace.nowNs()
    this.namespace.putVersion(target.id, { content, size: text.length, base, modifiedNs })
  }

  /** Names in the root, as they show. */
  async names(): Promise<string[]> {
    const names: string[] = []
    for await (const { name } of this.namespace.list(ROOT))
      names.push(Buffer.from(name, 'latin1').toString('utf8'))
    return names
  }

  /**
   * All that replicas have in common, a line a record; without the log, of which one may have
   * dropped more.
   */
  async state(): Promise<string> {
    return this.dump(SHARED.replace('e', ''))
  }

  /** All that replicas have in common, a line a record. */
  async dump(prefixes: string = SHARED): Promise<string> {
    const lines: string[] = []
    for (const prefix of prefixes) {
      for await (const [key, value] of this.volume.view.scan(prefix, prefixEnd(prefix)))
        lines.push(`${prefix} ${toHex(Buffer.from(key.slice(1), 'latin1'))} ${toHex(value)}`)
    }
    return lines.join('\n')
  }

  #image(): MemoryKv {
    return MemoryKv.open(this.store.kv.image())
  }

  #listen(volume: Volume): void {
    volume.events.note.add((message) => this.notes.push(message))
  }
}

interface Parts {
  readonly seed: string
  readonly store: MemoryStore
  readonly identity: Identity
  readonly clock: ManualClock
  readonly random: SeededRandom
  readonly volumes: Volumes
}

/**
 * Give `to` what `from` holds durably and it lacks, in the order of an exchange, through the wire
 * form.
 */
export async function send(from: Replica, to: Replica): Promise<EntryVerdict[]> {
  await from.volume.commit()
  await to.volume.commit()
  const theirs = heldBy(from.volume, summaryOf(to.volume))
  const missing = [...from.volume.entries.between(theirs, from.volume.durableVector())]
  const verdicts = missing.map(({ label, entry: { header } }) => {
    const bytes = from.volume.entries.bytes(label, header.seq)
    return to.volume.receive(decodeEntry(bytes ?? new Uint8Array()))
  })
  await to.volume.commit()
  return verdicts
}

/** All give all to all. */
export async function exchange(...replicas: readonly Replica[]): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (const from of replicas) {
      for (const to of replicas) if (from !== to) await send(from, to)
    }
  }
}

export interface Forgery {
  readonly body: Uint8Array
  readonly fields?: Partial<EntryHeader>
}

/**
 * The entry that a node would write next, with whatever in it. The node itself knows nothing of it.
 */
export function forge({ volume, identity, clock }: Replica, { body, fields = {} }: Forgery): Entry {
  const known = volume.actors.get(volume.actor)
  if (known === undefined) throw new Error('who has written nothing yet forges nothing')
  return signEntry(
    identity,
    {
      volume: volume.id,
      actor: volume.actor,
      seq: known.seq + 1,
      prev: known.hash,
      deps: volume.actors.dependenciesFor(volume.actor),
      hlc: nextHlc(volume.actors.hlc, clock.wall()),
      grant: volume.membership.member(identity.peer)?.grant ?? known.grant,
      epoch: volume.membership.epoch,
      flags: 0,
      origin: undefined,
      ...fields,
    },
    body,
  )
}

/** The same with ops that the node would not make, in a body that opens. */
export function forgeOps(by: Replica, ops: readonly Op[], clear = false): Entry {
  const { volume } = by
  const plain = encodeBatch(ops)
  if (clear) return forge(by, { body: plain, fields: { flags: FLAG_CLEAR_BODY } })
  const hlc = nextHlc(volume.actors.hlc, by.clock.wall()) as Hlc
  const seq = (volume.actors.get(volume.actor)?.seq ?? 0) + 1
  const context = { volume: volume.id, actor: volume.actor, seq, hlc }
  const secret = volume.membership.secret(volume.membership.epoch) ?? new Uint8Array(32)
  const body = sealBody(secret, context, plain, new Uint8Array(32).fill(seq))
  return forge(by, { body, fields: { hlc } })
}

/** Another incarnation of a node: the first entry of a new actor, signed by its key. */
export function firstEntryOf(by: Replica, nonce: Uint8Array, deps: EntryHeader['deps']): Entry {
  const { volume, identity } = by
  const origin = { publicKey: identity.publicKey, nonce }
  const fields = {
    actor: actorIdOf(volume.id, origin),
    seq: 1,
    prev: undefined,
    deps,
    flags: FLAG_CLEAR_BODY,
    origin,
  }
  return forge(by, { body: encodeBatch([]), fields })
}
