// The heads of a volume's backups that lie in its tiers, as a member sees them: which count, which
// do not and why, and which were announced and are there no more. What is wrong is told of once.
// Never in order of names or of what a tier says alone.
import { LRUCache } from 'lru-cache'
import { covers } from '../../protocol/clock/vector-clock.ts'
import { headKey, newestFirst } from '../../protocol/cold/head.ts'
import type { BackupHead, HeadFacts, HeadKeys } from '../../protocol/cold/head.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { BackupHeadId, PeerId } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../protocol/limits.ts'
import { dotActor, dotSeq } from '../../protocol/clock/dot.ts'
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { announcedBackups, mayBackUp } from '../replica/backup-announcements.ts'
import type { AnnouncedBackup } from '../replica/backup-announcements.ts'
import type { Volume } from '../log/volume.ts'
import type { RecordSecurity, SecurityEventKind } from '../observe/security.ts'
import type { Clock } from '../world/world.ts'
import type { BackupObjects, StoredHead } from './backup-objects.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Heads remembered, that they need not be read again: those that count, and those that do not. */
const REMEMBERED_MAX = 4096
/** Read in one look; the others in the next ones. */
const READ_MAX = 64
/** Errors that mean a damaged head. */
const DAMAGED: readonly ErrorCode[] = [
  'corrupt',
  'malformed',
  'bad-signature',
  'unsupported',
  'cold-corrupt',
]
/** One that was announced just now may not be shown by its tier yet. */
const SHOWN_MS: number = 10 * MINUTE_MS
/**
 * The number of consecutive looks that are believed, where a tier shows objects only now and then.
 */
const LOOKS_SURE = 3

/** A head that counts. */
export interface SeenHead {
  readonly id: BackupHeadId
  readonly head: HeadFacts
}

export interface Look {
  /** Newest first. */
  readonly heads: readonly SeenHead[]
  /** All objects that have the name of one. */
  readonly stored: readonly StoredHead[]
  /** Is one gone that was announced, and none there that came after it? */
  readonly isLost: boolean
  /** Is there anything that only another look can tell? */
  readonly isUnsure: boolean
}

export interface LookOptions {
  /** Heads read. */
  readonly readMax: number
  /** After how many looks what is damaged or missing is believed to be so. */
  readonly looksSure: number
}

export interface BackupHeadsParts {
  readonly volume: Volume
  readonly clock: Pick<Clock, 'wall'>
  readonly log: WriteLog
  readonly security?: RecordSecurity | undefined
}

export class BackupHeads {
  readonly #parts: BackupHeadsParts
  readonly #read = new LRUCache<BackupHeadId, HeadFacts | ShoalError>({ max: REMEMBERED_MAX })
  readonly #told = new LRUCache<string, true>({ max: REMEMBERED_MAX })
  /** By tier: of heads that are damaged or missing, in how many looks they were. */
  readonly #doubts = new Map<string, ReadonlyMap<string, number>>()

  constructor(parts: BackupHeadsParts) {
    this.#parts = parts
  }

  /** The keys to open and to seal heads. throws ShoalError 'EACCES' at a keeper. */
  keys(): HeadKeys {
    const { membership, identity } = this.#parts.volume
    const [first] = membership.allSecrets()
    if (first === undefined)
      throw new ShoalError('EACCES', 'this node has no key of the volume, and cannot make backups')
    return { secret: first[1], seed: identity.seed }
  }

