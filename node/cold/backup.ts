// Keeps the namespace of a volume in its tiers: the newest checkpoint and the log after it
// (protocol/cold/backup.ts). The first writer that is online does it, and those after it when it
// does not. Always true:
//   a head is put when all that it names was put and read back, and announced in the log then
//   a head counts here if this node made it, or has compared all that it names with what it holds
//     itself
//   what no head of the last hour needs goes: so a writer that builds on the same head as another
//     finds all it counts on
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { logPrefix, nodesPrefix } from '../../protocol/cold/backup.ts'
import { sealHead } from '../../protocol/cold/head.ts'
import type { BackupHead } from '../../protocol/cold/head.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { BackupHeadId, PeerId, VolumeId } from '../../protocol/ids.ts'
import { BACKUP_NUMBER_MAX } from '../../protocol/limits.ts'
import { mayAdminister, mayGiveUp } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { VolumeTiers } from '../volume/volume-tiers.ts'
import { announcedBackups } from '../replica/backup-announcements.ts'
import type { Volume } from '../log/volume.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Network, World } from '../world/world.ts'
import { compareHead, isRightPart, snapshotOf } from './backup-compare.ts'
import type { Snapshot } from './backup-compare.ts'
import { BackupHeads } from './backup-heads.ts'
import type { Look, SeenHead, WholeHead } from './backup-heads.ts'
import { putGoverning, putLog } from './backup-log.ts'
import { putNodes } from './backup-nodes.ts'
import { BackupObjects } from './backup-objects.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Unneeded objects stay this long; a node takes over after as long for each one before it. */
const KEPT_MS: number = HOUR_MS

export interface BackupComponents {
  readonly world: Pick<World, 'clock' | 'random'> & { readonly network: Pick<Network, 'self'> }
  readonly hosted: {
    readonly volume: Volume
    readonly tiers: Pick<VolumeTiers, 'agreed' | 'agreedMs' | 'open'>
  }
  readonly isOnline: (peer: PeerId) => boolean
  readonly log: WriteLog
  readonly security?: RecordSecurity | undefined
}

/** Tiers are looked at this often even if nothing is written, lest somebody took a backup away. */
const LOOK_MS: number = DAY_MS

const NOTHING: VersionVector = new Map()

/** The head that the next one goes on from. */
interface Base extends WholeHead {
  /** This node made it, or has compared all that it names with what it holds. */
  readonly isRight: boolean
}

/** The known facts about a tier. */
interface Known {
  /** A head there is known to tell this. */
  vector: VersionVector
  /** Heads of others that were compared. */
  readonly right: Set<BackupHeadId>
  lookedMs: number
  /**
   * Authors of heads that go beyond the log here, and that cannot be told to be right: since when.
   */
  readonly aheadMs: Map<PeerId, number>
}

export class Backup {
  readonly #c: BackupComponents
  readonly #heads: BackupHeads
  readonly #startedMs: number
  readonly #known = new Map<string, Known>()
  readonly #failures = new Map<string, ShoalError>()
  /** One at a time. */
  readonly #queue = new SerialQueue()

  constructor(components: BackupComponents) {
    this.#c = components
    const { hosted, world, log, security } = components
    const { volume } = hosted
    this.#heads = new BackupHeads({ volume, clock: world.clock, log, security })
    this.#startedMs = world.clock.wall()
  }

  /** Why the last backup in the background failed; undefined if it did not. */
  failureOf(tier: string): ShoalError | undefined {
    return this.#failures.get(tier)
  }

  /**
   * Back up into each tier if it is this node's turn. returns in how many ms it may be; undefined:
   * when there is news.
   */
  async run(signal: AbortSignal): Promise<number | undefined> {
    const { world, hosted, log } = this.#c
    const place = this.#place()
    if (place === undefined) return undefined
    let later: number | undefined
    for (const tier of hosted.tiers.agreed()) {
      if (world.random.unlucky('cold.backup-later')) {
        later = Math.min(later ?? MINUTE_MS, MINUTE_MS)
        continue
      }
      try {
        const waitMs = await this.#queue.run(() => this.#save(tier, place * KEPT_MS, signal))
        if (waitMs > 0) later = Math.min(later ?? waitMs, waitMs)
        this.#failures.delete(tier)
      } catch (error) {
        signal.throwIfAborted()
        const failure = asShoalError(error)
        this.#failures.set(tier, failure)
        const { code, message } = failure
        log('cold.namespace-failed', { tier, code, message })
      }
    }
    return later
  }

  /** Back up now, whosever turn it is. throws ShoalError 'cold-*'. */
  async save(tier: string, signal: AbortSignal): Promise<void> {
    await this.#c.hosted.volume.commit()
    await this.#queue.run(() => this.#save(tier, undefined, signal))
  }

