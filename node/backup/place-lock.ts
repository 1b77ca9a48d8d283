// Keeps machines that use one backup place out of each other's way: any number may add to it at a
// time ('shared'), or one may remove from it ('alone'). A lock is an object that is put again and
// again; one that was not for STALE_MS counts as left by a machine that died. Its age is told by
// the place, not by the clocks of machines. Both put first and look then, so one of two sees the
// other.
import { Fields } from '../../protocol/cbor.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Clock, TierObject } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { BackupPlace } from './place.ts'

export type LockKind = 'shared' | 'alone'

const REFRESH_MS: number = 5 * MINUTE_MS
const STALE_MS: number = 30 * MINUTE_MS
const NAME_BYTES = 16
const LABEL_MAX = 256
const VERSION = 1

export interface LockOptions {
  readonly kind: LockKind
  /** Name and id of this machine, which has one lock at a time. */
  readonly node: string
  readonly nodeId: string
}

interface Held extends TierObject {
  readonly name: string
  readonly kind: LockKind
  readonly node: string
  readonly nodeId: string
}

export class PlaceLock {
  readonly #place: BackupPlace
  readonly #options: LockOptions
  readonly #clock: Clock
  readonly #name: string
  readonly #stopped = new AbortController()
  #refreshing: Promise<void> = Promise.resolve()
  /** It was not put for so long that others may have gone on without it. */
  #isLost = false

  private constructor(place: BackupPlace, clock: Clock, options: LockOptions) {
    this.#place = place
    this.#clock = clock
    this.#options = options
    this.#name = `${options.kind}-${place.freshId(NAME_BYTES)}`
  }

  /** throws ShoalError 'EBUSY' that says who has it. */
  static async take(
    { place, clock }: { readonly place: BackupPlace; readonly clock: Clock },
    options: LockOptions,
    signal: AbortSignal,
  ): Promise<PlaceLock> {
    const lock = new PlaceLock(place, clock, options)
    await lock.#put(signal)
    try {
      await lock.#look(signal)
    } catch (error) {
      await lock.release()
      throw error
    }
    lock.#refreshing = ignoreFailure(lock.#refresh(), 'the lock is looked at before it counts')
    return lock
  }

  /**
   * Is it held still, and was all the time? To be asked before anything is said that counts on it.
   * throws ShoalError 'EBUSY'.
   */
  async check(signal: AbortSignal): Promise<void> {
    await this.#renew(signal)
    if (!this.#isLost) return
    throw new ShoalError(
      'EBUSY',
      'this machine was asleep or away from the backup place for too long; run the backup again',
    )
  }

  async release(): Promise<void> {
    this.#stopped.abort()
    await this.#refreshing
    const { signal } = new AbortController()
    await ignoreFailure(
      this.#place.remove('locks', [this.#name], { signal }),
      'a lock that is left counts for nothing after a while',
    )
  }

  async #refresh(): Promise<void> {
    const { signal } = this.#stopped
    for (;;) {
      await this.#clock.sleep(REFRESH_MS, { signal })
      await ignoreFailure(this.#renew(signal), 'the next one may succeed')
    }
  }

  /** Puts it again, and sees whether others may have taken it for left meanwhile. */
  async #renew(signal: AbortSignal): Promise<void> {
    const before = await this.#place.head('locks', this.#name, { signal })
    if (before === undefined) this.#isLost = true
    await this.#put(signal)
    const after = await this.#place.head('locks', this.#name, { signal })
    const pauseMs = (after?.modifiedMs ?? Infinity) - (before?.modifiedMs ?? 0)
    if (pauseMs >= STALE_MS) this.#isLost = true
  }

  async #put(signal: AbortSignal): Promise<void> {
    const { node, nodeId } = this.#options
    await this.#place.putNamed('locks', this.#name, { v: VERSION, h: node, i: nodeId }, { signal })
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { kind, nodeId } = this.#options
    const all = await this.#held(signal)
    const own = all.find(({ name }) => name === this.#name)
    const left: string[] = []
    for (const other of all) {
      if (other === own) continue
      const isStale = other.modifiedMs < (own?.modifiedMs ?? 0) - STALE_MS
      // A machine has one at a time: an earlier one of its own was left when it died.
      if (isStale || other.nodeId === nodeId) {
        left.push(other.name)
        continue
      }
      if (kind === 'shared' && other.kind === 'shared') continue
      const what = other.kind === 'alone' ? 'removes old backups' : 'makes a backup'
      throw new ShoalError(
        'EBUSY',
        `${other.node} ${what} at the same place just now; try again when it is done`,
      )
    }
    if (left.length > 0) await this.#place.remove('locks', left, { signal })
  }

  /** Those that were made with the key. */
  async #held(signal: AbortSignal): Promise<readonly Held[]> {
    const held: Held[] = []
    for await (const object of this.#place.list('locks', { signal })) {
      const { name } = object
      const kind = name.startsWith('alone-') ? 'alone' : 'shared'
      try {
        const said = new Fields(await this.#place.readNamed('locks', name, { signal }), 'lock')
        const [node, nodeId] = [said.text('h', LABEL_MAX), said.text('i', LABEL_MAX)]
        held.push({ ...object, kind, node, nodeId })
      } catch (error) {
        signal.throwIfAborted()
        const { code } = asShoalError(error)
        // Let go of meanwhile, or by somebody without the key.
        if (code !== 'cold-missing' && code !== 'corrupt' && code !== 'malformed') throw error
      }
    }
    return held
  }
}
