// Restates own entries that have no effect: this node was away for longer than the others waited,
// or was restored from a backup, or had no role then. Nobody's write is lost; at worst it is a
// conflict copy (docs/decisions/0005).
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { linksOf, readInode, readLink } from '../../protocol/tree/records.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { Random } from '../world/world.ts'
import { Restatement } from '../log/restatement.ts'
import type { UnsaidOp } from '../log/restatement.ts'
import { isRestated } from '../state/restated.ts'
import { hasSeq, splitAt, withSeq } from '../state/seq-ranges.ts'
import type { SeqRanges } from '../state/seq-ranges.ts'
import type { StateView } from '../state/state-view.ts'
import type { Volume } from '../log/volume.ts'

/** Per own actor which of its entries were said again. */
const REBASED: ByteString = STATE_PREFIXES.rebased

/** An own entry, with its ops by the labels of the state that is built. */
interface OwnEntry {
  /** In that state. */
  readonly label: ActorId
  readonly seq: number
  readonly ops: readonly UnsaidOp[]
}

export class Rebase {
  readonly #volume: Volume
  readonly #random: Pick<Random, 'bytes'>
  readonly #done: Map<ActorId, SeqRanges>
  readonly #late: OwnEntry[] = []

  constructor(volume: Volume, random: Pick<Random, 'bytes'>) {
    this.#volume = volume
    this.#random = random
    this.#done = readDone(volume.view)
  }

  /**
   * An own entry that came too late, with its ops by the labels of the state that is built, while
   * the volume still has the one in which it counted. old, label: its label in that one and in the
   * new one.
   */
  add(
    { header: { seq } }: Entry,
    ops: readonly (Op | undefined)[],
    { old, label }: { readonly old: ActorId; readonly label: ActorId },
  ): void {
    const done = this.#done.get(old) ?? []
    if (hasSeq(done, seq)) return
    this.#done.set(old, withSeq(done, seq))
    const unsaid = ops.flatMap((op, index) => {
      if (op === undefined) return []
      const place = op.kind === 'version' ? this.#placeOf(op.inode) : undefined
      return [{ op, dot: makeDot(label, seq, index), place }]
    })
    this.#late.push({ label, seq, ops: unsaid })
  }

  /** Say it all again, now that the volume's state is one without it, and has these names. */
  run(renames: readonly Rename[]): void {
    if (this.#late.length === 0 && renames.length === 0) return
    const { membership, identity, removals, replica, view } = this.#volume
    const isMember = membership.roleOf(identity.peer) !== undefined
    const done = isMember ? this.#done : readDone(view)
    view.put(REBASED, encodeDone(renamed(done, renames)))
    if (!isMember && this.#late.length > 0) removals.leaveUnsaid()
    if (!isMember) return
    const restatement = new Restatement(this.#volume, this.#random)
    // Others may have said it by now.
    for (const { label, seq, ops } of this.#late)
      if (!isRestated(replica.view, label, seq)) for (const unsaid of ops) restatement.say(unsaid)
  }

  #placeOf(inode: NodeId): UnsaidOp['place'] {
    const { view } = this.#volume
    const file = readInode(view, inode)
    const [link] = file === undefined ? [] : linksOf(view, inode, file)
    const known = link === undefined ? undefined : readLink(view, link)
    return known === undefined ? undefined : { parent: known.parent, name: known.name }
  }
}

function renamed(
  done: ReadonlyMap<ActorId, SeqRanges>,
  renames: readonly Rename[],
): ReadonlyMap<ActorId, SeqRanges> {
  const out = new Map(done)
  for (const { from, to, fromSeq } of renames) {
    const [stay, go] = splitAt(out.get(from) ?? [], fromSeq)
    if (go.length > 0) out.set(from, stay).set(to, go)
  }
  return out
}

function encodeDone(done: ReadonlyMap<ActorId, SeqRanges>): Uint8Array {
  return encodeCbor([...done].map(([actor, ranges]) => [fromHex(actor), ranges]))
}

function readDone(view: StateView): Map<ActorId, SeqRanges> {
  const bytes = view.get(REBASED)
  if (bytes === undefined) return new Map()
  const pairs = decodeCbor(bytes, 'rebased') as readonly (readonly [Uint8Array, SeqRanges])[]
  return new Map(pairs.map(([actor, ranges]) => [toHex(actor) as ActorId, ranges]))
}
