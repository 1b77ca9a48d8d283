// The volumes at work on this node, by path: which volume a path lies in, made if it is the first
// and about to be written to.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Ticket } from '../../protocol/membership/ticket.ts'
import { MIB } from '../../protocol/units.ts'
import { CHUNK_CACHE_BYTES, chunkCache } from '../content/decoded-cache.ts'
import type { ChunkCache } from '../content/decoded-cache.ts'
import { DIRTY_BYTES_ALL, DirtyBudget } from '../content/dirty-budget.ts'
import { ReadAheadBudget } from '../content/read-ahead.ts'
import { LockProtocol, StrongProtocol } from '../consensus/voter-protocol.ts'
import type { Swarm } from '../sync/swarm.ts'
import type { Volume } from '../log/volume.ts'
import type { LeftVolume } from '../log/left-volumes.ts'
import type { NamedVolume, Volumes } from '../log/volumes.ts'
import type { Joining } from '../peers/join.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Asked } from '../peers/shard-protocol-server.ts'
import type { Store } from '../store/store.ts'
import { Budget } from '../world/budget.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { World } from '../world/world.ts'
import { HostedVolume } from './hosted-volume.ts'
import type { PeersKnown } from './hosted-volume.ts'
import { parsePath } from './paths.ts'
import type { Tracer } from '../traces/span.ts'
import type { WriteLog } from '../observe/log-events.ts'

const FIRST_VOLUME = 'main'
/** For stripes of others that are looked through. */
const LOOKING_BYTES_PER_SECOND: number = 32 * MIB

export interface HostedVolumesComponents {
  readonly world: World
  readonly store: Store
  readonly swarm: Swarm
  readonly volumes: Volumes
  readonly joining: Joining
  readonly peers: PeersKnown
  readonly security?: RecordSecurity | undefined
  readonly log: WriteLog
  readonly tracer?: Tracer | undefined
}

/** A place in a hosted volume. */
export interface HostedPath {
  readonly hosted: HostedVolume
  readonly parts: readonly string[]
}

export class HostedVolumes {
  readonly #c: HostedVolumesComponents
  readonly #hosted = new Map<VolumeId, HostedVolume>()
  readonly #listeners = new Set<(hosted: HostedVolume) => void>()
  readonly #releasing = new Set<(hosted: HostedVolume) => Promise<void>>()
  readonly #strong: StrongProtocol
  readonly #lock: LockProtocol
  readonly #cache: ChunkCache = chunkCache(CHUNK_CACHE_BYTES)
  /** Half of it, so that what is read ahead is still there when it is read. */
  readonly #ahead: ReadAheadBudget = new ReadAheadBudget(CHUNK_CACHE_BYTES / 2)
  readonly #dirty: DirtyBudget = new DirtyBudget(DIRTY_BYTES_ALL)
  readonly #looking: Budget
  #creatingFirst: Promise<NamedVolume> | undefined

