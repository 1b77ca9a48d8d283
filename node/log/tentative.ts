// Entries of this node that are written by consensus (strong.ts), under an actor of its own: they
// are proposed before they are applied, and may never be. Invariants:
//   nothing of a trial is applied or logged; its entry is taken, like one from elsewhere, once the
//     voters have chosen it
//   the actor writes nothing else, so a number that was proposed in vain is free for the next
//     proposal
//   while an entry may be under way, this node claims no more than it did before it made that
//     entry: no cut becomes stable that the entry comes after and has not seen
//     (protocol/log/stability.ts)
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import { encodeChecked } from '../../protocol/log/batch.ts'
import { makeDot, makeStamp } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Claim } from '../../protocol/log/stability.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { EntryName } from '../../protocol/strong/value.ts'
import { applyOp, emptyChanges } from '../../protocol/tree/apply.ts'
import { coversAll } from '../../protocol/tree/made.ts'
import type { MoveLog } from '../../protocol/tree/moves.ts'
import { isClearOp } from '../../protocol/op/op.ts'
import type { Op } from '../../protocol/op/op.ts'
import { Author } from './author.ts'
import type { AuthorComponents } from './author.ts'
import type { Cuts } from '../replica/cuts.ts'
import { checkEntry } from '../replica/entry-check.ts'
import type { EntryVerdict } from '../replica/entry-check.ts'
import { OpenBatch, bodyKindOf } from './open-batch.ts'
import type { Replica } from '../replica/replica.ts'
import type { StateView } from '../state/state-view.ts'

const ORIGIN_KEY: ByteString = STATE_PREFIXES.strongOrigin
/** There while an entry may be under way. */
const UNDER_WAY: ByteString = STATE_PREFIXES.strongUnderWay

/** The result of a trial, and the entry that would bring it about: undefined if it made no op. */
export interface Trial<Result> {
  readonly result: Result
  readonly entry: Entry | undefined
}

export interface TentativeComponents extends AuthorComponents {
  readonly view: StateView
  readonly replica: () => Replica
  readonly cuts: Cuts
  /** Closes the open batch of ordinary ops. */
  readonly close: () => void
  /** The durable claim of this node. */
  readonly durable: () => Claim
  /** Volume.receive. */
  readonly take: (entry: Entry) => EntryVerdict
  /** Tell others of an entry once it is durable. */
  readonly tell: (entry: Entry) => void
}

interface OpenTrial {
  batch: OpenBatch
  readonly author: Author
  readonly moves: MoveLog
}

export class Tentative {
  readonly #c: TentativeComponents
  #author: Author | undefined
  #open: OpenTrial | undefined
  #held: Claim | undefined

  constructor(components: TentativeComponents) {
    this.#c = components
    const { view, cuts } = components
    // The claim of the last run is not known any more, but that a cut was made is.
    if (view.get(UNDER_WAY) !== undefined)
      this.#held = cuts.newest ?? { vector: new Map(), hlc: HLC_ZERO }
  }

  /** True while `run` of a trial runs: ops go to submit(). */
  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Under which strong writes of this node are, or would be. */
  get actor(): ActorId {
    return (this.#author ??= new Author(this.#c, ORIGIN_KEY)).actor
  }

  /**
   * Run what submits ops, on the state as it is now with all that was applied, and take it back.
   * Only the tree may be changed, and policies set. throws what `run` throws, and 'EFBIG' for more
   * ops than one entry holds.
   */
  run<Result>(run: () => Result): Trial<Result> {
    assert(!this.isOpen, 'one trial at a time')
    const { close, view, replica } = this.#c
    close()
    const author = (this.#author ??= new Author(this.#c, ORIGIN_KEY))
    if (author.catchUp() !== undefined)
      throw new ShoalError(
        'unsupported',
        'too many members have written since the last strong write; try again later',
      )
    const at = { seq: author.nextSeq(), hlc: author.nextHlc(), kind: 'sealed' } as const
    const trial = { batch: new OpenBatch(at), author, moves: replica().moves.copy() }
    this.#open = trial
    try {
      const result = view.tentatively(run)
      assert(!(result instanceof Promise), 'a strong write is one synchronous step')
      const { batch } = trial
      return { result, entry: batch.ops.length === 0 ? undefined : author.makeEntry(batch) }
    } finally {
      this.#open = undefined
    }
  }

  /** As Volume.submit, of an op of a trial. returns the dot it will have. */
  submit(op: Op): Dot {
    assert(this.#open !== undefined && !isClearOp(op), `${op.kind} is of a trial`)
    const { author, moves } = this.#open
    const kind = bodyKindOf(op)
    const { seq, hlc, ops } = this.#open.batch
    if (ops.length === 0) this.#open.batch = new OpenBatch({ seq, hlc, kind })
    const { batch } = this.#open
    assert(batch.kind === kind, 'a trial changes the tree, or sets policies')
    author.checkRight(op)
    const encoded = encodeChecked(op)
    if (!batch.hasRoom(encoded.length)) {
      throw new ShoalError('EFBIG', 'the change is too large for one strong write; split it')
    }
    const index = batch.add(op, encoded)
    const dot = makeDot(author.actor, batch.seq, index)
    const stamp = makeStamp(batch.hlc, author.actor, index)
    const context = { dot, stamp, covers: coversAll, isAppended: author.isAppended }
    if (op.kind !== 'policy') applyOp(this.#c.view, moves, op, context, emptyChanges())
    return dot
  }

  /** A chain forked: if it is that of strong writes of this node, a copy of it writes as well. */
  forked(actor: ActorId): void {
    const author = (this.#author ??= new Author(this.#c, ORIGIN_KEY))
    if (author.actor === actor) author.renew()
  }

  /** True if the log holds the entry, or did. */
  holds({ actor, seq, hash }: EntryName): boolean {
    const { ancestry } = this.#c.replica()
    return ancestry.locate(actor, seq, hash) !== undefined || ancestry.isDropped(actor, seq)
  }

  /** The verdict that receive() would give on an entry. throws as that does. */
  verdictOn(entry: Entry): EntryVerdict {
    const { replica, time, volume } = this.#c
    if (entry.header.volume !== volume)
      throw new ShoalError('malformed', 'an entry belongs to another volume')
    const found = checkEntry(entry, { replica: replica(), nowMs: time.now() })
    if (typeof found === 'string') return found
    // This throws for an unencrypted body that is not a batch.
    replica().read(entry)
    return 'applied'
  }

  /** Take an entry that was chosen, and tell others of it. */
  learn(entry: Entry): EntryVerdict {
    const verdict = this.#c.take(entry)
    if (verdict === 'applied') this.#c.tell(entry)
    return verdict
  }

  /** The claim of this node while an entry may be under way. */
  get heldClaim(): Claim | undefined {
    return this.#held
  }

  /** False once the last hold() was released for good. */
  get isHolding(): boolean {
    return this.#held !== undefined || this.#c.view.get(UNDER_WAY) !== undefined
  }

  /**
   * Claim no more than now until release(). returns true if a commit must come before any proposal.
   */
  hold(): boolean {
    this.#held ??= this.#c.durable()
    if (this.#c.view.get(UNDER_WAY) !== undefined) return false
    this.#c.view.put(UNDER_WAY, Uint8Array.of(1))
    return true
  }

  /**
   * Nothing is under way. `soon`: something will be again, so what hold() makes durable may stay
   * so.
   */
  release(soon: boolean): void {
    this.#held = undefined
    if (!soon && this.#c.view.get(UNDER_WAY) !== undefined) this.#c.view.delete(UNDER_WAY)
  }
}
