// Members, keys and policies of one volume, as its governing entries tell: the same on every
// replica that knows the same of them. Some records a member, in memory.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import { authorOfGoverning } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { GovernanceState } from '../../protocol/membership/governance-state.ts'
import type { Grant, Origins } from '../../protocol/membership/governance.ts'
import { blankInfo, isActive } from '../../protocol/membership/members.ts'
import type { Member, MemberInfo, MemberRole } from '../../protocol/membership/members.ts'
import { freeName, nameKey, shownNames } from '../../protocol/membership/names.ts'
import { isNode, mayGiveUp, mayRead, parseRole } from '../../protocol/roles.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/op/op.ts'
import { readBody } from './entry-check.ts'
import { EpochKeys } from '../state/epoch-keys.ts'
import { Governance } from './governance.ts'
import type { StateView } from '../state/state-view.ts'

const EXPECTED_ROLE: ByteString = STATE_PREFIXES.expectedRole
const CONFIGURED_NAME: ByteString = STATE_PREFIXES.configuredName

/** How the members of a volume describe themselves. */
export interface DescribedMembers {
  /** Changes with each description. */
  readonly version: number
  of(peer: PeerId): MemberInfo | undefined
}

const NOT_DESCRIBED: DescribedMembers = { version: 0, of: () => undefined }

export class Membership {
  readonly governance: Governance
  readonly #view: StateView
  readonly #self: PeerId
  readonly #keys: EpochKeys
  /** The version of the governing entries when keys were last taken from them. */
  #version = -1
  #isRefreshing = false
  /** How members describe themselves in the state in use. */
  #infos: () => DescribedMembers = () => NOT_DESCRIBED
  /** The names of active members as they are shown, and what they follow from. */
  #shown:
    | {
        readonly names: ReadonlyMap<PeerId, string>
        readonly infos: DescribedMembers
        readonly infosVersion: number
        readonly version: number
      }
    | undefined

  private constructor(
    view: StateView,
    self: PeerId,
    parts: { readonly governance: Governance; readonly keys: EpochKeys },
  ) {
    this.#view = view
    this.#self = self
    this.governance = parts.governance
    this.#keys = parts.keys
  }

  static async open(view: StateView, identity: Identity, origins: Origins): Promise<Membership> {
    const governance = await Governance.open(view, origins)
    const keys = await EpochKeys.open(view, identity, (epoch) => governance.state.begun(epoch))
    return new Membership(view, identity.peer, { governance, keys })
  }

  /** Take what members say of themselves from the state in use. */
  describeBy(infos: () => DescribedMembers): void {
    this.#infos = infos
  }

