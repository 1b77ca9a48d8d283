// Locks of the files of one volume between all who use it on this node, which holds of the voters
// what they have together (node/consensus/lock-claims.ts). Invariants:
//   what somebody has here, nobody else has, here or on another node, that would exclude it
//   what was written under a lock is logged, and a majority of the voters has it, before another
//     node gets the lock
//   when the leases of this node run out, its locks are gone, and those who work here are told
//     before they do more
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { LOCKS_MAX } from '../../protocol/limits.ts'
import type { FileLocks as Held, LockFamily } from '../../protocol/locks/claim.ts'
import {
  includes,
  inTheWay,
  sameLocks,
  together,
  withLock,
} from '../../protocol/locks/held-locks.ts'
import type { HeldLock, HeldLocks, LockKind, LockRange } from '../../protocol/locks/held-locks.ts'
import type { LockClaims } from '../consensus/lock-claims.ts'
import type { World } from '../world/world.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { pauseAfter } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/**
 * Between two questions whether another node has given up a lock: random, doubling up to a limit.
 */
const PAUSES: Pauses = { firstMs: 8, longestMs: 50 }

/** The user whose work locks order: a mount. */
export interface LockUser {
  /** Log what was written to a file. */
  flush(file: NodeId): Promise<void>
  /** See what others have written to a file, and this node has by now. */
  refresh(file: NodeId): Promise<void>
  /** The locks of a file are gone: do nothing more in reliance on them. */
  lose(file: NodeId): void
}

/** A process, or an open file, of a user. */
export interface LockOwner {
  readonly user: LockUser
  readonly id: string
  /** 0 if unknown. */
  readonly pid: number
}

/** The wanted locks of somebody on one file. */
export interface LockChange {
  readonly owner: LockOwner
  readonly file: NodeId
  readonly family: LockFamily
  readonly range: LockRange
}

export interface LockInTheWay extends HeldLock {
  /** 0: of another node. */
  readonly pid: number
}

interface Table {
  readonly file: NodeId
  readonly family: LockFamily
  readonly owners: Map<string, { readonly owner: LockOwner; readonly held: HeldLocks }>
  /** The locks that this node holds for them. */
  claimed: HeldLocks
  /** Changes, one after the other. */
  readonly queue: SerialQueue
  /** Changes under way and callers that wait for one. */
  uses: number
  /** How often it has changed, and who is to be told. */
  changes: number
  readonly changed: Set<() => void>
}

export interface FileLocksComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly claims: LockClaims
}

export class FileLocks {
  readonly #c: FileLocksComponents
  readonly #users = new Map<LockUser, number>()
  readonly #tables = new Map<string, Table>()
  #nextUser = 1

  constructor(components: FileLocksComponents) {
    this.#c = components
    components.claims.onLost((lost) => {
      for (const { file, family } of lost) this.#lose(file, family)
    })
  }

  join(user: LockUser): void {
    this.#users.set(user, this.#nextUser++)
  }

  /** Whatever a user's processes hold is given up. */
  async leave(user: LockUser): Promise<void> {
    for (const table of this.#tables.values()) {
      for (const { owner } of table.owners.values())
        if (owner.user === user) await this.unlockAll(owner, table.file, table.family)
    }
    this.#users.delete(user)
  }

