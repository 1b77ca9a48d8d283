// The volumes this node has: which there are, their local names, which is the default, and how they
// come to be, and go.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import {
  checkVolumeName,
  decodeGenesis,
  encodeGenesis,
  parseChunkSize,
  parseHashName,
  volumeIdOf,
} from '../../protocol/membership/genesis.ts'
import { sealEpochKey } from '../../protocol/membership/members.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { aRole, mayAdminister } from '../../protocol/roles.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { JoinReply } from '../../protocol/wire/join.ts'
import { SECRET_BYTES, grantRecoveryKey, removeMember } from './grants.ts'
import { Introductions } from './introductions.ts'
import type { SelfDescription } from './introductions.ts'
import { StateView } from '../state/state-view.ts'
import { LeftVolumes } from './left-volumes.ts'
import type { LeftVolume } from './left-volumes.ts'
import { Volume } from './volume.ts'
import { VolumeRecords, recordWrite } from './volume-records.ts'
import type { VolumeRecord } from './volume-records.ts'
import type { VolumeComponents } from './opened-parts.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

const DEFAULT_CHUNK = '256k'
const DEFAULT_HASH = 'blake3'

export interface NamedVolume {
  readonly name: string
  readonly volume: Volume
}

export class Volumes {
  readonly #c: VolumeComponents
  readonly introductions: Introductions
  /** Those that this node has left, and still keeps. */
  readonly left: LeftVolumes
  readonly #records: VolumeRecords
  /** In the order they were made or joined: the first is the default. */
  readonly #volumes: NamedVolume[] = []
  /** Volumes come to be one after the other: each needs a tag and a name that no other has. */
  readonly #making = new SerialQueue()

  private constructor(components: VolumeComponents, self: SelfDescription) {
    const { store, world, identity } = (this.#c = components)
    this.introductions = new Introductions(identity.peer, self)
    const records = (this.#records = new VolumeRecords(store, world.disk))
    const open = (of: VolumeRecord): Promise<Volume> => Volume.open(this.#c, of.genesis, of.tag)
    this.left = new LeftVolumes({ records, clock: world.clock, open })
  }

  /** isCopy: others may have written on with the incarnations that are stored here. */
  static async open(
    components: VolumeComponents,
    self: SelfDescription,
    { isCopy = false }: { readonly isCopy?: boolean } = {},
  ): Promise<Volumes> {
    const volumes = new Volumes(components, self)
    for (const record of await volumes.#records.all()) {
      const { genesis, name, tag, leaving } = record
      if (leaving !== undefined) {
        volumes.left.add({ ...record, leaving })
        continue
      }
      const volume = await Volume.open(components, genesis, tag)
      volumes.#volumes.push({ name, volume })
      if (isCopy) {
        volume.renewIncarnation()
        await volume.commit()
      }
      await volumes.describeSelf(volume)
    }
    await components.store.forgetWhole?.()
    return volumes
  }

  all(): readonly NamedVolume[] {
    return this.#volumes
  }

  get(id: VolumeId): Volume | undefined {
    return this.#volumes.find(({ volume }) => volume.id === id)?.volume
  }

  /** By name or id; the default without one. throws 'no-such-volume'. */
  find(nameOrId: string | undefined): NamedVolume {
    const found =
      nameOrId === undefined
        ? this.#volumes[0]
        : this.#volumes.find(({ name, volume }) => name === nameOrId || volume.id === nameOrId)
    if (found !== undefined) return found
    const known = this.#volumes.map(({ name }) => name).join(', ')
    throw new ShoalError(
      'no-such-volume',
      nameOrId === undefined
        ? 'this node has no volume yet; make one with shoal volume create main, or join one with shoal join TICKET'
        : `there is no volume "${nameOrId}" here; volumes here: ${known === '' ? 'none' : known}`,
    )
  }

  /** A new volume with this node as its admin. throws 'EEXIST', 'usage'. */
  create(
    name: string,
    chunk: string = DEFAULT_CHUNK,
    hash: string = DEFAULT_HASH,
  ): Promise<NamedVolume> {
    return this.#making.run(async () => {
      this.#checkNameFree(name)
      const { identity, world } = this.#c
      const genesis = encodeGenesis({
        creator: identity.peer,
        name,
        nonce: world.random.bytes(32),
        created: world.clock.wall(),
        chunk: parseChunkSize(chunk),
        hash: parseHashName(hash),
      })
      const volume = await this.#open(genesis, name, { isAnew: true })
      const secret = world.random.bytes(SECRET_BYTES)
      const sealed = sealEpochKey(identity.peer, 'admin', secret, world.random.bytes(32))
      volume.submit({
        kind: 'member',
        peer: identity.peer,
        role: 'admin',
        keys: [{ epoch: 1, sealed }],
      })
      this.introductions.introduce(volume)
      return this.#add(volume, name)
    })
  }

  /** Take up a volume this node was admitted to, in this role. Its log is still to be fetched. */
  adopt(reply: Extract<JoinReply, { kind: 'admitted' }>, role: Role): Promise<NamedVolume> {
    return this.#making.run(async () => {
      const id = volumeIdOf(reply.genesis)
      const left = this.left.get(id)
      if (left !== undefined) await this.#takeBack(left)
      const ownName = this.#freeName(decodeGenesis(reply.genesis).name, id)
      const known = this.get(id)
      const volume = known ?? (await this.#open(reply.genesis, ownName, { isAnew: true }))
      volume.membership.expectRole(role)
      for (const { epoch, sealed } of reply.keys) volume.membership.learnKey(epoch, sealed)
      if (known === undefined) return this.#add(volume, ownName)
      await volume.commit()
      return this.find(id)
    })
  }

