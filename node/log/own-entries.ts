// The entries of this node in one volume, as they are made: ops go into the open batch, which is
// closed when it is full or late, when another kind of op comes, or something that it has not seen.
import { makeDot, makeStamp } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import { assert } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { encodeChecked } from '../../protocol/log/batch.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { OpContext } from '../../protocol/tree/op-edit.ts'
import { coversAll } from '../../protocol/tree/made.ts'
import type { World } from '../world/world.ts'
import { Author } from './author.ts'
import type { AuthorComponents } from './author.ts'
import type { KeptBatch } from './journal/journal-replay.ts'
import { BATCH_MS, OpenBatch, bodyKindOf } from './open-batch.ts'
import type { BodyKind } from './open-batch.ts'

export interface OwnEntriesComponents extends AuthorComponents {
  readonly world: Pick<World, 'random'>
  /** A batch was opened: it is to be committed after so long. */
  readonly opened: (inMs: number) => void
  /** Takes an entry into the log; ops: those that are not applied yet. */
  readonly log: (entry: Entry, ops: readonly Op[]) => void
  /** Tells of an op of the open batch; applies it first, if it is to be by now. */
  readonly submitted: (op: Op, context: OpContext | undefined) => void
}

export class OwnEntries {
  readonly #c: OwnEntriesComponents
  readonly #author: Author
  #batch: OpenBatch | undefined
  #isTogether = false // what is submitted now is to be one entry

  constructor(components: OwnEntriesComponents) {
    this.#c = components
    this.#author = new Author(components)
  }

  /** This node's actor now. */
  get actor(): ActorId {
    return this.#author.actor
  }

  /** The batch that is open. */
  get open(): KeptBatch | undefined {
    return this.#batch && { actor: this.actor, batch: this.#batch }
  }

  /** As Volume.submit. */
  submit(op: Op): Dot {
    this.#author.checkRight(op)
    const encoded = encodeChecked(op)
    const kind = bodyKindOf(op)
    const open = this.#batch
    const isLate = !this.#isTogether && open?.isLate(this.#c.time.now()) === true
    if (open?.kind !== kind || isLate || !open.hasRoom(encoded.length)) this.end()
    const batch = (this.#batch ??= this.#openBatch(kind))
    const index = batch.add(op, encoded)
    const dot = makeDot(this.actor, batch.seq, index)
    // The effect of an entry's hash is known once the batch is closed: other ops apply then.
    const stamp = makeStamp(batch.hlc, this.actor, index)
    const { isAppended } = this.#author
    const context = { dot, stamp, covers: coversAll, isAppended }
    this.#c.submitted(op, kind === 'sealed' ? context : undefined)
    return dot
  }

  /** Puts the ops that `run` submits into one entry, if half a batch can hold them. */
  atomically<Result>(run: () => Result): Result {
    if (this.#isTogether) return run()
    const { time, world } = this.#c
    const isOver = this.#batch?.isHalfFull === true || this.#batch?.isLate(time.now()) === true
    if (isOver || world.random.unlucky('log.batch-ends-early')) this.end()
    this.#isTogether = true
    try {
      return run()
    } finally {
      this.#isTogether = false
    }
  }

  /** Goes on with the batch that a killed run had open: its sealed ops are applied. */
  resume({ actor, batch }: KeptBatch): void {
    const isNext = actor === this.actor && batch.seq === this.#author.nextSeq()
    assert(isNext && this.#batch === undefined, 'a batch that was open is the next entry')
    this.#batch = batch
  }

  /** Closes the batch: ops submitted so far become an entry of their own, or several. */
  end(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    this.#c.log(this.#author.makeEntry(batch), batch.kind === 'sealed' ? [] : batch.ops)
  }

  /** The batch comes to nothing. */
  drop(): void {
    this.#batch = undefined
  }

  /** An entry without ops that points to all heads. */
  merge(): void {
    this.end()
    this.#c.log(this.#author.makeMerge(), [])
  }

  /** Write on as a new incarnation. */
  renew(): void {
    this.end()
    this.#author.renew()
  }

  #openBatch(kind: BodyKind): OpenBatch {
    const isEager = this.#c.world.random.unlucky('log.batch-committed-at-once')
    this.#c.opened(isEager ? 0 : BATCH_MS)
    for (let entry = this.#author.catchUp(); entry !== undefined; entry = this.#author.catchUp())
      this.#c.log(entry, [])
    return new OpenBatch({ seq: this.#author.nextSeq(), hlc: this.#author.nextHlc(), kind })
  }
}
