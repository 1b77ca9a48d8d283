// This node as a writer of one volume's log: its incarnation, its rights, and the entries it signs.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { HLC_ZERO, nextHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import type { ActorId, EntryHash, VolumeId } from '../../protocol/ids.ts'
import { ENTRY_DEPS_MAX } from '../../protocol/limits.ts'
import { SALT_BYTES, packBatch, sealBody } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, actorIdOf, isGoverning, signEntry } from '../../protocol/log/entry.ts'
import type { Dependency, Entry, Origin } from '../../protocol/log/entry.ts'
import { mayMake } from '../../protocol/membership/rights.ts'
import { aRole, isAppender } from '../../protocol/roles.ts'
import type { Identity } from '../../protocol/signed.ts'
import { isClearOp } from '../../protocol/op/op.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { World } from '../world/world.ts'
import { FLAGS_OF } from './open-batch.ts'
import type { OpenBatch } from './open-batch.ts'
import type { Replica } from '../replica/replica.ts'
import type { VolumeTime } from './volume-time.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

const ORIGIN_KEY: ByteString = STATE_PREFIXES.origin
const NONCE_BYTES = 16

export interface AuthorComponents {
  readonly world: Pick<World, 'random'>
  readonly time: Pick<VolumeTime, 'now'>
  readonly identity: Identity
  readonly volume: VolumeId
  readonly view: ReplicaView
  /** The one in use. */
  readonly replica: () => Pick<Replica, 'actors' | 'ancestry' | 'branches' | 'membership'>
}

export class Author {
  readonly #c: AuthorComponents
  readonly #originKey: ByteString
  #origin: Origin
  #actor: ActorId
  #heldGrant: EntryHash | undefined

  /** originKey: of the record that tells its incarnation from others of this node. */
  constructor(components: AuthorComponents, originKey: ByteString = ORIGIN_KEY) {
    this.#c = components
    this.#originKey = originKey
    this.#origin = this.#originOf(components.view.get(originKey) ?? this.#freshNonce())
    this.#actor = actorIdOf(components.volume, this.#origin)
  }

  get actor(): ActorId {
    return this.#actor
  }