  /** Active members, in peer order. */
  members(): Member[] {
    const members: Member[] = []
    for (const role of this.state.members()) if (isActive(role)) members.push(this.#active(role))
    return members.sort((a, b) => (a.peer < b.peer ? -1 : 1))
  }

  /** The same, of nodes only: recovery keys are waited for by nobody. */
  nodes(): Member[] {
    return this.members().filter(({ role }) => isNode(role))
  }

  /**
   * Nodes beside this whose clocks have a say, undefined where it is not known to be a member
   * itself: time lets go of what is kept, so appenders have none.
   */
  writersBeside(self: PeerId): PeerId[] | undefined {
    if (this.member(self) === undefined) return undefined
    const writers = this.nodes().filter(({ peer, role }) => peer !== self && mayGiveUp(role))
    return writers.map(({ peer }) => peer)
  }

  /** An active member, or undefined. */
  member(peer: PeerId): Member | undefined {
    const role = this.state.member(peer)
    return isActive(role) ? this.#active(role) : undefined
  }

  /** A member's name as it is shown; after it was removed, the one that it was said to have. */
  nameOf(peer: PeerId): string {
    return this.#shownNames().get(peer) ?? this.saidName(peer)
  }

  /** The name that a peer was said to have, removed or not; another may be said to have it, too. */
  saidName(peer: PeerId): string {
    return this.#info(peer).name
  }

  /** The name that a peer gets which would have this one: no other member has it, or says so. */
  freeNameFor(peer: PeerId, wish: string): string {
    const others = this.members().filter((member) => member.peer !== peer)
    return freeName(wish, new Set(others.flatMap(({ name, said }) => [name, said]).map(nameKey)))
  }

  /** The name in the settings of this node when it last said who it is. */
  get configuredName(): string | undefined {
    const stored = this.#view.get(CONFIGURED_NAME)
    return stored === undefined ? undefined : Buffer.from(stored).toString()
  }

  set configuredName(name: string) {
    this.#view.put(CONFIGURED_NAME, Buffer.from(name))
  }

  /** The role that an entry gave to a peer, whether it counts or not. */
  grant(id: EntryHash, peer: PeerId): Grant | undefined {
    return this.governance.dag.grant(id, peer)
  }

  /** Was a member, and is none: by an op that has effect. */
  wasRemoved(peer: PeerId): boolean {
    const role = this.state.member(peer)
    return role?.removed !== undefined && !isActive(role)
  }

  /** The role in which a peer may write now. */
  roleOf(peer: PeerId): Role | undefined {
    const role = this.state.member(peer)
    // Nothing has been said yet of the creator of a volume that is just being made.
    if (role === undefined)
      return peer === this.governance.dag.origins.creator ? 'admin' : undefined
    return isActive(role) ? role.role : undefined
  }

  policy(key: string): string | undefined {
    return this.state.policy(key)
  }

  /** All that was ever set, by key, in no order. */
  policies(): readonly (readonly [key: string, value: string])[] {
    return this.state.policies()
  }

  /** The newest epoch this node has a key of. */
  get epoch(): number {
    return this.#fresh.newest
  }

  /**
   * The secret that seals in an epoch; undefined when this node is a keeper or was not yet given
   * one.
   */
  secret(epoch: number): Uint8Array | undefined {
    return this.isKeeper() ? undefined : this.#fresh.secret(epoch)
  }

  /** All secrets of an epoch: what is sealed in it is sealed with one of them. None at a keeper. */
  secrets(epoch: number): readonly Uint8Array[] {
    return this.isKeeper() ? [] : this.#fresh.secrets(epoch)
  }

  /** Keys of gossip in an epoch, the one that seals first; keepers have them too. */
  swarmKeys(epoch: number): readonly Uint8Array[] {
    return this.#fresh.swarmKeys(epoch, this.isKeeper())
  }

  /** Every secret, oldest epoch first. None at a keeper. */
  allSecrets(): readonly (readonly [epoch: number, secret: Uint8Array])[] {
    return this.isKeeper() ? [] : this.#fresh.allSecrets()
  }

  /** True if there is a secret of the epoch that this node, which may read, was not given. */
  lacksSecret(epoch: number): boolean {
    return !this.isKeeper() && this.#fresh.lacks(epoch)
  }

  /** Keep a key that was sealed to this node. throws ShoalError 'corrupt' if it was not. */
  learnKey(epoch: number, sealed: Uint8Array): void {
    this.#keys.learn(epoch, sealed)
    this.#version = -1
  }

  /** Sets the role with which this node was admitted: holds until its log tells. */
  expectRole(role: Role): void {
    this.#view.put(EXPECTED_ROLE, Buffer.from(role))
  }

  /**
   * Admitted, but the log held here does not tell of it yet: nobody who has the entry was in reach,
   * or a clock is ahead.
   */
  isAwaited(): boolean {
    return (
      this.state.member(this.#self) === undefined && this.#view.get(EXPECTED_ROLE) !== undefined
    )
  }

  /** True if this node may read nothing. */
  isKeeper(): boolean {
    const me = this.state.member(this.#self)
    if (me !== undefined) return !mayRead(me.role)
    const expected = this.#view.get(EXPECTED_ROLE)
    return expected !== undefined && !mayRead(parseRole(Buffer.from(expected).toString()))
  }

  /**
   * Take a governing entry, all that it names being here. returns whether it is new.
   * throws ShoalError for one that is never to be taken: 'malformed', 'bad-signature',
   * 'not-a-member'.
   */
  take(entry: Entry): boolean {
    const { governance } = this
    if (governance.has(entry.hash)) return false
    governance.check(entry)
    return governance.take(entry, this.readOps)
  }

  /** The state of the volume by the governing entries up to these. */
  stateAt(heads: readonly EntryHash[]): GovernanceState {
    this.#refresh()
    return this.governance.stateAt(heads)
  }

  /** The ops of a governing entry, as far as its author's role allows and this node can read it. */
  readonly readOps = (entry: Entry): readonly (Op | undefined)[] | undefined => {
    const reading = readBody(entry, authorOfGoverning(entry.header), this)
    if (reading.kind === 'ops') return reading.ops
    return reading.kind === 'unreadable' ? [] : undefined
  }

  /** The state of the volume by its governing entries. */
  get state(): GovernanceState {
    this.#refresh()
    return this.governance.state
  }

  get #fresh(): EpochKeys {
    this.#refresh()
    return this.#keys
  }

  /** Clear entries say which keys this node has, and these open the others. */
  #refresh(): void {
    const { governance } = this
    if (this.#isRefreshing || this.#version === governance.version) return
    this.#isRefreshing = true
    try {
      governance.readAgain(this.readOps)
      this.#keys.give(governance.state.keysOf(this.#self))
      governance.readAgain(this.readOps)
      this.#version = governance.version
    } finally {
      this.#isRefreshing = false
    }
  }

  #active(role: MemberRole): Member {
    const info = this.#info(role.peer)
    return { ...role, ...info, said: info.name, name: this.nameOf(role.peer) }
  }

  #shownNames(): ReadonlyMap<PeerId, string> {
    const { state } = this
    const { version } = this.governance
    const infos = this.#infos()
    const known = this.#shown
    const isKnown = known?.infos === infos && known.infosVersion === infos.version
    if (isKnown && known.version === version) return known.names
    const active = [...state.members()].filter(isActive).map(({ peer }) => peer)
    const said = active.map((peer) => ({ peer, info: this.#info(peer) }))
    const names = shownNames(
      said.map(({ peer, info: { name, described } }) => ({ peer, said: name, described })),
    )
    this.#shown = { names, infos, infosVersion: infos.version, version }
    return names
  }

  #info(peer: PeerId): MemberInfo {
    return this.#infos().of(peer) ?? blankInfo(peer)
  }
}
