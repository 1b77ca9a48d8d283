// Keeps the namespace of a volume in its tiers: the newest checkpoint and the log after it (protocol/cold/backup.ts). The
// first writer that is online does it, and those after it when it does not. Always true:
//   a head is put when all that it names was put and read back
//   what no head of the last hour needs goes: so a writer that builds on the same head as another finds all it counts on
import { fromHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { logPrefix, nodesPrefix, sealHead } from '../../protocol/cold/backup.ts'
import type { BackupHead, BackupPart } from '../../protocol/cold/backup.ts'
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { encodeEntry } from '../../protocol/log/entry.ts'
import { mayAdminister, mayWrite } from '../../protocol/membership/roles.ts'
import { HOUR_MS, MIB } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { encodeCheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import type { VolumeTiers } from '../files/volume-tiers.ts'
import { readAnnouncement } from '../namespace/checkpoint.ts'
import type { Checkpoint } from '../namespace/checkpoint.ts'
import { Pace } from '../namespace/pace.ts'
import type { Volume } from '../namespace/volume.ts'
import type { Network, World } from '../world/world.ts'
import { BackupObjects } from './backup-objects.ts'
import { putNodes } from './backup-nodes.ts'
import type { StoredHead } from './backup-objects.ts'

/** A part of the log ends after so many bytes of entries. Until then it is written anew with each head. */
const LOG_PART_BYTES: number = MIB
/** What is not needed any more stays so long; a node takes over after as long for each one before it. */
const KEPT_MS: number = HOUR_MS

export interface BackupComponents {
  readonly world: Pick<World, 'clock' | 'random'> & { readonly network: Pick<Network, 'self'> }
  readonly hosted: {
    readonly volume: Volume
    readonly tiers: Pick<VolumeTiers, 'names' | 'open'>
  }
  readonly isOnline: (peer: PeerId) => boolean
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

/** What is backed up, as it was at one moment. */
interface Snapshot {
  readonly checkpoint: Checkpoint | undefined
  readonly message: Uint8Array | undefined
  readonly vector: VersionVector
}

interface Base extends StoredHead {
  readonly head: BackupHead
}

export class Backup {
  readonly #c: BackupComponents
  /** By tier what a head there is known to tell. */
  readonly #known = new Map<string, VersionVector>()
  readonly #failures = new Map<string, ShoalError>()
  /** One at a time. */
  #last: Promise<void> = Promise.resolve()

  constructor(components: BackupComponents) {
    this.#c = components
  }

  /** Why the last backup in the background failed; undefined if it did not. */
  failureOf(tier: string): ShoalError | undefined {
    return this.#failures.get(tier)
  }

  /** Back up into each tier if it is this node's turn. returns in how many ms it may be; undefined: when there is news. */
  async run(signal: AbortSignal): Promise<number | undefined> {
    const { hosted, log } = this.#c
    const place = this.#place()
    if (place === undefined) return undefined
    let later: number | undefined
    for (const tier of hosted.tiers.names()) {
      try {
        const waitMs = await this.#inTurn(() => this.#save(tier, place * KEPT_MS, signal))
        if (waitMs > 0) later = Math.min(later ?? waitMs, waitMs)
        this.#failures.delete(tier)
      } catch (error) {
        signal.throwIfAborted()
        const failure = asShoalError(error)
        this.#failures.set(tier, failure)
        const { code, message } = failure
        log('the namespace cannot be put into the cold tier now', { tier, code, message })
      }
    }
    return later
  }

  /** Back up now, whosever turn it is. throws ShoalError 'cold-*'. */
  async save(tier: string, signal: AbortSignal): Promise<void> {
    await this.#c.hosted.volume.commit()
    await this.#inTurn(() => this.#save(tier, 0, signal))
  }

  /** Among the writers that are online. */
  #place(): number | undefined {
    const { hosted, world, isOnline } = this.#c
    const { self } = world.network
    const there = hosted.volume.membership
      .nodes()
      .filter(({ peer, role }) => mayWrite(role) && (peer === self || isOnline(peer)))
    const place = there.findIndex(({ peer }) => peer === self)
    return place < 0 ? undefined : place
  }

  /** waitMs: leave to others what is newer. returns how long to wait. */
  async #save(name: string, waitMs: number, signal: AbortSignal): Promise<number> {
    const { world, hosted } = this.#c
    const { volume, tiers } = hosted
    const now = this.#snapshot()
    if (dominates(this.#known.get(name) ?? new Map(), now.vector)) return 0
    const objects = new BackupObjects(tiers.open(name), volume.id, signal)
    const stored = await objects.heads()
    const base = await this.#base(objects, stored)
    const ageMs = world.clock.wall() - (base?.time ?? 0)
    if (base !== undefined) {
      const isThere = dominates(base.head.vector, now.vector)
      // What another has written and is not here yet comes, or its writer has left.
      const isAhead = ageMs < KEPT_MS && !dominates(now.vector, base.head.vector)
      if (isThere) this.#known.set(name, now.vector)
      if (isThere || isAhead) return isThere ? 0 : KEPT_MS - ageMs
      if (ageMs < waitMs) return waitMs - ageMs
    }
    const there = new Map([
      ...(await objects.list(nodesPrefix(volume.id))),
      ...(await objects.list(logPrefix(volume.id))),
    ])
    const usable = base && isWhole(base.head, volume.id, there) ? base.head : undefined
    const head = await this.#put(objects, now, usable, name, signal)
    const readers = volume.membership
      .members()
      .filter(({ role }) => mayWrite(role) || mayAdminister(role))
      .map(({ peer }) => peer)
    const bytes = sealHead(volume.id, head, readers, (length) => world.random.bytes(length))
    const time = Math.max(world.clock.wall(), (stored[0]?.time ?? 0) + 1) as WallTime
    const key = await objects.putHead(time, bytes)
    this.#known.set(name, now.vector)
    await this.#removeOld(
      objects,
      { heads: stored, there, key },
      [head, ...(base ? [base.head] : [])],
      signal,
    )
    return 0
  }

  #snapshot(): Snapshot {
    const { volume } = this.#c.hosted
    const { checkpoint } = volume
    const { vector } = volume.durableClaim()
    const announcement = checkpoint && readAnnouncement(volume.view)
    if (checkpoint === undefined || announcement === undefined)
      return { checkpoint: undefined, message: undefined, vector }
    const attestations = volume.attestations.of(announcement.hash).map(({ bytes }) => bytes)
    const message = { kind: 'checkpoint', announcement, attestations } as const
    return { checkpoint, message: encodeCheckpointMessage(message), vector }
  }

  /** The newest head that can be read; none counts if none can. */
  async #base(objects: BackupObjects, stored: readonly StoredHead[]): Promise<Base | undefined> {
    const { hosted, log } = this.#c
    for (const each of stored) {
      try {
        return { ...each, head: await objects.readHead(each, hosted.volume.identity.seed) }
      } catch (error) {
        const { code, message } = asShoalError(error)
        if (
          code !== 'corrupt' &&
          code !== 'malformed' &&
          code !== 'EACCES' &&
          code !== 'cold-missing'
        )
          throw error
        log('a head of a backup cannot be read', { key: each.key, message })
      }
    }
    return undefined
  }

  async #put(
    objects: BackupObjects,
    now: Snapshot,
    base: BackupHead | undefined,
    tier: string,
    signal: AbortSignal,
  ): Promise<BackupHead> {
    const { world, hosted } = this.#c
    const { volume } = hosted
    const parts = { objects, volume, world, signal }
    const nodes = await putNodes(parts, now.checkpoint, base?.nodes ?? [])
    const log = await this.#putLog(objects, now, base, signal)
    const governing = await this.#putGoverning(objects, base)
    const { message: checkpoint, vector } = now
    const told = { genesis: volume.genesisBytes, tier, vector, checkpoint }
    return { ...told, nodes, ...governing, ...log }
  }

  /** Anew where any came, which is seldom: who has nothing else believes in nothing without them. */
  async #putGoverning(
    objects: BackupObjects,
    base: BackupHead | undefined,
  ): Promise<Pick<BackupHead, 'governing' | 'governed'>> {
    const { world, hosted } = this.#c
    const { governance } = hosted.volume.membership
    const governed = governance.headsIn(() => true)
    if (base?.governed.join() === governed.join()) return { governing: base.governing, governed }
    const governing: BackupPart[] = []
    let items: Uint8Array[] = []
    let bytes = 0
    for (const entry of governance.beyond([])) {
      const encoded = encodeEntry(entry)
      items.push(encoded)
      bytes += encoded.length
      if (bytes < LOG_PART_BYTES) continue
      governing.push(await objects.putPart(logPrefix(hosted.volume.id), items, world.random))
      items = []
      bytes = 0
    }
    governing.push(await objects.putPart(logPrefix(hosted.volume.id), items, world.random))
    return { governing, governed }
  }

  /** What is new of the log, with the last part there, which was not full. */
  async #putLog(
    objects: BackupObjects,
    { checkpoint, vector }: Snapshot,
    base: BackupHead | undefined,
    signal: AbortSignal,
  ): Promise<Pick<BackupHead, 'log' | 'full' | 'fullMark'>> {
    const { world, hosted } = this.#c
    const { volume } = hosted
    const start: VersionVector = checkpoint?.vector ?? new Map()
    // Of an older checkpoint it has what this one tells, and under a label may be another branch by now.
    const goesOn =
      base !== undefined &&
      dominates(base.full, start) &&
      dominates(vector, base.full) &&
      Buffer.compare(this.#markOf(base.full, start), base.fullMark) === 0
    const log: BackupPart[] = goesOn ? base.log.slice(0, -1) : []
    let full = goesOn ? base.full : start
    const upTo = new Map(full)
    let items: Uint8Array[] = []
    let bytes = 0
    const pace = new Pace(world.clock, signal)
    const flush = async (): Promise<void> => {
      log.push(await objects.putPart(logPrefix(volume.id), items, world.random))
      items = []
      bytes = 0
    }
    for (const { label, entry } of volume.entries.between(full, vector)) {
      if (bytes >= LOG_PART_BYTES) {
        await flush()
        full = new Map(upTo)
      }
      const encoded = encodeEntry(entry)
      items.push(encoded)
      bytes += encoded.length
      upTo.set(label, entry.header.seq)
      await pace.after(entry)
    }
    await flush()
    return { log, full, fullMark: this.#markOf(full, start) }
  }

  /** Tells the last entries that a vector names above another. */
  #markOf(vector: VersionVector, above: VersionVector): Uint8Array {
    const { entries } = this.#c.hosted.volume
    const labels = [...vector.keys()].sort()
    const last = labels
      .map((label) => [label, vector.get(label) ?? 0] as const)
      .filter(([label, seq]) => seq > (above.get(label) ?? 0))
    return blake3(
      encodeCbor(last.map(([label, seq]) => [fromHex(label), seq, entries.hash(label, seq) ?? ''])),
    )
  }

  async #removeOld(
    { tier }: BackupObjects,
    {
      heads,
      there,
      key,
    }: { heads: readonly StoredHead[]; there: ReadonlyMap<string, WallTime>; key: string },
    needed: readonly BackupHead[],
    signal: AbortSignal,
  ): Promise<void> {
    const { world, hosted } = this.#c
    const { id } = hosted.volume
    const before = world.clock.wall() - KEPT_MS
    const kept = new Set(needed.flatMap((head) => [...keysOf(head, id)]))
    const old = [...there].filter(([each, time]) => time < before && !kept.has(each))
    // The newest before this one stays as well: should this be damaged one day, there is that.
    const oldHeads = heads.slice(1).filter((head) => head.time < before && head.key !== key)
    const keys = [...oldHeads.map((head) => head.key), ...old.map(([each]) => each)]
    if (keys.length > 0) await tier.remove(keys, { signal })
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(run)
    this.#last = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }
}

function* keysOf(head: BackupHead, volume: VolumeId): Generator<string> {
  for (const { id } of head.nodes) yield nodesPrefix(volume) + id
  for (const { id } of [...head.log, ...head.governing]) yield logPrefix(volume) + id
}

/** Is all there that a head names? */
function isWhole(head: BackupHead, volume: VolumeId, there: ReadonlyMap<string, unknown>): boolean {
  for (const key of keysOf(head, volume)) if (!there.has(key)) return false
  return true
}