  get #tables(): Pick<Replica, 'actors' | 'ancestry' | 'branches' | 'membership'> {
    return this.#c.replica()
  }

  /** Write on as a new incarnation. */
  renew(): void {
    this.#origin = this.#originOf(this.#freshNonce())
    this.#actor = actorIdOf(this.#c.volume, this.#origin)
  }

  /** Does it write as an appender? */
  get isAppended(): boolean {
    return isAppender(this.#tables.membership.roleOf(this.#c.identity.peer))
  }

  /** Number of the next entry. */
  nextSeq(): number {
    return (this.#tables.actors.get(this.#actor)?.seq ?? 0) + 1
  }

  /** Clock of the next entry: above that of every entry held. */
  nextHlc(): Hlc {
    const seen = isPlanted('wall-clock-alone') ? HLC_ZERO : this.#tables.actors.hlc
    return nextHlc(seen, this.#c.time.now())
  }

  /**
   * Refuse what the other replicas would not take from this node. throws ShoalError 'EACCES',
   * 'ENOSPC', 'ESTALE' before the log here tells of its role.
   */
  checkRight(op: Op): void {
    const { identity } = this.#c
    const { membership } = this.#tables
    const role = membership.roleOf(identity.peer)
    if (role === undefined)
      throw new ShoalError('EACCES', 'this node is not a member of the volume (any longer)')
    if (!mayMake(op, identity.peer, role))
      throw new ShoalError(
        'EACCES',
        `this node is ${aRole(role)} of the volume and has no permission to do this`,
      )
    if (!isClearOp(op) && membership.secret(membership.epoch) === undefined)
      throw new ShoalError('EACCES', 'this node has no key of the volume')
    if (!this.#holdsGrant()) throw awaitsGrant()
    this.#checkRoom()
  }

  /**
   * Is the entry held that grants this node its role? It may be known before, as one that governs;
   * but what is written before it is held, nobody takes.
   */
  #holdsGrant(): boolean {
    const { actors, ancestry, membership } = this.#tables
    const grant = membership.state.member(this.#c.identity.peer)?.grant
    if (grant === undefined || grant === this.#heldGrant) return true
    const granting = membership.governance.dag.get(grant)
    if (granting !== undefined && !ancestry.covers(actors.vector(), granting)) return false
    this.#heldGrant = grant
    return true
  }

  /** A new incarnation is one actor more. throws ShoalError 'ENOSPC'. */
  #checkRoom(): void {
    const { actors } = this.#tables
    if (actors.get(this.#actor) === undefined) actors.checkRoom(this.#c.identity.peer)
  }

  /**
   * An entry without ops, if the past has more actors than one entry can name: make them until
   * there is none, before a batch opens. Only a new incarnation in a volume of very many needs it.
   */
  catchUp(): Entry | undefined {
    const { actors } = this.#tables
    if (actors.count <= ENTRY_DEPS_MAX) return undefined
    if (actors.dependenciesFor(this.#actor).length <= ENTRY_DEPS_MAX) return undefined
    return this.makeMerge()
  }

  /** An entry without ops that points to all that is held. throws ShoalError 'ENOSPC'. */
  makeMerge(): Entry {
    this.#checkRoom()
    const at = { seq: this.nextSeq(), hlc: this.nextHlc(), kind: 'clear' } as const
    return this.#sign(
      at,
      packBatch([]),
      this.#firstDeps(this.#tables.actors.dependenciesFor(this.#actor)),
    )
  }

  /** The signed entry of a batch. */
  makeEntry(batch: OpenBatch): Entry {
    const { world, volume } = this.#c
    const { actors, membership } = this.#tables
    const deps = actors.dependenciesFor(this.#actor).slice(isPlanted('dependency-left-out') ? 1 : 0)
    if ((FLAGS_OF[batch.kind] & FLAG_CLEAR_BODY) !== 0) return this.#sign(batch, batch.pack(), deps)
    const secret = membership.secret(membership.epoch)
    assert(secret !== undefined, 'a batch to seal opens only where there is a key')
    const context = { volume, actor: this.#actor, seq: batch.seq, hlc: batch.hlc }
    const salt = world.random.bytes(SALT_BYTES)
    return this.#sign(batch, sealBody(secret, context, batch.pack(), salt), deps)
  }

  #sign(
    { seq, hlc, kind }: Pick<OpenBatch, 'seq' | 'hlc' | 'kind'>,
    body: Uint8Array,
    deps: readonly Dependency[],
  ): Entry {
    const { identity, volume } = this.#c
    const { actors, ancestry, membership } = this.#tables
    const known = actors.get(this.#actor)
    const grant = membership.member(identity.peer)?.grant ?? (volume as string as EntryHash)
    const { epoch, governance } = membership
    const flags = FLAGS_OF[kind]
    const governs = isGoverning({ flags })
    const origin = known === undefined || governs ? this.#origin : undefined
    const position = { volume, actor: this.#actor, seq, prev: known?.hash, deps, hlc }
    const held = actors.vector()
    const governed = governs ? governance.headsIn((act) => ancestry.covers(held, act)) : undefined
    return signEntry(identity, { ...position, grant, epoch, flags, origin, governed }, body)
  }

  /**
   * As many as fit, with the one that has this node's grant in its past, and those of chains that
   * forked: without all of its branches in its past, an entry would call one by the name of
   * another.
   */
  #firstDeps(deps: readonly Dependency[]): readonly Dependency[] {
    const { identity } = this.#c
    const { membership, branches } = this.#tables
    const hash = membership.member(identity.peer)?.grant
    const granting = hash === undefined ? undefined : membership.governance.dag.get(hash)?.actor
    const isFirst = ({ actor }: Dependency): boolean =>
      actor === granting || branches.labels(actor).length > 1
    return [...deps.filter(isFirst), ...deps.filter((dep) => !isFirst(dep))]
      .slice(0, ENTRY_DEPS_MAX)
      .sort((a, b) => (a.actor < b.actor ? -1 : 1))
  }

  /** Durable with the first entry that has it. */
  #freshNonce(): Uint8Array {
    const nonce = this.#c.world.random.bytes(NONCE_BYTES)
    this.#c.view.put(this.#originKey, nonce)
    return nonce
  }

  #originOf(nonce: Uint8Array): Origin {
    return { publicKey: this.#c.identity.publicKey, nonce }
  }
}

/** Says that the entry that admits this node has not come yet. */
export function awaitsGrant(): ShoalError {
  return new ShoalError(
    'ESTALE',
    'this node has joined, but has not received that log entry yet: ' +
      "the admin is unreachable, or the admin's clock is ahead; try again later",
  )
}
