// An entry that a volume of this node could not apply, though it is valid: the node ran short of
// something, or has a bug. It is never skipped, since whoever skips it has another state than the
// others. Invariants:
//   nothing half applied becomes durable: after a failure the volume writes nothing more until the
//     node starts anew from then on the entry is not taken, nor what depends on it; all else goes
//     on, here and in other volumes
//   it is tried again by another version of the program, after a day, and when the owner says so
// A failure that ends the process leaves no word of it. So a node that has ended thrice within
// minutes of its start is careful: it notes each entry before it takes it, and stops at one that
// ends it twice. No entry makes it end for ever.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { hexId, hexIdBytes, peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'
import type { StateView } from '../state/state-view.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** -> where the volume stopped. */
const STOPPED: ByteString = STATE_PREFIXES.stopped
/** -> entries that are being taken with care, or were when the node ended. */
const TAKING: ByteString = STATE_PREFIXES.taking
/** So often an entry ends the node before it is not taken any more. */
const CRASHES_MAX = 2
const RETRY_MS: number = 1 * DAY_MS
const REASON_MAX = 500

/** An entry, and whose it is. */
export interface Named {
  readonly entry: EntryHash
  readonly author: PeerId
}

/** The entry at which a volume stopped. */
export interface StoppedAt extends Named {
  readonly reason: string
  readonly sinceMs: WallTime
}

/** An entry that is about to be taken, and how often the node ended while it took it. */
interface Suspect extends Named {
  readonly actor: ActorId
  readonly seq: number
  readonly crashes: number
}

/** Is an entry in the log? */
type IsHeld = (actor: ActorId, seq: number, entry: EntryHash) => boolean

export interface StoppedEntryComponents {
  readonly view: StateView
  readonly store: Pick<Store, 'commit'>
  readonly clock: Pick<Clock, 'wall'>
  /** The version of the program. */
  readonly version: string
  /** This node has ended again and again. */
  readonly isCareful: boolean
}

export class StoppedEntry {
  readonly #c: StoppedEntryComponents
  #at: StoppedAt | undefined
  #isHalted = false
  #suspect: Suspect | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(components: StoppedEntryComponents) {
    this.#c = components
    const { view, version } = components
    const mark = view.get(STOPPED)
    const { at, by } = mark === undefined ? { at: undefined, by: '' } : decodeMark(mark)
    if (by === version) this.#at = at
  }

  /** The entry at which the volume stopped, if it has not continued. */
  get at(): StoppedAt | undefined {
    return this.#at !== undefined && this.holds(this.#at.entry) ? this.#at : undefined
  }

  /** Something was half applied: nothing is written until the node starts anew. */
  get isHalted(): boolean {
    return this.#isHalted
  }

  /** Entries are to be taken one by one, between before() and a commit. */
  get isCareful(): boolean {
    return this.#c.isCareful
  }

  /** Resolves when it is kept where the volume stopped. */
  get written(): Promise<void> {
    return this.#written
  }

  /** Is it the entry that the volume stopped at? */
  holds(entry: EntryHash): boolean {
    return this.#at?.entry === entry && this.#c.clock.wall() < this.#at.sinceMs + RETRY_MS
  }

  /** The volume has gone on past the entry. */
  passed(entry: EntryHash): void {
    if (this.#at?.entry !== entry) return
    this.#at = undefined
    this.#c.view.delete(STOPPED)
  }

  /**
   * An entry, or what this node writes itself, was half applied. What is not durable yet is
   * forgotten.
   */
  halt(at: Named | undefined, cause: unknown): void {
    this.#isHalted = true
    this.#c.view.forget()
    if (at === undefined) return
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    this.#stopAt({ ...at, reason })
  }

  /** Look at what the node was about to take when it ended. */
  examine(isHeld: IsHeld): void {
    const bytes = this.#c.view.get(TAKING)
    const [last, before] = bytes === undefined ? [] : decodeSuspects(bytes)
    if (last === undefined || isHeld(last.actor, last.seq, last.entry)) {
      this.#suspect = before
      return
    }
    const crashes = (before?.entry === last.entry ? before.crashes : last.crashes) + 1
    this.#suspect = { ...last, crashes }
    if (crashes < CRASHES_MAX || this.holds(last.entry)) return
    const reason = `this node ended ${crashes} times while it took it: it may need more memory`
    this.#stopAt({ entry: last.entry, author: last.author, reason })
  }

  /** Note durably that an entry is about to be taken. */
  async before({ hash: entry, header: { actor, seq } }: Entry, author: PeerId): Promise<void> {
    const suspect = this.#suspect
    const crashes = suspect?.entry === entry ? suspect.crashes : 0
    const suspects = [{ entry, author, actor, seq, crashes }, suspect]
    await this.#write(TAKING, encodeSuspects(suspects))
  }

  /** Try again. */
  async retry(): Promise<void> {
    this.#at = undefined
    this.#suspect = undefined
    const { store, view } = this.#c
    await store.commit([view.deletion(STOPPED), view.deletion(TAKING)])
  }

  #stopAt(at: Omit<StoppedAt, 'sinceMs'>): void {
    this.#at = { ...at, reason: at.reason.slice(0, REASON_MAX), sinceMs: this.#c.clock.wall() }
    // If it cannot be kept, the next start finds out anew.
    const writing = this.#write(STOPPED, encodeMark(this.#at, this.#c.version))
    this.#written = ignoreFailure(writing, 'the entry is tried again at the next start')
  }

  /** Beside what the volume applies. */
  #write(key: ByteString, value: Uint8Array): Promise<void> {
    return this.#c.store.commit([this.#c.view.write(key, value)])
  }
}

