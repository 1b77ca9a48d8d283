// Members, grants, keys and policies of one volume, as its log tells: the same on every replica that holds the same
// entries, in whatever order concurrent ones came. Some records a member, and one an op about one, all in memory.
import { compareBytes, fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import { STAMP_ZERO } from '../../protocol/log/dot.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import { applyMemberOp, isActive } from '../../protocol/membership/members.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { isNode, mayRead, parseRole } from '../../protocol/membership/roles.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/tree/op.ts'
import { EpochKeys, OPEN_ONLY } from './epoch-keys.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

/** Where and when an op stands in the log. */
export interface Position {
  readonly actor: ActorId
  readonly seq: number
  readonly stamp: Stamp
}

interface Grant extends Position {
  readonly peer: PeerId
  readonly role: Role
  /** Its entry does not count: it makes nobody a member. What is written under it has a place in the log all the same. */
  readonly isVoid: boolean
}

interface SealedKey {
  readonly epoch: number
  readonly sealed: Uint8Array
}

/** Where and when an op was logged. */
export interface LoggedAt extends Position {
  readonly hash: EntryHash
}

const MEMBER: ByteString = 'M'
const GRANT: ByteString = 'G'
const REMOVAL: ByteString = 'R'
const POLICY: ByteString = 'P'
/** Per peer the keys that were sealed to it: who starts from a checkpoint finds its own there. */
const GIVEN: ByteString = 'K'
const EXPECTED_ROLE: ByteString = 'wrole'
/** Bytes of a public key, and of an entry's hash. */
const KEY_BYTES = 32

export class Membership {
  readonly #view: ReplicaView
  readonly #self: PeerId
  readonly #creator: PeerId
  readonly #keys: EpochKeys
  readonly #members = new Map<PeerId, Member>()
  /** By entry and peer. */
  readonly #grants = new Map<string, Grant>()
  /** Per peer every op that took its role away. */
  readonly #removals = new Map<PeerId, Position[]>()
  /** Peers that some op gave a role. */
  readonly #named = new Set<PeerId>()
  readonly #policies = new Map<string, readonly [value: string, stamp: Stamp]>()

  private constructor(
    view: ReplicaView,
    keys: EpochKeys,
    self: PeerId,
    { volume, creator }: { readonly volume: VolumeId; readonly creator: PeerId },
  ) {
    this.#view = view
    this.#keys = keys
    this.#self = self
    this.#creator = creator
    // The creator's right to write its first entry comes from the genesis document itself.
    const position = { actor: '' as ActorId, seq: 0, stamp: STAMP_ZERO }
    this.#grants.set(volume + creator, { peer: creator, role: 'admin', isVoid: false, ...position })
  }

  static async open(
    view: ReplicaView,
    identity: Identity,
    volume: VolumeId,
    genesis: Genesis,
  ): Promise<Membership> {
    const keys = await EpochKeys.open(view, identity)
    const m = new Membership(view, keys, identity.peer, { volume, creator: genesis.creator })
    const each = async (
      prefix: ByteString,
      take: (rest: Uint8Array, value: Uint8Array) => void,
    ): Promise<void> => {
      for await (const [key, value] of view.scan(prefix, prefixEnd(prefix)))
        take(fromByteString(key.slice(1)), value)
    }
    await each(MEMBER, (_, value) => {
      const member = decodeMember(value)
      m.#members.set(member.peer, member)
    })
    await each(GRANT, (key, value) => {
      const hash = toHex(key.subarray(0, KEY_BYTES)) as EntryHash
      m.#rememberGrant(hash, decodeGrant(key.subarray(KEY_BYTES), value))
    })
    await each(REMOVAL, (key, value) => {
      const peer = peerIdFromPublicKey(key.subarray(0, KEY_BYTES))
      m.#rememberRemoval(peer, decodePosition(value))
    })
    await each(POLICY, (key, value) => {
      const [text, stamp] = decodeCbor(value, 'policy record') as readonly [string, Uint8Array]
      m.#policies.set(Buffer.from(key).toString('utf8'), [text, toByteString(stamp) as Stamp])
    })
    m.#learnKeys(m.#given(m.#self))
    return m
  }

  /** Active members, in peer order. */
  members(): Member[] {
    return [...this.#members.values()].filter(isActive).sort((a, b) => (a.peer < b.peer ? -1 : 1))
  }

  /** The same, of nodes only: recovery keys are waited for by nobody. */
  nodes(): Member[] {
    return this.members().filter(({ role }) => isNode(role))
  }

  /** An active member, or undefined. */
  member(peer: PeerId): Member | undefined {
    const member = this.#members.get(peer)
    return isActive(member) ? member : undefined
  }

  /** A member's name, also after it was removed. */
  nameOf(peer: PeerId): string {
    return this.#members.get(peer)?.name ?? peer.slice(-6)
  }

  /** The grant of a role to `peer` by this entry. */
  grant(hash: EntryHash, peer: PeerId): Grant | undefined {
    return this.#grants.get(hash + peer)
  }

  /** Was a role that it was granted then taken from a peer by one of these? */
  isRemoved(peer: PeerId, granted: Position, isOne: (at: Position) => boolean): boolean {
    return (this.#removals.get(peer) ?? []).some((at) => at.stamp > granted.stamp && isOne(at))
  }

  /** Was its peer given another role after this one, by one of these? */
  isReplaced({ peer, stamp }: Grant, isOne: (at: Position) => boolean): boolean {
    if (this.#members.get(peer)?.granted === stamp) return false
    for (const at of this.#grants.values())
      if (at.peer === peer && !at.isVoid && at.stamp > stamp && isOne(at)) return true
    return false
  }

  /** Was a member, and is none: by an op that has effect. */
  wasRemoved(peer: PeerId): boolean {
    return this.#removals.has(peer) && this.member(peer) === undefined
  }

  /** The role in which a peer may write now. */
  roleOf(peer: PeerId): Role | undefined {
    // Nothing has been said yet of the creator of a volume that is just being made.
    if (!this.#named.has(peer)) return peer === this.#creator ? 'admin' : undefined
    return this.member(peer)?.role
  }

  policy(key: string): string | undefined {
    return this.#policies.get(key)?.[0]
  }

  /** All that was ever set, by key, in no order. */
  policies(): readonly (readonly [key: string, value: string])[] {
    return Array.from(this.#policies, ([key, [value]]) => [key, value])
  }

  /** The newest epoch this node has a key of. */
  get epoch(): number {
    return this.#keys.newest
  }

  /** The secret that seals in an epoch; undefined when this node is a keeper or was not yet given one. */
  secret(epoch: number): Uint8Array | undefined {
    return this.isKeeper() ? undefined : this.#keys.secret(epoch)
  }

  /** All secrets of an epoch: what is sealed in it is sealed with one of them. None at a keeper. */
  secrets(epoch: number): readonly Uint8Array[] {
    return this.isKeeper() ? [] : this.#keys.secrets(epoch)
  }

  /** Keys of gossip in an epoch, the one that seals first; keepers have them too. */
  swarmKeys(epoch: number): readonly Uint8Array[] {
    return this.#keys.swarmKeys(epoch, this.isKeeper())
  }

  /** Every secret, oldest epoch first. None at a keeper. */
  allSecrets(): readonly (readonly [epoch: number, secret: Uint8Array])[] {
    return this.isKeeper() ? [] : this.#keys.allSecrets()
  }

  /** True if there is a secret of the epoch that this node, which may read, was not given. */
  lacksSecret(epoch: number): boolean {
    return !this.isKeeper() && this.#keys.lacks(epoch)
  }

  /** Keep a key that was sealed to this node. throws ShoalError 'corrupt' if it was not. */
  learnKey(epoch: number, sealed: Uint8Array): void {
    this.#keys.learn(epoch, sealed)
  }

  /** What this node was admitted as: holds until its log tells. */
  expectRole(role: Role): void {
    this.#view.put(EXPECTED_ROLE, Buffer.from(role))
  }

  /** Admitted, but the log held here does not tell of it yet: nobody who has the entry was in reach, or a clock is ahead. */
  isAwaited(): boolean {
    return !this.#named.has(this.#self) && this.#view.get(EXPECTED_ROLE) !== undefined
  }

  /** True if this node may read nothing. */
  isKeeper(): boolean {
    const me = this.#members.get(this.#self)
    if (me !== undefined && me.granted !== STAMP_ZERO) return !mayRead(me.role)
    const expected = this.#view.get(EXPECTED_ROLE)
    return expected !== undefined && !mayRead(parseRole(Buffer.from(expected).toString()))
  }

  /** Apply an op about members, keys or policies. */
  apply(op: Op, at: LoggedAt): void {
    switch (op.kind) {
      case 'member': {
        this.#keepGrant(op, at, false)
        this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
        return this.#give(op.peer, op.keys)
      }
      case 'remove-member':
        this.#rememberRemoval(op.peer, at)
        this.#view.put(REMOVAL + peerKey(op.peer) + at.stamp, encodePosition(at))
        return this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
      case 'member-info':
        return this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
      case 'epoch': {
        this.#keys.begin(op.epoch)
        for (const { peer, sealed } of op.keys) this.#give(peer, [{ epoch: op.epoch, sealed }])
        return
      }
      case 'policy': {
        const known = this.#policies.get(op.key)
        if (known !== undefined && known[1] >= at.stamp) return
        this.#policies.set(op.key, [op.value, at.stamp])
        const key = POLICY + Buffer.from(op.key, 'utf8').toString('latin1')
        return this.#view.put(key, encodeCbor([op.value, fromByteString(at.stamp)]))
      }
      default:
        throw new ShoalError('internal', `${op.kind} is not about members`)
    }
  }

  /**
   * Keep what an op of an entry that does not count leaves behind all the same: a grant of nothing, since others point to
   * what is written under it; and keys, which others may have sealed with. Nobody seals with them who knows better.
   */
  applyVoid(op: Op, at: LoggedAt): void {
    if (op.kind === 'member') this.#keepGrant(op, at, true)
    if (op.kind !== 'epoch') return
    this.#keys.begin(OPEN_ONLY)
    for (const { peer, sealed } of op.keys) this.#give(peer, [{ epoch: OPEN_ONLY, sealed }])
  }

  #keepGrant(
    { peer, role }: Extract<Op, { kind: 'member' }>,
    { hash, actor, seq, stamp }: LoggedAt,
    isVoid: boolean,
  ): void {
    const grant = { peer, role, isVoid, actor, seq, stamp }
    this.#rememberGrant(hash, grant)
    this.#view.put(GRANT + hashKey(hash) + peerKey(peer), encodeGrant(grant))
  }

  #rememberGrant(hash: EntryHash, grant: Grant): void {
    this.#grants.set(hash + grant.peer, grant)
    if (!grant.isVoid) this.#named.add(grant.peer)
  }

  #rememberRemoval(peer: PeerId, { actor, seq, stamp }: Position): void {
    const known = this.#removals.get(peer)
    if (known === undefined) this.#removals.set(peer, [{ actor, seq, stamp }])
    else known.push({ actor, seq, stamp })
  }

  /** Keys were sealed to a peer. */
  #give(peer: PeerId, keys: readonly SealedKey[]): void {
    if (keys.length === 0) return
    // Sorted, so that the record is the same in whatever order they came.
    const all = [...this.#given(peer), ...keys].sort(
      (a, b) => a.epoch - b.epoch || compareBytes(a.sealed, b.sealed),
    )
    this.#view.put(
      GIVEN + peerKey(peer),
      encodeCbor(all.map(({ epoch, sealed }) => [epoch, sealed])),
    )
    if (peer === this.#self) this.#learnKeys(keys)
  }

  #given(peer: PeerId): SealedKey[] {
    const bytes = this.#view.get(GIVEN + peerKey(peer))
    if (bytes === undefined) return []
    const keys = decodeCbor(bytes, 'given keys') as readonly (readonly [number, Uint8Array])[]
    return keys.map(([epoch, sealed]) => ({ epoch, sealed }))
  }

  #learnKeys(keys: readonly SealedKey[]): void {
    for (const { epoch, sealed } of keys) {
      // A key that does not open is the sealing member's fault; the entry stays, the epoch stays unknown.
      try {
        this.#keys.learn(epoch, sealed, true)
      } catch (error) {
        if (!(error instanceof ShoalError) || error.code !== 'corrupt') throw error
      }
    }
  }

  #keepMember(member: Member): void {
    this.#members.set(member.peer, member)
    this.#view.put(MEMBER + peerKey(member.peer), encodeMember(member))
  }
}

