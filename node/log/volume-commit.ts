// Makes durable what a volume has applied: state and the entries it came from in one write, one
// write at a time.
// Invariants:
//   what was applied before a commit() is durable when that resolves; calls while one is running
//     share the next
//   an entry is told of only after the write that holds it
//   a write that failed for lack of space is kept for the next; any other failure is final
//     (fsyncgate)
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { equalVectors } from '../../protocol/clock/vector-clock.ts'
import { MIB } from '../../protocol/units.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Claim } from '../../protocol/log/stability.ts'
import type { KvWrite } from '../store/kv.ts'
import type { Store } from '../store/store.ts'
import type { StateView } from '../state/state-view.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { VolumeEvents } from '../replica/listeners.ts'
import type { VolumeJournal } from './journal/volume-journal.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** Applied but uncommitted state beyond this makes writers wait for a commit. */
const UNCOMMITTED_BYTES_MAX: number = 8 * MIB

export interface VolumeCommitComponents {
  readonly store: Pick<Store, 'commit'>
  readonly view: StateView
  /** Called before a write is put together: applies what is still to be applied. */
  readonly close: () => void
  /** The claim of all that is applied. */
  readonly claim: () => Claim
  readonly journal: Pick<VolumeJournal, 'take' | 'settle' | 'fail'>
  /** Told once of a failure that is final. */
  readonly note: VolumeEvents['note']
}

export class VolumeCommit {
  readonly #c: VolumeCommitComponents
  readonly #listeners = new Set<(entries: readonly Entry[]) => void>()
  /** Goes into the first write. */
  #record: readonly KvWrite[]
  /** Own entries that no write holds yet. */
  #entries: Entry[] = []
  #durable: Claim
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  /** Run at the start of the next write. */
  readonly #changes: (() => void)[] = []
  #failure: ShoalError | undefined

  /**
   * record: what makes a new volume known to the store; becomes durable with the first commit, or
   * nothing does.
   */
  constructor(components: VolumeCommitComponents, record: readonly KvWrite[]) {
    this.#c = components
    this.#record = record
    this.#durable = components.claim()
  }

  /** The claim of all that is durable. */
  get durable(): Claim {
    return this.#durable
  }

  /** Forgets the durable names, which may have changed: nothing is told until the next write. */
  forget(): void {
    this.#durable = { vector: new Map(), hlc: HLC_ZERO }
  }

  /** Is there a volume to write to, by what is durable? */
  get isBegun(): boolean {
    return this.#record.length === 0
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Nothing becomes durable any more. */
  stop(failure: ShoalError): void {
    this.#failure ??= failure
  }

  /** The same, since the volume is closed: whoever still has it must not write any more. */
  close(): void {
    this.stop(new ShoalError('stopped', 'this node has closed the volume, or has left it'))
  }

  /** throws the failure of an earlier commit that was final. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** An own entry has been applied. */
  add(entry: Entry): void {
    this.#entries.push(entry)
    if (isPlanted('published-before-commit'))
      for (const listener of this.#listeners) listener([entry])
  }

  /** Told of own entries once durable. */
  onDurable(listener: (entries: readonly Entry[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** throws ShoalError 'ENOSPC': try again when there is room; 'EIO': restart the node. */
  async commit(): Promise<void> {
    this.check()
    this.#c.close()
    if (!this.#c.view.dirty && this.#record.length === 0) return this.#running
    return this.#running === undefined ? this.#start() : this.#following()
  }

  /** Waits while too much is applied and not yet durable. */
  async makeRoom(): Promise<void> {
    if (this.#c.view.appliedBytes > UNCOMMITTED_BYTES_MAX) await this.commit()
  }

  /**
   * Run `change` between two writes, at the start of the next: what it does and all that was made
   * before become durable together. Whoever commits meanwhile shares that write. throws what
   * `change` throws, or the failure of the write.
   */
  async atNext(change: () => void): Promise<void> {
    this.check()
    const outcome = Promise.withResolvers<void>()
    this.#changes.push(() => {
      try {
        outcome.resolve(change())
      } catch (error) {
        outcome.reject(error)
      }
    })
    await Promise.all([this.#following(), outcome.promise])
  }

  /** The write after the one that is under way. */
  #following(): Promise<void> {
    const start = async (): Promise<void> => {
      const changes = this.#changes.splice(0)
      try {
        this.check()
        this.#c.close()
        for (const change of changes) change()
        this.#c.close()
      } finally {
        this.#next = undefined
        this.#running = undefined
      }
      return this.#start()
    }
    // Commits requested before it begins share it.
    this.#running ??= Promise.resolve()
    return (this.#next ??= this.#running.then(start, start))
  }

  #start(): Promise<void> {
    this.#running = this.#write().finally(() => {
      // Whoever comes between the end of this write and the start of the next shares that.
      this.#running = this.#next
    })
    return this.#running
  }

  async #write(): Promise<void> {
    const { store, view, claim, journal } = this.#c
    const entries = this.#entries
    this.#entries = []
    const applied = claim()
    try {
      await store.commit([...this.#record, ...view.take(), ...journal.take()])
    } catch (error) {
      view.restore()
      journal.fail()
      this.#entries = [...entries, ...this.#entries]
      if (!hasCode(error, 'ENOSPC')) this.#fail(error)
      throw error
    }
    view.settle()
    journal.settle()
    this.#record = []
    // The same object while it says the same: others keep what they make of it.
    if (!isSame(applied, this.#durable)) this.#durable = applied
    if (entries.length > 0) for (const listener of this.#listeners) listener(entries)
  }

  #fail(cause: unknown): void {
    const message =
      'the store could not make a write durable; restart the node, nothing acknowledged is lost'
    this.#failure = new ShoalError('EIO', message, { cause })
    this.#c.note.tell('log.not-durable', { message, cause: asShoalError(cause).message })
  }
}

function isSame(a: Claim, b: Claim): boolean {
  return a.hlc === b.hlc && equalVectors(a.vector, b.vector)
}

/** Commits in the background, where nobody waits for it. */
export function commitSoon(volume: { commit(): Promise<void> }): void {
  void ignoreFailure(
    volume.commit(),
    'a final failure is in the log and thrown by the next commit; any other is tried again by it',
  )
}
