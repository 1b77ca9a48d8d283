// The journal of a volume, as it is written: what somebody waits for who does not wait for the disk
// (docs/formats/store.md#journals). Invariants:
//   a record has all that is applied, is not durable and is in no record before it: whoever finds
//     it needs no commit that was under way
//   what could not be added is made durable instead, and until that is done nothing is added
//   nothing leaves this node by it: entries do after their commit
import { hasCode } from '../../../protocol/errors.ts'
import { isPlanted } from '../../../protocol/planted-faults.ts'
import { MIB } from '../../../protocol/units.ts'
import { groupCommit } from '../../store/group-commit.ts'
import { Journal } from '../../store/journal.ts'
import type { JournalName } from '../../store/journal.ts'
import { JOURNAL_KEY_BYTES } from '../../store/journal-record.ts'
import type { JournalItem } from '../../store/journal-record.ts'
import type { KvWrite } from '../../store/kv.ts'
import type { Store } from '../../store/store.ts'
import type { StateView } from '../../state/state-view.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import type { Luck, Random } from '../../world/world.ts'
import { JOURNAL, encodeMark, encodeOps } from './journal-replay.ts'
import type { KeptBatch, Replayed } from './journal-replay.ts'
import type { OpenBatch } from '../open-batch.ts'

/** More than this is made durable right away. */
const RECORD_BYTES_MAX: number = 1 * MIB

export interface VolumeJournalComponents {
  readonly store: Partial<Pick<Store, 'payloadsEnd' | 'keepPayloads'>>
  readonly view: StateView
  readonly random: Random & Luck
  readonly open: () => KeptBatch | undefined
  /** Makes durable all that is applied. throws also if nothing can be any more. */
  readonly commit: () => Promise<void>
  readonly check: () => void
}

export class VolumeJournal {
  readonly #c: VolumeJournalComponents
  readonly #name: JournalName | undefined
  /** From its first use on. */
  #key: Uint8Array | undefined
  #journal: Journal | undefined
  #isBroken: boolean
  /** How often a commit was needed before the next record, and of them those that were made. */
  #bars = 1
  #passed = 0
  #taken: { readonly bars: number; readonly number: number } | undefined
  /** Numbers of the last record that is durable, and of the last that was found at the start. */
  #durable: number
  readonly #found: number
  /** Ops of a batch that are in records. */
  #kept: { readonly batch: OpenBatch; readonly count: number } | undefined

  /**
   * Keeps what was applied before the call: it outlives this process when this resolves. Calls
   * share writes.
   */
  readonly keep: () => Promise<void> = groupCommit(() => this.#keep())
  /** The same of a power loss. */
  readonly sync: () => Promise<void> = groupCommit(() => this.#sync())

  /** replayed: without the name of a journal, whoever waits does so for a commit. */
  constructor(components: VolumeJournalComponents, { name, last, count }: Replayed) {
    this.#c = components
    this.#name = name
    this.#isBroken = name === undefined || components.store.keepPayloads === undefined
    this.#durable = last - count
    this.#found = last
    // Records that were found are in the way of new ones until they are durable.
    if (count > 0) this.#key = components.random.bytes(JOURNAL_KEY_BYTES)
  }

  /** The addition to a write of all that is applied. Then settle() or fail(). */
  take(): readonly KvWrite[] {
    if (this.#key === undefined) return []
    const number = this.#journal?.last ?? this.#found
    this.#taken = { bars: this.#bars, number }
    if (this.#passed === this.#bars && number === this.#durable) return []
    return [this.#c.view.write(JOURNAL, encodeMark(this.#key, number))]
  }

  /** Notes that what was taken is durable. */
  settle(): void {
    if (this.#taken === undefined) return
    this.#passed = this.#taken.bars
    this.#durable = this.#taken.number
    this.#taken = undefined
    this.#journal?.turn(this.#durable)
  }

  /** Notes that it is not. */
  fail(): void {
    this.#taken = undefined
    this.#bars++
  }

  /** After the last commit. */
  async close(): Promise<void> {
    await ignoreFailure(this.keep(), 'what is not durable by now failed before')
    await this.#journal?.close()
  }

  async #keep(): Promise<void> {
    const { check, commit, view, store } = this.#c
    check()
    const journal = await this.#open()
    if (journal === undefined) return commit()
    const changes = view.takeUnkept(RECORD_BYTES_MAX)
    if (changes === undefined) return commit()
    const { rest, isNew } = this.#ops()
    if (changes.records.length === 0 && !isNew) return
    const item: JournalItem = {
      payloadsEnd: store.payloadsEnd ?? { segment: 0, offset: 0 },
      generation: changes.generation,
      changes: changes.records,
      rest,
    }
    const written = [journal.append(item), this.#keepPayloads({ sync: false })]
    if (isPlanted('acknowledged-before-journal')) return
    const failed = (await Promise.allSettled(written)).find(({ status }) => status === 'rejected')
    if (failed === undefined) return
    this.#bars++
    if (failed.status === 'rejected' && !hasCode(failed.reason, 'ENOSPC')) this.#isBroken = true
    await commit()
  }

  async #keepPayloads(how: { sync: boolean }): Promise<void> {
    await this.#c.store.keepPayloads?.(how)
  }

  async #sync(): Promise<void> {
    await this.keep()
    if (this.#passed !== this.#bars || this.#journal === undefined) return this.#c.commit()
    try {
      await this.#keepPayloads({ sync: true })
      await this.#journal.sync()
    } catch {
      // It is not known any more how much of it the disk has.
      this.#bars++
      this.#isBroken = true
      await this.#c.commit()
    }
  }

  /** Undefined while a commit has to come first. */
  async #open(): Promise<Journal | undefined> {
    const { random } = this.#c
    const name = this.#name
    if (this.#isBroken || name === undefined) return undefined
    this.#key ??= random.bytes(JOURNAL_KEY_BYTES)
    if (this.#passed !== this.#bars || this.#journal?.isFull === true) return undefined
    if (random.unlucky('log.journal-full')) return undefined
    if (this.#journal !== undefined) return this.#journal
    const begun = Journal.begin({ ...name, random }, { key: this.#key, after: this.#durable })
    this.#journal = await ignoreFailure(
      begun,
      'a commit does as well, and the next call tries again',
    )
    return this.#passed === this.#bars ? this.#journal : undefined
  }

  /** The open batch, with those of its ops that are in no record, and whether there are such. */
  #ops(): { readonly rest: Uint8Array; readonly isNew: boolean } {
    const open = this.#c.open()
    const before = this.#kept
    if (open === undefined) {
      this.#kept = undefined
      return { rest: new Uint8Array(0), isNew: before !== undefined }
    }
    const { batch } = open
    const first = before?.batch === batch ? before.count : 0
    this.#kept = { batch, count: batch.ops.length }
    return { rest: encodeOps(open, first), isNew: first < batch.ops.length }
  }
}