  /**
   * Take up a volume that nobody is asked for: `fill` makes it whole as another identity, which
   * admits this node, and before that this node has nothing of it. throws what `fill` throws,
   * 'EEXIST' if it is here.
   */
  recover(
    genesis: Uint8Array,
    as: Identity,
    fill: (volume: Volume) => Promise<void>,
  ): Promise<NamedVolume> {
    return this.#making.run(async () => {
      const id = volumeIdOf(genesis)
      const { name: known } = this.left.get(id) ?? this.get(id)?.genesis ?? {}
      if (known !== undefined)
        throw new ShoalError(
          'EEXIST',
          `this node already has volume ${known}; see "shoal volume ls"`,
        )
      await this.#asAnother(genesis, as, fill, { isKept: true })
      const name = this.#freeName(decodeGenesis(genesis).name, id)
      const volume = await this.#open(genesis, name, { isAnew: false })
      this.introductions.introduce(volume)
      return this.#add(volume, name)
    })
  }

  /**
   * The same as a drill: `run` makes it whole and looks at it, and then this node has nothing of
   * it. throws what `run` throws.
   */
  rehearse<Result>(
    genesis: Uint8Array,
    as: Identity,
    run: (volume: Volume) => Promise<Result>,
  ): Promise<Result> {
    return this.#making.run(() => this.#asAnother(genesis, as, run, { isKept: false }))
  }

  /** Open a volume that is not here yet as another identity. */
  async #asAnother<Result>(
    genesis: Uint8Array,
    as: Identity,
    run: (volume: Volume) => Promise<Result>,
    { isKept }: { readonly isKept: boolean },
  ): Promise<Result> {
    const tag = await this.#records.freshTag()
    const view = new StateView(this.#c.store.kv, tag)
    // Remains of an earlier attempt that crashed.
    await view.clear()
    let isDone = false
    try {
      // It has no journal: after a crash before it is filled it begins anew.
      const { clock, random } = this.#c.world
      const components = { ...this.#c, world: { clock, random }, identity: as }
      const volume = await Volume.open(components, genesis, tag)
      try {
        const result = await run(volume)
        isDone = true
        return result
      } finally {
        await volume.close()
      }
    } finally {
      if (!isDone || !isKept) await view.clear()
    }
  }

  /** False too if there is no such volume here. */
  isMember(id: VolumeId, peer: PeerId, role: Role): boolean {
    return this.get(id)?.membership.member(peer)?.role === role
  }

  /**
   * Log that `peer` is a member, and answer with what it needs. throws 'EPERM' unless this node is
   * an admin.
   */
  async admit(
    id: VolumeId,
    peer: PeerId,
    role: Role,
  ): Promise<Extract<JoinReply, { kind: 'admitted' }>> {
    const { volume } = this.find(id)
    this.checkAdmin(volume)
    const keys = volume.membership.allSecrets().map(([epoch, secret]) => ({
      epoch,
      sealed: sealEpochKey(peer, role, secret, this.#c.world.random.bytes(32)),
    }))
    if (volume.membership.member(peer)?.role !== role) {
      volume.submit({ kind: 'member', peer, role, keys })
      await volume.commit()
    }
    return { kind: 'admitted', genesis: volume.genesisBytes, keys }
  }

  /**
   * A key by which a volume can be recovered from a tier, as a member of it. throws 'EPERM' unless
   * this node is an admin.
   */
  async makeRecoveryKey(volume: Volume): Promise<RecoveryKey> {
    this.checkAdmin(volume)
    return grantRecoveryKey(volume, this.#c.world)
  }

  /** throws 'EPERM', 'no-such-peer' unless this node may take this member away. */
  checkRemovable(volume: Volume, peer: PeerId): void {
    this.checkAdmin(volume)
    if (volume.membership.member(peer) === undefined) {
      throw new ShoalError(
        'no-such-peer',
        `${peer} is not a member of this volume; see "shoal peer ls"`,
      )
    }
    if (peer === this.#c.identity.peer)
      throw new ShoalError('EPERM', 'a node cannot remove itself; ask another admin')
  }

  /** Take a member's rights away and give those who remain a new key. throws as checkRemovable. */
  async remove(volume: Volume, peer: PeerId): Promise<void> {
    this.checkRemovable(volume, peer)
    await removeMember(volume, peer, this.#c.world)
  }

  /**
   * Give up the rights of this node itself, whatever its role is. The key stays as it is: one that
   * this node made would be no secret to it. throws as Volume.submit.
   */
  async resign(volume: Volume): Promise<void> {
    await volume.commit()
    volume.submit({ kind: 'remove-member', peer: this.#c.identity.peer })
    await volume.commit()
  }

  /** throws 'EPERM' unless this node is an admin of the volume. */
  checkAdmin(volume: Volume): void {
    const me = volume.membership.member(this.#c.identity.peer)
    if (me !== undefined && mayAdminister(me.role)) return
    const admins = volume.membership.members().filter(({ role }) => mayAdminister(role))
    const names = admins.map(({ name }) => name).join(', ') || 'none is known'
    const is = me === undefined ? 'a stranger' : aRole(me.role)
    const what = `only an admin of the volume may do this, and this node is ${is}; admins: ${names}`
    throw new ShoalError('EPERM', what)
  }

  /** As Introductions has it. */
  describeSelf(volume: Volume): Promise<boolean> {
    return this.introductions.describeSelf(volume)
  }

  /**
   * Calls a volume otherwise on this node; others call it as they do. throws 'EEXIST', 'usage',
   * 'no-such-volume'.
   */
  rename(nameOrId: string, name: string): Promise<NamedVolume> {
    return this.#making.run(async () => {
      const named = this.find(nameOrId)
      this.#checkNameFree(name)
      const { volume } = named
      await this.#records.put({ ...(await this.#records.of(volume.id)), name })
      const renamed = { name, volume }
      this.#volumes[this.#volumes.indexOf(named)] = renamed
      return renamed
    })
  }

  /**
   * This node has the volume no more, durably: it is kept as it is. Whoever has it open goes on,
   * and closes it. throws 'no-such-volume'.
   */
  leave(id: VolumeId): Promise<LeftVolume> {
    return this.#making.run(async () => {
      const named = this.find(id)
      await named.volume.commit()
      const record = await this.#records.of(id)
      const left = await this.left.leave(record)
      this.#volumes.splice(this.#volumes.indexOf(named), 1)
      return left
    })
  }

  /** A volume that was left is one of this node's again. throws as LeftVolumes.find(), 'EBUSY'. */
  rejoin(nameOrId: string): Promise<NamedVolume> {
    return this.#making.run(() => this.#takeBack(this.left.find(nameOrId)))
  }

  /** The removal of a volume that was left is so far, unless it has come back. */
  advance(...how: Parameters<LeftVolumes['advance']>): Promise<LeftVolume | undefined> {
    return this.#making.run(() => this.left.advance(...how))
  }

  /** Every volume is closed; the first failure is thrown at the end. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#volumes.map(({ volume }) => volume.close()))
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }

  /** Writes on as a new incarnation: the home may have been copied meanwhile. */
  async #takeBack(left: LeftVolume): Promise<NamedVolume> {
    const { id } = left
    const { name } = await this.left.take(left, this.#freeName(left.name, id))
    const volume = await this.left.open(left)
    volume.renewIncarnation()
    await volume.commit()
    const order = (await this.#records.all()).map((record) => record.id)
    this.#volumes.push({ name, volume })
    this.#volumes.sort((a, b) => order.indexOf(a.volume.id) - order.indexOf(b.volume.id))
    return this.find(id)
  }

  /**
   * A volume that is not here yet. Nothing of it is durable before its first commit. isAnew:
   * nothing of it was put under its tag before.
   */
  async #open(
    genesis: Uint8Array,
    name: string,
    { isAnew }: { readonly isAnew: boolean },
  ): Promise<Volume> {
    const tag = await this.#records.freshTag()
    // Whatever outlived a volume that had the tag.
    if (isAnew) await new StateView(this.#c.store.kv, tag).clear()
    const record = recordWrite({ tag, genesis, name, leaving: undefined })
    return Volume.open(this.#c, genesis, tag, [record])
  }

  async #add(volume: Volume, name: string): Promise<NamedVolume> {
    await volume.commit()
    const named = { name, volume }
    this.#volumes.push(named)
    return named
  }

  #freeName(name: string, id: VolumeId): string {
    const isTaken = this.#volumes.some((other) => other.name === name)
    return isTaken ? `${name}-${id.slice(0, 4)}` : name
  }

  #checkNameFree(name: string): void {
    checkVolumeName(name)
    if (this.#volumes.some((known) => known.name === name)) {
      throw new ShoalError('EEXIST', `volume "${name}" exists already; see "shoal volume ls"`)
    }
  }
}