  /** Among the writers that are online. */
  #place(): number | undefined {
    const { hosted, world, isOnline } = this.#c
    const { self } = world.network
    const there = hosted.volume.membership
      .nodes()
      .filter(({ peer, role }) => mayGiveUp(role) && (peer === self || isOnline(peer)))
    const place = there.findIndex(({ peer }) => peer === self)
    return place < 0 ? undefined : place
  }

  /** waitMs: leave to others what is newer; undefined: to nobody. returns how long to wait. */
  async #save(name: string, waitMs: number | undefined, signal: AbortSignal): Promise<number> {
    const { world, hosted } = this.#c
    const { volume, tiers } = hosted
    const now = snapshotOf(volume)
    const known = this.#knownOf(name)
    const nowMs = world.clock.wall()
    if (!this.#hasNews(known.vector, now.vector) && nowMs - known.lookedMs < LOOK_MS) return 0
    const objects = new BackupObjects({ tier: tiers.open(name), name, volume: volume.id }, signal)
    const look = await this.#heads.look(objects, tiers.agreedMs(name))
    known.lookedMs = look.isUnsure ? -Infinity : nowMs
    const restMs = waitMs === undefined ? 0 : this.#restMs(look, known, waitMs)
    if (restMs > 0) return restMs
    const { base, ahead } = await this.#examine(objects, look, now, known, signal)
    if (!look.isLost) {
      if (base?.isRight === true && !this.#hasNews(base.head.vector, now.vector)) {
        known.vector = now.vector
        await this.#announce(name, base)
        return 0
      }
      const comesMs = waitMs === undefined ? 0 : this.#comesInMs(ahead, known)
      if (comesMs > 0) return comesMs
    }
    await this.#put(objects, look, base, now, signal)
    known.vector = now.vector
    return 0
  }

  #knownOf(tier: string): Known {
    const known: Known = this.#known.get(tier) ?? {
      vector: new Map(),
      right: new Set(),
      lookedMs: -Infinity,
      aheadMs: new Map(),
    }
    this.#known.set(tier, known)
    return known
  }

  /**
   * How long others have to put what is new, who come before this node: counted from the last head
   * that surely tells what it should, so that one who puts others does not keep this node waiting.
   */
  #restMs({ heads }: Look, known: Known, waitMs: number): number {
    if (waitMs === 0 || heads.length === 0) return 0
    const last = heads.find((each) => this.#isRight(each, known))
    return Math.max(last?.head.time ?? 0, this.#startedMs) + waitMs - this.#c.world.clock.wall()
  }

  /**
   * The time until another's entries arrive here, or until it counts as gone. Nobody keeps this
   * node waiting twice.
   */
  #comesInMs(ahead: readonly SeenHead[], known: Known): number {
    const nowMs = this.#c.world.clock.wall()
    const waits = ahead.map(({ head }) => {
      const sinceMs = known.aheadMs.get(head.author) ?? nowMs
      known.aheadMs.set(head.author, sinceMs)
      return sinceMs + KEPT_MS - nowMs
    })
    return Math.max(0, ...waits)
  }

  #isRight({ id, head }: SeenHead, { right }: Known): boolean {
    return head.author === this.#c.world.network.self || right.has(id)
  }

  /** Is there anything between them but words of backups, which would never end? */
  #hasNews(from: VersionVector, to: VersionVector): boolean {
    if (dominates(from, to)) return false
    const { entries, replica } = this.#c.hosted.volume
    if (!entries.canComplete(from)) return true
    for (const { entry } of entries.between(from, to)) {
      const reading = replica.read(entry)
      if (reading.kind !== 'ops' || reading.ops.some((op) => op?.kind !== 'backup')) return true
    }
    return false
  }

  /**
   * The newest head that is right, else one of which that cannot be told; and those before it that
   * tell of more than this node has.
   */
  async #examine(
    objects: BackupObjects,
    { heads, stored }: Look,
    now: Snapshot,
    known: Known,
    signal: AbortSignal,
  ): Promise<{ readonly base: Base | undefined; readonly ahead: readonly SeenHead[] }> {
    const { world, hosted } = this.#c
    const parts = { objects, volume: hosted.volume, world, signal }
    const there = new Set(stored.map(({ id }) => id))
    for (const id of known.right) if (!there.has(id)) known.right.delete(id)
    const keys = this.#heads.keys()
    const last = heads.find((each) => this.#isRight(each, known))
    const before = last && (await readIfThere(objects, last.id, keys))
    const ahead: SeenHead[] = []
    let unknown: Base | undefined
    for (const seen of heads) {
      const { id } = seen
      const head = seen === last ? before : await readIfThere(objects, id, keys)
      if (head === undefined) continue
      const isKnown = this.#isRight(seen, known) || !enforces('backup-head-true')
      const finding = isKnown ? 'right' : await compareHead(parts, head, now, before)
      if (finding === 'wrong' || finding === 'damaged') {
        this.#heads.tell(finding, objects.name, id, head)
        continue
      }
      if (!dominates(now.vector, head.vector)) ahead.push(seen)
      if (finding === 'right') {
        known.right.add(id)
        known.aheadMs.delete(head.author)
        return { base: { id, head, isRight: true }, ahead }
      }
      unknown ??= { id, head, isRight: false }
    }
    return { base: unknown, ahead }
  }

  async #put(
    objects: BackupObjects,
    { stored, heads }: Look,
    base: Base | undefined,
    now: Snapshot,
    signal: AbortSignal,
  ): Promise<void> {
    const { world, hosted } = this.#c
    const { volume } = hosted
    const there = new Map([
      ...(await objects.list(nodesPrefix(volume.id))),
      ...(await objects.list(logPrefix(volume.id))),
    ])
    const usable = base && isWhole(base.head, volume.id, there) ? base.head : undefined
    const parts = { objects, volume, world, signal }
    const isKnown = base?.isRight === true
    const nodes = await putNodes(parts, now.checkpoint, {
      parts: usable?.nodes ?? [],
      isRight: async (part) => isKnown || isRightPart(parts, part),
    })
    const span = { start: now.checkpoint?.vector ?? NOTHING, vector: now.vector }
    const before = isKnown ? usable : undefined
    const log = await putLog(parts, span, before)
    const governing = await putGoverning(parts, before)
    const content = {
      genesis: volume.genesisBytes,
      tier: objects.name,
      time: Math.max(world.clock.wall(), (base?.head.time ?? 0) + 1) as WallTime,
      number: this.#numberAfter(objects.name, base, heads),
      before: base?.id,
      vector: now.vector,
      checkpoint: now.message,
      nodes,
      ...governing,
      ...log,
    }
    const readers = volume.membership
      .members()
      .filter(({ role }) => mayGiveUp(role) || mayAdminister(role))
      .map(({ peer }) => peer)
    const author = volume.identity
    const { secret } = this.#heads.keys()
    const random = (length: number): Uint8Array => world.random.bytes(length)
    const bytes = sealHead(volume.id, content, { author, secret }, readers, random)
    const id = await objects.putHead(bytes)
    const head = { ...content, author: author.peer }
    await this.#announce(objects.name, { id, head })
    const needed = [{ id, head }, ...(base ? [base] : [])]
    const old = oldKeys(volume.id, { stored, there }, needed, world.clock.wall() - KEPT_MS)
    if (old.length > 0) await objects.tier.remove(old, { signal })
  }

  /** One more than all that are there, and than what this node put before. */
  #numberAfter(tier: string, base: WholeHead | undefined, heads: readonly SeenHead[]): number {
    const { volume } = this.#c.hosted
    const own = announcedBackups(volume, tier).filter(({ peer }) => peer === volume.identity.peer)
    const numbers = [base?.head.number ?? 0, ...own.map(({ number }) => number)]
    // Without one to go on from: what is there, though it cannot be told to be right.
    if (base === undefined) numbers.push(...heads.map(({ head }) => head.number))
    return Math.min(Math.max(...numbers) + 1, BACKUP_NUMBER_MAX)
  }

  /** Tell the members of a head of this node's, once. */
  async #announce(tier: string, { id, head }: WholeHead): Promise<void> {
    const { volume } = this.#c.hosted
    const { peer } = volume.identity
    const isMine = head.author === peer
    const isSaid = announcedBackups(volume, tier).some((each) => each.head === id)
    if (!isMine || isSaid) return
    volume.submit({ kind: 'backup', peer, tier, number: head.number, head: id })
    await volume.commit()
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

/**
 * The keys of unneeded objects that were put before a time: heads, whoever made them, and parts
 * that none of the needed heads names. The newest before the last stays as well: should that be
 * damaged one day, there is this.
 */
function oldKeys(
  volume: VolumeId,
  { stored, there }: { stored: Look['stored']; there: ReadonlyMap<string, WallTime> },
  needed: readonly WholeHead[],
  beforeMs: number,
): string[] {
  const kept = new Set(needed.flatMap(({ head }) => [...keysOf(head, volume)]))
  const parts = [...there].filter(([key, time]) => time < beforeMs && !kept.has(key))
  const heads = stored.filter(
    ({ id, modifiedMs }) => modifiedMs < beforeMs && !needed.some((each) => each.id === id),
  )
  return [...heads.map(({ key }) => key), ...parts.map(([key]) => key)]
}

/** undefined: it went, or was damaged, since it was looked at. */
async function readIfThere(
  objects: BackupObjects,
  id: BackupHeadId,
  keys: ReturnType<BackupHeads['keys']>,
): Promise<BackupHead | undefined> {
  try {
    return await objects.readHead(id, keys)
  } catch (error) {
    if (hasCode(error, 'cold-missing') || hasCode(error, 'corrupt')) return undefined
    throw error
  }
}
