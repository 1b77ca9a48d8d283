// Members, grants, keys and policies of one volume, as its log tells. Bounded by MEMBERS_MAX, so all in memory.
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { openFrom } from '../../protocol/cipher.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import { applyMemberOp, isActive, swarmKey } from '../../protocol/membership/members.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { mayRead } from '../../protocol/membership/roles.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/tree/op.ts'
import { prefixEnd } from './state-view.ts'
import type { StateView } from './state-view.ts'

/** Where a grant or removal stands in the log. */
interface Position {
  readonly actor: ActorId
  readonly seq: number
}

interface Grant extends Position {
  readonly peer: PeerId
  readonly role: Role
}

/** Where and when an op was logged. */
export interface LoggedAt extends Position {
  readonly hash: EntryHash
  readonly stamp: Stamp
}

const MEMBER: ByteString = 'M'
const GRANT: ByteString = 'G'
const REMOVAL: ByteString = 'R'
const EPOCH: ByteString = 'E'
const POLICY: ByteString = 'P'

export class Membership {
  readonly #view: StateView
  readonly #identity: Identity
  readonly #members = new Map<PeerId, Member>()
  readonly #grants = new Map<EntryHash, Grant>()
  readonly #removals = new Map<PeerId, Position>()
  readonly #secrets = new Map<number, Uint8Array>()
  readonly #policies = new Map<string, readonly [value: string, stamp: Stamp]>()

  private constructor(view: StateView, identity: Identity, volume: VolumeId, genesis: Genesis) {
    this.#view = view
    this.#identity = identity
    // The creator's right to write its first entry comes from the genesis document itself.
    const grant = { peer: genesis.creator, role: 'admin', actor: '' as ActorId, seq: 0 } as const
    this.#grants.set(volume as string as EntryHash, grant)
  }

  static async open(
    view: StateView,
    identity: Identity,
    volume: VolumeId,
    genesis: Genesis,
  ): Promise<Membership> {
    const m = new Membership(view, identity, volume, genesis)
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
    await each(GRANT, (hash, value) => m.#grants.set(toHex(hash) as EntryHash, decodeGrant(value)))
    await each(REMOVAL, (key, value) =>
      m.#removals.set(peerIdFromPublicKey(key), decodePosition(value)),
    )
    await each(EPOCH, (key, value) =>
      m.#secrets.set(Number(Buffer.from(key).toString('latin1')), value),
    )
    await each(POLICY, (key, value) => {
      const [text, stamp] = decodeCbor(value, 'policy record') as readonly [string, Uint8Array]
      m.#policies.set(Buffer.from(key).toString('utf8'), [text, toByteString(stamp) as Stamp])
    })
    return m
  }

  /** Active members, in peer order. */
  members(): Member[] {
    return [...this.#members.values()].filter(isActive).sort((a, b) => (a.peer < b.peer ? -1 : 1))
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

  grant(hash: EntryHash): Grant | undefined {
    return this.#grants.get(hash)
  }

  /** The entry that removed a peer, unless it was added again. */
  removal(peer: PeerId): Position | undefined {
    return isActive(this.#members.get(peer)) ? undefined : this.#removals.get(peer)
  }

  policy(key: string): string | undefined {
    return this.#policies.get(key)?.[0]
  }

  /** The newest epoch this node has a key of. */
  get epoch(): number {
    return Math.max(0, ...this.#secrets.keys())
  }

  /** Secret of an epoch; undefined when this node is a keeper or was not yet given it. */
  secret(epoch: number): Uint8Array | undefined {
    const stored = this.#secrets.get(epoch)
    return stored === undefined || this.#isKeeper() ? undefined : stored
  }

  /** Key that seals gossip of an epoch; keepers have it too. */
  swarmKey(epoch: number): Uint8Array | undefined {
    const stored = this.#secrets.get(epoch)
    return stored === undefined || this.#isKeeper() ? stored : swarmKey(stored)
  }

  /** Every epoch's secret, oldest first. */
  secrets(): readonly (readonly [epoch: number, secret: Uint8Array])[] {
    return [...this.#secrets].sort(([a], [b]) => a - b)
  }

  /** Keep a key that was sealed to this node. throws ShoalError 'corrupt' if it was not. */
  learnKey(epoch: number, sealed: Uint8Array): void {
    this.#keepSecret(epoch, openFrom(this.#identity.seed, sealed))
  }

  /** Apply an op about members, keys or policies. */
  apply(op: Op, at: LoggedAt): void {
    switch (op.kind) {
      case 'member': {
        this.#grants.set(at.hash, { peer: op.peer, role: op.role, actor: at.actor, seq: at.seq })
        this.#view.put(
          GRANT + hashKey(at.hash),
          encodeGrant({ peer: op.peer, role: op.role, ...at }),
        )
        this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
        if (op.peer === this.#identity.peer) this.#learnKeys(op.keys)
        return
      }
      case 'remove-member':
        this.#removals.set(op.peer, at)
        this.#view.put(REMOVAL + peerKey(op.peer), encodePosition(at))
        return this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
      case 'member-info':
        return this.#keepMember(applyMemberOp(this.#members.get(op.peer), op, at.stamp, at.hash))
      case 'epoch': {
        const mine = op.keys.filter(({ peer }) => peer === this.#identity.peer)
        return this.#learnKeys(mine.map(({ sealed }) => ({ epoch: op.epoch, sealed })))
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

  #isKeeper(): boolean {
    const me = this.#members.get(this.#identity.peer)
    return me !== undefined && !mayRead(me.role)
  }

  #learnKeys(keys: readonly { readonly epoch: number; readonly sealed: Uint8Array }[]): void {
    for (const { epoch, sealed } of keys) {
      // A key that does not open is the sealing member's fault; the entry stays, the epoch stays unknown.
      try {
        this.learnKey(epoch, sealed)
      } catch (error) {
        if (!(error instanceof ShoalError) || error.code !== 'corrupt') throw error
      }
    }
  }

  #keepSecret(epoch: number, secret: Uint8Array): void {
    this.#secrets.set(epoch, secret)
    this.#view.put(EPOCH + String(epoch), secret)
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

function encodePosition(at: Position): Uint8Array {
  return encodeCbor([fromHex(at.actor), at.seq])
}

function decodePosition(bytes: Uint8Array): Position {
  const [actor, seq] = decodeCbor(bytes, 'position record') as readonly [Uint8Array, number]
  return { actor: toHex(actor) as ActorId, seq }
}

function encodeGrant(grant: Grant): Uint8Array {
  return encodeCbor([publicKeyOf(grant.peer), grant.role, fromHex(grant.actor), grant.seq])
}

function decodeGrant(bytes: Uint8Array): Grant {
  const [peer, role, actor, seq] = decodeCbor(bytes, 'grant record') as readonly [
    Uint8Array,
    Role,
    Uint8Array,
    number,
  ]
  return { peer: peerIdFromPublicKey(peer), role, actor: toHex(actor) as ActorId, seq }
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