  /**
   * Lock a range. returns false if it is not to wait, and somebody else has the lock.
   * throws ShoalError 'ENOLCK' where no majority of voters answers, and the reason of `signal`:
   * then nothing has changed.
   */
  async lock(
    change: LockChange,
    kind: LockKind,
    { wait, signal }: { readonly wait: boolean; readonly signal: AbortSignal },
  ): Promise<boolean> {
    return this.#using(change, async (table) => {
      for (let attempt = 1; ; attempt++) {
        let seen = 0
        const outcome = await table.queue.run(() => {
          seen = table.changes
          return this.#take(table, change, kind, wait, signal)
        })
        if (outcome === 'taken' || !wait) return outcome === 'taken'
        if (outcome === 'busy here') await nextChange(table, seen, signal)
        else await this.#pause(pauseAfter(attempt, PAUSES), signal)
      }
    })
  }

  async unlock({ owner, file, family, range }: LockChange): Promise<void> {
    await this.#using({ file, family }, (table) =>
      table.queue.run(async () => {
        const held = withLock(this.#heldBy(table, owner), range, undefined)
        this.#put(table, owner, held)
        await this.#giveUp(table)
      }),
    )
  }

  /** Give up all that somebody holds of a file. */
  async unlockAll(owner: LockOwner, file: NodeId, family: LockFamily): Promise<void> {
    const table = this.#tables.get(keyOf(file, family))
    if (table === undefined) return
    if (this.#heldBy(table, owner).length === 0) return
    await this.unlock({ owner, file, family, range: { start: 0, end: Number.MAX_SAFE_INTEGER } })
  }

  /** A lock of somebody else that is in the way of one. throws ShoalError 'ENOLCK'. */
  async test(change: LockChange, kind: LockKind): Promise<LockInTheWay | undefined> {
    const { owner, file, family, range } = change
    const wanted = [{ ...range, kind }]
    const table = this.#tables.get(keyOf(file, family))
    for (const [other, { held, owner: by }] of table?.owners ?? []) {
      const lock = other === this.#keyOf(owner) ? undefined : inTheWay(held, wanted)
      if (lock !== undefined) return { ...lock, pid: by.pid }
    }
    if (includes(table?.claimed ?? [], wanted)) return undefined
    const holder = await this.#c.claims.test({ file, family, held: wanted })
    return holder && { ...holder, pid: 0 }
  }

  /** throws ShoalError 'EIO' if locks of a file that somebody relies on may have run out. */
  check(file: NodeId): void {
    for (const family of ['fcntl', 'flock'] as const) {
      const table = this.#tables.get(keyOf(file, family))
      if (table === undefined || table.claimed.length === 0) continue
      if (!this.#c.claims.holds(heldAs(table, table.claimed))) throw lostLock()
    }
  }

  async #take(
    table: Table,
    { owner, range }: LockChange,
    kind: LockKind,
    isPatient: boolean,
    signal: AbortSignal,
  ): Promise<'taken' | 'busy here' | 'busy elsewhere'> {
    signal.throwIfAborted()
    this.#c.claims.expire()
    const held = withLock(this.#heldBy(table, owner), range, kind)
    const others = [...table.owners].flatMap(([key, { held: theirs }]) =>
      key === this.#keyOf(owner) ? [] : [theirs],
    )
    const all = [...others, held]
    if (all.reduce((sum, { length }) => sum + length, 0) > LOCKS_MAX)
      throw new ShoalError('ENOLCK', `more than ${LOCKS_MAX} locks of one file`)
    if (inTheWay(together(others), [{ ...range, kind }]) !== undefined) return 'busy here'
    const wanted = heldAs(table, together([table.claimed, ...all]))
    if (!this.#c.claims.holds(wanted)) {
      await this.#flush(table.file)
      if (!(await this.#c.claims.claim(wanted, isPatient, signal))) return 'busy elsewhere'
      for (const user of this.#users.keys()) await user.refresh(table.file)
      // It may be lost again, and with it all that was held here.
      if (!this.#c.claims.holds(wanted)) return 'busy elsewhere'
      table.claimed = wanted.held
      if (signal.aborted) await this.#giveUp(table)
      signal.throwIfAborted()
    }
    this.#put(table, owner, held)
    await this.#giveUp(table)
    return 'taken'
  }

  /** Hold no more than is needed here. */
  async #giveUp(table: Table): Promise<void> {
    const needed = together([...table.owners.values()].map(({ held }) => held))
    if (sameLocks(needed, table.claimed)) return
    await this.#flush(table.file)
    table.claimed = needed
    await this.#c.claims.giveUp(heldAs(table, needed))
  }

  /** Writes out a file; a failure to log is told to those who close or sync the file. */
  async #flush(file: NodeId): Promise<void> {
    for (const user of this.#users.keys())
      await ignoreFailure(user.flush(file), 'its user hears of it at the next sync')
  }

  #lose(file: NodeId, family: LockFamily): void {
    const table = this.#tables.get(keyOf(file, family))
    if (table !== undefined) {
      table.owners.clear()
      table.claimed = []
      told(table)
    }
    for (const user of this.#users.keys()) user.lose(file)
  }

  #heldBy(table: Table, owner: LockOwner): HeldLocks {
    return table.owners.get(this.#keyOf(owner))?.held ?? []
  }

  #put(table: Table, owner: LockOwner, held: HeldLocks): void {
    const key = this.#keyOf(owner)
    if (held.length === 0) table.owners.delete(key)
    else table.owners.set(key, { owner, held })
    told(table)
  }

  #keyOf({ user, id }: LockOwner): string {
    return `${this.#users.get(user)} ${id}`
  }

  /** A table is kept while somebody holds something, or works on it. */
  async #using<Result>(
    { file, family }: Pick<LockChange, 'file' | 'family'>,
    run: (table: Table) => Promise<Result>,
  ): Promise<Result> {
    const key = keyOf(file, family)
    let table = this.#tables.get(key)
    if (table === undefined) {
      const [owners, changed] = [new Map(), new Set<() => void>()]
      const queue = new SerialQueue()
      table = { file, family, owners, claimed: [], queue, uses: 0, changes: 0, changed }
      this.#tables.set(key, table)
    }
    table.uses++
    try {
      return await run(table)
    } finally {
      table.uses--
      if (table.uses === 0 && table.owners.size === 0) this.#tables.delete(key)
    }
  }

  async #pause(longestMs: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#c.world
    await clock.sleep(longestMs * (0.5 + random.number() / 2), { signal })
  }
}

function lostLock(): ShoalError {
  return new ShoalError('EIO', 'this node could not renew its locks of the file in time')
}

function heldAs({ file, family }: Table, held: HeldLocks): Held {
  return { file, family, held }
}

function keyOf(file: NodeId, family: LockFamily): string {
  return `${family} ${file}`
}

function told(table: Table): void {
  table.changes++
  for (const wake of table.changed) wake()
}

/** Resolves when the locks of a file have changed since they were seen. */
async function nextChange(table: Table, seen: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  table.changed.add(resolve)
  if (signal.aborted) onAbort()
  if (table.changes !== seen) resolve()
  try {
    await promise
  } finally {
    table.changed.delete(resolve)
    signal.removeEventListener('abort', onAbort)
  }
}
