// Fetches the entries and grounds that a value of the register needs before it can be proposed once
// more, or applied: its entry, all that this follows, and where one voter alone claims it, the
// grounds on which it could be accepted.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { GROUNDS_MAX } from '../../protocol/limits.ts'
import { decodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Newest } from '../../protocol/strong/round.ts'
import { isSameName } from '../../protocol/strong/value.ts'
import type { EntryName } from '../../protocol/strong/value.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { World } from '../world/world.ts'
import { nameOf } from './strong-log.ts'
import type { StrongLog } from './strong-log.ts'
import type { Chosen } from './strong-register.ts'
import type { Grounded } from './strong-search.ts'
import type { StrongVoter } from './strong-voter.ts'
import type { Volume } from '../log/volume.ts'

/** For those who claim a value that nobody else has to let others have what it follows. */
const ACCOUNT_MS: number = 2 * SECOND_MS

export interface StrongPastComponents {
  readonly world: Pick<World, 'clock'>
  readonly volume: Volume
  readonly log: StrongLog
  readonly voter: StrongVoter
  /** Exchange logs with a member. */
  readonly sync: (peer: PeerId) => Promise<void>
}

export class StrongPast {
  readonly #c: StrongPastComponents

  constructor(components: StrongPastComponents) {
    this.#c = components
  }

  /** As SearchComponents has it. */
  async account(
    { claim, holders, reports }: Newest,
    signal: AbortSignal,
  ): Promise<Grounded | undefined> {
    const within = this.#c.world.clock.timeout(ACCOUNT_MS, signal)
    for (const { entry: bytes, grounds } of reports) {
      if (bytes === undefined || grounds === undefined || grounds.length >= GROUNDS_MAX) continue
      try {
        const entry = readEntry(claim.name, [bytes])
        if (entry === undefined) continue
        await this.#fetchPast(entry, holders, within)
        this.#c.voter.check(claim, grounds, entry)
        const { groups, name } = claim
        const { terms } = this.#c.log.officeAfter(entry, groups)
        return { value: { groups, name, entry: bytes }, grounds, terms }
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof ShoalError)) throw error
      }
    }
    return undefined
  }

  /** Its bytes, as holders tell them or the log has them. */
  entryOf({ name, entries }: Chosen): Uint8Array | undefined {
    const { tentative, entries: log, replica } = this.#c.volume
    const told = entries.find((bytes) => readEntry(name, [bytes]) !== undefined)
    if (told !== undefined || !tentative.holds(name)) return told
    const label = replica.ancestry.locate(name.actor, name.seq, name.hash)
    return label && log.bytes(label, name.seq)
  }

  /** Is it here, or could be? */
  isTold({ name, entries }: Chosen): boolean {
    return this.#c.volume.tentative.holds(name) || readEntry(name, entries) !== undefined
  }

  /** Hold what the newest value names, and all before it. */
  async learn({ name, entries, holders }: Chosen, signal: AbortSignal): Promise<void> {
    const { tentative } = this.#c.volume
    if (tentative.holds(name)) return
    const entry = readEntry(name, entries)
    if (entry === undefined)
      throw new ShoalError('missing-past', 'no voter reports the newest strong write')
    await this.#fetchPast(entry, holders, signal)
    const verdict = tentative.learn(entry)
    if (tentative.holds(name)) return
    throw new ShoalError(
      verdict === 'future-clock' ? verdict : 'missing-past',
      `the newest strong write cannot be applied here: ${verdict}`,
    )
  }

  /** Have all that an entry follows, which those who accepted it hold. */
  async #fetchPast(entry: Entry, holders: readonly PeerId[], signal: AbortSignal): Promise<void> {
    const { volume, sync } = this.#c
    const isReady = (): boolean =>
      volume.tentative.holds(nameOf(entry)) || volume.tentative.verdictOn(entry) !== 'missing-past'
    let failure: unknown
    for (const peer of holders) {
      if (isReady()) return
      if (peer === volume.identity.peer) continue
      await orAborted(sync(peer), signal).catch((error: unknown) => (failure = error))
      signal.throwIfAborted()
    }
    if (isReady()) return
    throw new ShoalError(
      'missing-past',
      'entries that the newest strong write depends on cannot be fetched',
      {
        cause: failure,
      },
    )
  }
}

/** The first of these that is the entry of that name. */
function readEntry(name: EntryName, all: readonly Uint8Array[]): Entry | undefined {
  for (const bytes of all) {
    try {
      const entry = decodeEntry(bytes)
      if (isSameName(nameOf(entry), name)) return entry
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }
  return undefined
}

export async function orAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