  /** sinceMs: what was announced before is of another place. throws ShoalError 'cold-*'. */
  async look(
    objects: BackupObjects,
    sinceMs: WallTime,
    { readMax, looksSure }: LookOptions = { readMax: READ_MAX, looksSure: LOOKS_SURE },
  ): Promise<Look> {
    const { name: tier } = objects
    const stored = await objects.heads()
    const all = announcedBackups(this.#parts.volume, tier)
    const announced = all.filter(({ time }) => time >= sinceMs)
    const first = new Set(announced.map(({ head }) => head))
    const unread = stored
      .filter(({ id }) => !this.#read.has(id))
      .toSorted((a, b) => Number(first.has(b.id)) - Number(first.has(a.id)))
    const before = this.#doubts.get(tier)
    const doubts = new Map<string, number>()
    /** Is it so in this look, and was it in those before? */
    const isSure = (what: string): boolean => {
      const looks = (before?.get(what) ?? 0) + 1
      doubts.set(what, looks)
      return looks >= looksSure
    }
    for (const { id } of unread.slice(0, readMax)) {
      const damage = await this.#readOne(id, objects)
      if (damage !== undefined && isSure(`damaged ${id}`)) this.#refuse(tier, id, damage)
    }
    const heads = newestFirst(
      stored.flatMap(({ id }) => {
        const head = this.#read.get(id)
        if (head === undefined || head instanceof ShoalError) return []
        return this.#counts(tier, id, head) ? [{ id, head }] : []
      }),
    )
    // One that cannot be read now may be what came after it.
    const areRead = doubts.size === 0 && unread.length <= readMax
    const lost = announced.filter(
      (each) => this.#isGone(each, stored, heads) && (isSure(`lost ${each.head}`) || areRead),
    )
    for (const each of lost) this.#tellLost(tier, each)
    this.#doubts.set(tier, doubts)
    const isUnsure = [...doubts.values()].some((looks) => looks < looksSure)
    return { heads, stored, isLost: lost.length > 0, isUnsure }
  }

  /**
   * Reports that an author's backup contradicts this node, or that a part of it is missing or
   * altered.
   */
  tell(finding: 'wrong' | 'damaged', tier: string, id: BackupHeadId, { author }: HeadFacts): void {
    if (finding === 'wrong')
      this.#tell('backup-false', tier, id, 'contradicts the state of this node', author)
    else this.#tell('backup-refused', tier, id, 'names what is missing or damaged')
  }

  /** Whether a head counts: not if its author lost the right to write meanwhile. */
  #counts(tier: string, id: BackupHeadId, head: HeadFacts): boolean {
    const { volume, clock } = this.#parts
    const aheadMs = head.time - clock.wall()
    const why =
      head.tier !== tier
        ? `was made for cold tier ${head.tier}`
        : aheadMs > CLOCK_AHEAD_MS
          ? 'is dated in the future'
          : mayBackUp(volume, head.author)
            ? undefined
            : 'was made by somebody who may not write'
    if (why === undefined || !enforces('backup-head-signed')) return true
    this.#tell('backup-refused', tier, id, why, head.author)
    return false
  }

  /**
   * returns what is wrong with it, if that is not sure to stay so. throws ShoalError where the tier
   * fails.
   */
  async #readOne(id: BackupHeadId, objects: BackupObjects): Promise<ShoalError | undefined> {
    try {
      const { author, time, number, before, vector, tier } = await objects.readHead(id, this.keys())
      this.#read.set(id, { author, time, number, before, vector, tier })
      return undefined
    } catch (thrown) {
      const error = asShoalError(thrown)
      // Made before this member came: for others.
      if (error.code === 'EACCES') this.#read.set(id, error)
      else if (DAMAGED.includes(error.code)) return error
      else if (error.code !== 'cold-missing') throw error
      return undefined
    }
  }

  #refuse(tier: string, id: BackupHeadId, error: ShoalError): void {
    this.#read.set(id, error)
    this.#tell('backup-refused', tier, id, error.message)
  }

  /**
   * Nobody but its members is to remove a head, and they only once there is one that was made in
   * view of it.
   */
  #isGone(
    { head: id, number, dot, time }: AnnouncedBackup,
    stored: readonly StoredHead[],
    heads: readonly SeenHead[],
  ): boolean {
    if (this.#parts.clock.wall() - time < SHOWN_MS) return false
    if (stored.some((one) => one.id === id)) return false
    // Its author may have seen it in the tier, and not have heard of it in the log.
    const cameAfter = (head: HeadFacts): boolean =>
      head.number > number || covers(head.vector, dotActor(dot), dotSeq(dot))
    return !heads.some(({ head }) => cameAfter(head))
  }

  #tellLost(tier: string, { head, number, peer }: AnnouncedBackup): void {
    const name = this.#parts.volume.membership.nameOf(peer)
    const what =
      `number ${number} of ${name} is gone, and there is no later one: it was removed, ` +
      'or the tier was rolled back; it is uploaded again'
    this.#tell('backup-lost', tier, head, what, peer)
  }

  #tell(kind: SecurityEventKind, tier: string, id: BackupHeadId, why: string, peer?: PeerId): void {
    const { volume, log, security } = this.#parts
    const known = `${kind} ${id} ${why}`
    if (this.#told.has(known)) return
    this.#told.set(known, true)
    const key = headKey(volume.id, id)
    log('cold.head-refused', { tier, key, kind, why })
    const of = peer === undefined ? {} : { peer }
    const message = `cold tier ${tier}: ${key} ${why}`
    security?.({ kind, volume: volume.id, ...of, message })
  }
}

/** All of it, for who builds upon it. */
export interface WholeHead {
  readonly id: BackupHeadId
  readonly head: BackupHead
}