function peerKey(peer: PeerId): ByteString {
  return toByteString(publicKeyOf(peer))
}

function hashKey(hash: EntryHash): ByteString {
  return toByteString(fromHex(hash))
}

export function encodePosition({ actor, seq, stamp }: Position): Uint8Array {
  return encodeCbor([fromHex(actor), seq, fromByteString(stamp)])
}

export function decodePosition(bytes: Uint8Array): Position {
  const [actor, seq, stamp] = decodeCbor(bytes, 'position record') as readonly [
    Uint8Array,
    number,
    Uint8Array,
  ]
  return { actor: toHex(actor) as ActorId, seq, stamp: toByteString(stamp) as Stamp }
}

function encodeGrant(grant: Grant): Uint8Array {
  const { role, isVoid } = grant
  return encodeCbor([role, encodePosition(grant), ...(isVoid ? [isVoid] : [])])
}

function decodeGrant(publicKey: Uint8Array, bytes: Uint8Array): Grant {
  const [role, position, isVoid = false] = decodeCbor(bytes, 'grant record') as readonly [
    Role,
    Uint8Array,
    boolean?,
  ]
  return { peer: peerIdFromPublicKey(publicKey), role, isVoid, ...decodePosition(position) }
}

function encodeMember(m: Member): Uint8Array {
  return encodeCbor({
    p: publicKeyOf(m.peer),
    r: m.role,
    g: fromHex(m.grant),
    gs: fromByteString(m.granted),
    x: m.removed === undefined ? null : fromByteString(m.removed),
    n: m.name,
    z: m.zone,
    c: m.capacityBytes,
    d: fromByteString(m.described),
  })
}

function decodeMember(bytes: Uint8Array): Member {
  const v = decodeCbor(bytes, 'member record') as Record<string, unknown>
  const stamp = (value: unknown): Stamp => toByteString(value as Uint8Array) as Stamp
  return {
    peer: peerIdFromPublicKey(v['p'] as Uint8Array),
    role: v['r'] as Role,
    grant: toHex(v['g'] as Uint8Array) as EntryHash,
    granted: stamp(v['gs']),
    removed: v['x'] === null ? undefined : stamp(v['x']),
    name: v['n'] as string,
    zone: v['z'] as string,
    capacityBytes: v['c'] as number,
    described: stamp(v['d']),
  }
}