/** throws ShoalError 'EIO' for what is asked of a volume in which something was half applied. */
export function halted(cause?: unknown): ShoalError {
  return new ShoalError(
    'EIO',
    'the volume stopped at an entry that could not be applied here, ' +
      'and accepts no changes until the node is restarted; see "shoal status"',
    { cause },
  )
}

function encodeMark({ entry, author, reason, sinceMs }: StoppedAt, version: string): Uint8Array {
  const who = { e: hexIdBytes(entry), a: publicKeyOf(author) }
  return encodeCbor({ ...who, r: reason, t: sinceMs, v: version })
}

function decodeMark(bytes: Uint8Array): { at: StoppedAt; by: string } {
  const f = new Fields(decodeCbor(bytes, 'stop of a volume', 32), 'stop of a volume')
  const reason = f.text('r', REASON_MAX)
  return {
    at: { ...decodeEntryOf(f), reason, sinceMs: f.integer('t') as WallTime },
    by: f.text('v', 64),
  }
}

function encodeSuspects(suspects: readonly (Suspect | undefined)[]): Uint8Array {
  const known = suspects.filter((one) => one !== undefined)
  return encodeCbor(
    known.map(({ entry, author, actor, seq, crashes }) => {
      const who = { e: hexIdBytes(entry), a: publicKeyOf(author) }
      return { ...who, n: hexIdBytes(actor), s: seq, c: crashes }
    }),
  )
}

function decodeSuspects(bytes: Uint8Array): Suspect[] {
  const list = decodeCbor(bytes, 'entries taken with care', 32)
  return (Array.isArray(list) ? list : []).map((item) => {
    const f = new Fields(item, 'entry taken with care')
    const actor = hexId<ActorId>(f.bytes('n', 16), 16, 'actor')
    return { ...decodeEntryOf(f), actor, seq: f.integer('s'), crashes: f.integer('c') }
  })
}

function decodeEntryOf(f: Fields): Named {
  return {
    entry: hexId<EntryHash>(f.bytes('e', 32), 32, 'entry'),
    author: peerIdFromPublicKey(f.bytes('a', 32, 32)),
  }
}
