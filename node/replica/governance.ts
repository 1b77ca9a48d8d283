// The governing entries of a volume as this node keeps them: for good, whatever becomes of the rest
// of the log. 'A' hash -> the entry in wire form. Each is verified by itself
// (protocol/membership/governance.ts), whoever brought it, so what they say is believed of nobody
// else.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { GOVERNED_MAX } from '../../protocol/limits.ts'
import { decodeBatch } from '../../protocol/log/batch.ts'
import {
  actorIdOf,
  authorOfGoverning,
  decodeKnownEntry,
  encodeEntry,
  isClear,
  isGoverning,
  verifyEntry,
} from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { GovernanceState } from '../../protocol/membership/governance-state.ts'
import { GoverningDag } from '../../protocol/membership/governance.ts'
import type { GoverningAct, Origins } from '../../protocol/membership/governance.ts'
import { isGoverningOp } from '../../protocol/op/op.ts'
import type { Op } from '../../protocol/op/op.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { StateView } from '../state/state-view.ts'

const ENTRY: ByteString = STATE_PREFIXES.governingEntry
/** States as of some acts that are kept: of the cuts that checkpoints are made at. */
const STATES_MAX = 8

/**
 * Ops of an entry by index, as far as its author's role allows; undefined: it cannot be read, or
 * not yet.
 */
export type ReadOps = (entry: Entry) => readonly (Op | undefined)[] | undefined

export class Governance {
  readonly dag: GoverningDag
  readonly #view: StateView
  /** Acts of which this node could not read what they say. */
  readonly #unread = new Set<EntryHash>()
  readonly #states = new Map<string, GovernanceState>()
  #state: GovernanceState | undefined
  #version = 0

  private constructor(view: StateView, origins: Origins) {
    this.#view = view
    this.dag = new GoverningDag(origins)
  }

  /** Opens the governance of this volume; readAgain() reads it. */
  static async open(view: StateView, origins: Origins): Promise<Governance> {
    const governance = new Governance(view, origins)
    const entries: Entry[] = []
    for await (const [key, value] of view.scan(ENTRY, prefixEnd(ENTRY)))
      entries.push(decodeKnownEntry(value, toHex(fromByteString(key.slice(1))) as EntryHash))
    entries.sort((a, b) => (a.header.hlc < b.header.hlc ? -1 : 1))
    for (const entry of entries) governance.#add(entry, () => undefined)
    return governance
  }

  /** Grows with each that is taken, or read. */
  get version(): number {
    return this.#version
  }

  /** The state of the volume by all of them. */
  get state(): GovernanceState {
    return (this.#state ??= GovernanceState.of(this.dag))
  }

  /** The same of those up to some. */
  stateAt(heads: readonly EntryHash[]): GovernanceState {
    const name = heads.join()
    const known = this.#states.get(name)
    if (known !== undefined) return known
    const state = GovernanceState.of(this.dag, this.dag.upTo(heads))
    if (this.#states.size >= STATES_MAX) this.#states.clear()
    this.#states.set(name, state)
    return state
  }

  has(id: EntryHash): boolean {
    return this.dag.get(id) !== undefined
  }

  /**
   * The heads to name in an entry by a writer that holds these of them: the newest, should there be
   * too many.
   */
  headsIn(holds: (act: GoverningAct) => boolean): EntryHash[] {
    const held = [...this.dag.all()].filter(holds)
    const named = new Set(held.flatMap(({ parents }) => parents))
    const heads = held.filter(({ id }) => !named.has(id)).sort((a, b) => (a.hlc > b.hlc ? -1 : 1))
    return heads
      .slice(0, GOVERNED_MAX)
      .map(({ id }) => id)
      .sort()
  }

  /** The first act that a governing entry names and that is not here. */
  missingOf({ header }: Entry): EntryHash | undefined {
    return this.dag.missingOf(header.governed ?? [])
  }

  /**
   * Is this a governing entry that may be kept, all that it names being here?
   * throws ShoalError 'malformed', 'bad-signature', 'not-a-member'.
   */
  check(entry: Entry): void {
    const { header } = entry
    const name = `entry ${header.actor}:${header.seq}`
    const { volume } = this.dag.origins
    if (!isGoverning(header) || header.origin === undefined || header.volume !== volume)
      throw new ShoalError('malformed', `${name} does not govern this volume`)
    if (actorIdOf(volume, header.origin) !== header.actor)
      throw new ShoalError('malformed', `${name} does not belong to the key that signed it`)
    if (!verifyEntry(entry, header.origin.publicKey))
      throw new ShoalError('bad-signature', `${name} is not signed by its author`)
    const act = actOf(entry, [])
    const isRead = isClear(header) && this.dag.isOfNoGovernor(act)
    this.dag.check(isRead ? actOf(entry, decodeBatch(entry.body)) : act)
  }

  /** Keep an entry that check() took, durable with the next commit. returns whether it is new. */
  take(entry: Entry, read: ReadOps): boolean {
    if (this.has(entry.hash)) return false
    this.#add(entry, read)
    this.#view.put(ENTRY + toByteString(fromHex(entry.hash)), encodeEntry(entry))
    return true
  }

  /** This node has keys that it did not have: read what could not be. */
  readAgain(read: ReadOps): void {
    const waiting = [...this.#unread].map((id) => this.entry(id)).filter((one) => one !== undefined)
    // Clear ones first, one by one: what they grant decides on the next. Sealed ones grant nothing.
    for (const entry of waiting.filter(({ header }) => isClear(header))) this.#add(entry, read)
    const sealed = waiting.filter(({ header }) => !isClear(header))
    for (const [entry, ops] of sealed.map((one) => [one, read(one)] as const))
      if (ops !== undefined) this.#add(entry, () => ops)
  }

  entry(id: EntryHash): Entry | undefined {
    const bytes = this.#view.get(ENTRY + toByteString(fromHex(id)))
    return bytes === undefined ? undefined : decodeKnownEntry(bytes, id)
  }

  /** All entries that who knows these does not, each after those that it names. */
  *beyond(heads: readonly EntryHash[]): Generator<Entry> {
    const known = this.dag.upTo(heads)
    for (const { id } of this.dag.all()) {
      const entry = known.has(id) ? undefined : this.entry(id)
      if (entry !== undefined) yield entry
    }
  }

  #add(entry: Entry, read: ReadOps): void {
    const ops = read(entry)
    if (ops === undefined) this.#unread.add(entry.hash)
    else this.#unread.delete(entry.hash)
    this.dag.add(actOf(entry, ops ?? []))
    this.#version++
    this.#state = undefined
    if (ops === undefined) return
    // An act that is read only now may be in the past of any.
    this.#states.clear()
  }
}

function actOf({ header, hash }: Entry, ops: readonly (Op | undefined)[]): GoverningAct {
  const { actor, seq, hlc, grant, governed = [] } = header
  const author = authorOfGoverning(header)
  const governing = ops.map((op) => (op !== undefined && isGoverningOp(op) ? op : undefined))
  return { id: hash, author, actor, seq, hlc, grant, parents: governed, ops: governing }
}