  constructor(components: HostedVolumesComponents) {
    this.#c = components
    this.#looking = new Budget(components.world.clock, { bytesPerSecond: LOOKING_BYTES_PER_SECOND })
    this.#strong = new StrongProtocol({
      world: components.world,
      answer: (volume, from, request) => this.#hosted.get(volume)?.answer(from, request),
    })
    this.#lock = new LockProtocol({
      world: components.world,
      answer: (volume, from, request) => this.#hosted.get(volume)?.answerLock(from, request),
    })
  }

  /** Host every volume of the node. They work from start() on. */
  async open(): Promise<void> {
    for (const { volume } of this.#c.volumes.all()) await this.host(volume)
    await this.#strong.start()
    await this.#lock.start()
  }

  start(): void {
    for (const hosted of this.#hosted.values()) hosted.start()
  }

  /** Stop all; each is tried, the first failure is thrown at the end. */
  async stop(): Promise<void> {
    const ended = await Promise.allSettled(
      [...this.#hosted.values()].map((hosted) => hosted.stop()),
    )
    this.#strong.stop()
    this.#lock.stop()
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }

  /** Plain chunks in memory for readers. */
  get chunkBytes(): number {
    return this.#cache.size
  }

  /** Written, in memory, and not yet stored. */
  get unsavedBytes(): number {
    return this.#dirty.bytes
  }

  all(): Iterable<HostedVolume> {
    return this.#hosted.values()
  }

  get(volume: VolumeId): HostedVolume | undefined {
    return this.#hosted.get(volume)
  }

  /** Does a stripe, or a chunk, lie in another volume of this node, and not in this one? */
  isForeign(volume: VolumeId, what: Asked): boolean {
    const isIn = ({ volume: { stripes } }: HostedVolume): boolean =>
      'stripe' in what ? stripes.has(what.stripe) : stripes.locations(what.chunk).length > 0
    const named = this.#hosted.get(volume)
    if (this.#hosted.size < 2 || (named !== undefined && isIn(named))) return false
    return [...this.#hosted.values()].some(isIn)
  }

  /** Host a volume, once. */
  async host(volume: Volume): Promise<HostedVolume> {
    const known = this.#hosted.get(volume.id)
    if (known !== undefined) return known
    const hosted = await this.#make(volume)
    this.#hosted.set(volume.id, hosted)
    for (const listener of this.#listeners) listener(hosted)
    return hosted
  }

  /** With the name of the volume where there are several. */
  #shownPath({ id }: Volume, path: string): string {
    const all = this.#c.volumes.all()
    const name = all.find(({ volume }) => volume.id === id)?.name
    return all.length < 2 || name === undefined ? path : `${name}:${path}`
  }

  #make(volume: Volume): Promise<HostedVolume> {
    const { world, store, swarm, peers, log, tracer, security } = this.#c
    return HostedVolume.open({
      world,
      store,
      swarm,
      volume,
      shownPath: (path) => this.#shownPath(volume, path),
      strong: this.#strong,
      lock: this.#lock,
      peers,
      cache: this.#cache,
      ahead: this.#ahead,
      dirty: this.#dirty,
      looking: this.#looking,
      security,
      log,
      tracer,
    })
  }

  /** Tells of each volume that is hosted from now on. */
  onHosted(listener: (hosted: HostedVolume) => void): void {
    this.#listeners.add(listener)
  }

  /** Awaited with each volume that is given up, before it stops. */
  onReleased(listener: (hosted: HostedVolume) => Promise<void>): void {
    this.#releasing.add(listener)
  }

  /** throws ShoalError 'stopped' for a volume that is not hosted (yet). */
  of({ volume, name }: NamedVolume): HostedVolume {
    const hosted = this.#hosted.get(volume.id)
    if (hosted === undefined) {
      throw new ShoalError('stopped', `volume ${name} is still starting; try again`)
    }
    return hosted
  }

  /** The name of a volume on this node, as it is by now. */
  nameOf({ volume }: HostedVolume): string {
    return this.#c.volumes.find(volume.id).name
  }

  /** Make a volume and host it. throws 'EEXIST', 'usage'. */
  async create(name: string, chunk?: string, hash?: string): Promise<NamedVolume> {
    return this.#begin(await this.#c.volumes.create(name, chunk, hash))
  }

  /** As Volumes has it. */
  async recover(...how: Parameters<Volumes['recover']>): Promise<NamedVolume> {
    return this.#begin(await this.#c.volumes.recover(...how))
  }

  /**
   * Leave a volume: from the first write on it is one that was left, whatever happens; resolves
   * when nothing of it goes on any more. throws 'no-such-volume'.
   */
  async leave(named: NamedVolume): Promise<LeftVolume> {
    const { volumes, swarm } = this.#c
    const hosted = this.of(named)
    const { volume } = named
    const left = await volumes.leave(volume.id)
    this.#hosted.delete(volume.id)
    await swarm.removeVolume(volume)
    for (const release of this.#releasing) await release(hosted)
    await hosted.stop()
    await volume.close()
    return left
  }

  /** As Volumes has it. */
  async rejoin(nameOrId: string): Promise<NamedVolume> {
    return this.#begin(await this.#c.volumes.rejoin(nameOrId))
  }

  /**
   * As Volumes has it: what was filled is at work while `use` looks at it, but tells nobody
   * anything.
   */
  rehearse<Result>(
    genesis: Uint8Array,
    as: Identity,
    {
      fill,
      use,
    }: {
      fill: (volume: Volume) => Promise<void>
      use: (hosted: HostedVolume) => Promise<Result>
    },
  ): Promise<Result> {
    return this.#c.volumes.rehearse(genesis, as, async (volume) => {
      await fill(volume)
      const hosted = await this.#make(volume)
      try {
        return await use(hosted)
      } finally {
        await hosted.stop()
      }
    })
  }

  /** Host a volume that needs nothing of others first. */
  async #begin(named: NamedVolume): Promise<NamedVolume> {
    const hosted = await this.host(named.volume)
    this.#c.swarm.addVolume(named.volume)
    hosted.start()
    return named
  }

  /**
   * Become a member of a ticket's volume; returns once its log is held here. throws 'ticket-*',
   * 'unreachable'.
   */
  async join(ticket: Ticket, signal: AbortSignal | undefined): Promise<NamedVolume> {
    const { swarm, volumes, joining } = this.#c
    const asked = ticket.addresses.map(
      (address) => address.slice(address.lastIndexOf('/') + 1) as PeerId,
    )
    return swarm.askedOf(asked, async () => {
      const { reply, from } = await joining.ask(ticket, signal)
      const adopted = await volumes.adopt(reply, ticket.role)
      const hosted = await this.host(adopted.volume)
      await this.#syncFirst(adopted.volume, from)
      await this.#introduce(adopted.volume)
      swarm.addVolume(adopted.volume)
      hosted.start()
      swarm.syncSoon(adopted.volume, from)
      return adopted
    })
  }

  /**
   * Says who this node is, at once or when the log tells that it is a member; and for a while again
   * where others turn out to have said the same name.
   */
  async #introduce(volume: Volume): Promise<void> {
    const { introductions } = this.#c.volumes
    const say = async (): Promise<boolean> =>
      (await introductions.describeSelf(volume)) && introductions.isSettled(volume)
    if (await say()) return
    const unlisten = volume.events.members.add(() => {
      const said = say().then((isDone) => isDone && unlisten())
      void ignoreFailure(said, 'it is said at the next start of the node')
    })
  }

  /**
   * Get the log, or what is left of it, and a checkpoint. A member between two checkpoints has none
   * to give, and will have one soon.
   */
  async #syncFirst(volume: Volume, from: PeerId): Promise<void> {
    const refused = (cause?: unknown): ShoalError => {
      const message = `${from} has no checkpoint for this node now; join again with the same ticket`
      return new ShoalError('unreachable', message, { cause })
    }
    try {
      await this.#c.swarm.sync(volume, from)
    } catch (cause) {
      throw hasCode(cause, 'unsupported') ? refused(cause) : cause
    }
    // Its refusal may come before the end of the exchange. Who knows no member asks nobody again.
    if (volume.membership.member(from) === undefined) throw refused()
  }

  /**
   * By name or id; the default without one, which a node that has no volume makes. throws
   * 'no-such-volume'.
   */
  async findOrCreate(volume: string | undefined): Promise<NamedVolume> {
    const { volumes } = this.#c
    if (volume !== undefined || volumes.all().length > 0) return volumes.find(volume)
    this.#creatingFirst ??= this.create(FIRST_VOLUME).finally(
      () => (this.#creatingFirst = undefined),
    )
    return this.#creatingFirst
  }

  /**
   * The volume and place of a path. throws 'usage', 'no-such-volume', 'EPERM' where this node may
   * not read.
   */
  at(path: string): HostedPath {
    const { volume, parts } = parsePath(path)
    const hosted = this.of(this.#c.volumes.find(volume))
    hosted.checkMayRead()
    return { hosted, parts }
  }

  /** The same for a change. throws 'EPERM' where this node may not write. */
  async atForWriting(path: string): Promise<HostedPath> {
    const { volume, parts } = parsePath(path)
    const hosted = this.of(await this.findOrCreate(volume))
    hosted.checkMayWrite()
    return { hosted, parts }
  }
}
