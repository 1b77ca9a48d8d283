// Watches the logs of all nodes of a run: keeps every entry that any of them ever made durable, and
// checks each one once. Invariants (numbers as in check-error.ts): 14 an (actor, seq) names one
// entry for ever, but for who writes on a restored or a copied disk; 15 an actor's entries are a
// chain without gaps, and no store holds an entry without its past; 16 clocks grow along prev and
// deps.
import { toHex } from '../protocol/bytes.ts'
import { HASH_BYTES } from '../protocol/hash.ts'
import { decodeEntry } from '../protocol/log/entry.ts'
import { CheckError } from './check-error.ts'
import type { StoredVolume } from './inspection.ts'
import type { SeededRandom } from './random.ts'
import type { ActorTable } from '../node/replica/actors.ts'
import type { KvWrite } from '../node/store/kv.ts'
import type { ByteString } from '../protocol/bytes.ts'
import { peerIdFromPublicKey } from '../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId } from '../protocol/ids.ts'
import type { Dependency, Entry, EntryHeader } from '../protocol/log/entry.ts'

/**
 * A key of an entry: namespace, tag of the volume, generation, table, label, seq
 * (node/state/entries.ts).
 */
const ENTRY_KEYS: readonly { readonly tableAt: number; readonly length: number }[] = [
  { tableAt: 3, length: 26 },
  { tableAt: 5, length: 28 },
]

interface Known {
  readonly entry: Entry
  readonly chain: Chain
  /** The node whose store had it first. */
  readonly at: string
}

/** Entries that follow each other along prev; where an actor's log forks, another chain begins. */
interface Chain {
  last: EntryHash
  /** The entry that its first one follows. */
  readonly from: { readonly chain: Chain; readonly seq: number } | undefined
}

export class LogWatch {
  readonly #known = new Map<EntryHash, Known>()
  readonly #byNumber = new Map<string, EntryHash>()
  /** Per node the last entry that was new when its store had it: its own. */
  readonly #ownLast = new Map<string, EntryHeader>()
  /** Those that may write twice as one. */
  readonly #forked = new Set<PeerId>()
  readonly #peerOf = new Map<ActorId, PeerId>()
  #failure: CheckError | undefined

  /** How many entries there ever were. */
  get entryCount(): number {
    return this.#known.size
  }

  /** The last entry that a node has made durable of its own. */
  lastOf(node: string): Pick<EntryHeader, 'actor' | 'seq'> | undefined {
    return this.#ownLast.get(node)
  }

  /** The same peer writes on two disks, or on an old one. */
  mayFork(peer: PeerId): void {
    this.#forked.add(peer)
  }

  /** Entries come into the store of a node. What is wrong with them is thrown at the next look. */
  written(node: string, batch: readonly KvWrite[]): void {
    for (const write of batch) {
      if (write.kind !== 'put' || !isEntryKey(write.key)) continue
      const hash = toHex(write.value.subarray(0, HASH_BYTES)) as EntryHash
      if (this.#known.has(hash)) continue
      const entry = decodeEntry(write.value.subarray(HASH_BYTES))
      this.#known.set(hash, { entry, chain: this.#chainOf(entry), at: node })
      this.#ownLast.set(node, entry.header)
      this.#failure ??= this.#wrongWith(entry, node)
    }
  }

  /**
   * Does a store hold all that its vector says? throws CheckError, also for what was written
   * before.
   */
  look(node: string, { replica: { actors, entries } }: StoredVolume): void {
    if (this.#failure !== undefined) throw this.#failure
    const tips = this.#tipsOf(actors)
    for (const [label, seq] of actors.vector()) {
      const last = actors.get(label)
      const known = last === undefined ? undefined : this.#known.get(last.hash)
      if (last === undefined || known === undefined) continue
      const isDropped = seq <= (entries.dropped.get(label) ?? 0)
      if (!isDropped && entries.hash(label, seq) !== last.hash)
        throw new CheckError('15 logs have no gaps', `${node} lost ${nameOf(known.entry.header)}`)
      for (const dep of known.entry.header.deps) {
        if (this.#isHeld(tips, dep)) continue
        const what = `${node} holds ${nameOf(known.entry.header)} without ${nameOf(dep)}, its past`
        throw new CheckError('15 logs have no gaps', what)
      }
    }
  }

  /**
   * All entries of a store, those it dropped too, each after its past, otherwise in an order by
   * chance.
   */
  inRandomOrder(random: SeededRandom, { replica: { actors } }: StoredVolume): readonly Entry[] {
    const tips = this.#tipsOf(actors)
    const order: Entry[] = []
    const ready: Entry[] = []
    /** Entries by what they wait for, and how much that is. */
    const waiting = new Map<EntryHash, Entry[]>()
    const lacks = new Map<EntryHash, number>()
    for (const hash of [...this.#known.keys()].sort()) {
      const entry = this.#known.get(hash)?.entry
      if (entry === undefined || !this.#isHeld(tips, { hash, ...entry.header })) continue
      const past = pastOf(entry.header)
      for (const other of past) waiting.set(other, [...(waiting.get(other) ?? []), entry])
      lacks.set(hash, past.length)
      if (past.length === 0) ready.push(entry)
    }
    while (ready.length > 0) {
      const [entry] = ready.splice(random.below(ready.length), 1)
      if (entry === undefined) break
      order.push(entry)
      for (const next of waiting.get(entry.hash) ?? []) {
        const left = (lacks.get(next.hash) ?? 0) - 1
        lacks.set(next.hash, left)
        if (left === 0) ready.push(next)
      }
    }
    return order
  }

  /** By actor the last entries of its branches that a store has. */
  #tipsOf(actors: ActorTable): ReadonlyMap<ActorId, readonly Known[]> {
    const tips = new Map<ActorId, Known[]>()
    for (const { hash } of actors.all()) {
      const known = this.#known.get(hash)
      if (known === undefined) continue
      const { actor } = known.entry.header
      tips.set(actor, [...(tips.get(actor) ?? []), known])
    }
    return tips
  }

  #isHeld(tips: ReadonlyMap<ActorId, readonly Known[]>, wanted: Dependency): boolean {
    return (tips.get(wanted.actor) ?? []).some((tip) => this.#follows(tip, wanted))
  }

  #chainOf({ header, hash }: Entry): Chain {
    const { actor, seq, prev, origin } = header
    if (origin !== undefined) this.#peerOf.set(actor, peerIdFromPublicKey(origin.publicKey))
    const before = prev === undefined ? undefined : this.#known.get(prev)?.chain
    if (before === undefined) return { last: hash, from: undefined }
    if (before.last !== prev) return { last: hash, from: { chain: before, seq: seq - 1 } }
    before.last = hash
    return before
  }

  /** Is it the entry named, or after it on its chain? */
  #follows(tip: Known, { hash, seq }: Dependency): boolean {
    const wanted = this.#known.get(hash)?.chain
    let [chain, last]: [Chain | undefined, number] = [tip.chain, tip.entry.header.seq]
    while (chain !== undefined && chain !== wanted) {
      last = Math.min(last, chain.from?.seq ?? 0)
      chain = chain.from?.chain
    }
    return chain !== undefined && seq <= last
  }

  #wrongWith({ header, hash }: Entry, node: string): CheckError | undefined {
    const number = `${header.actor}:${header.seq}`
    const other = this.#byNumber.get(number)
    this.#byNumber.set(number, hash)
    const peer = this.#peerOf.get(header.actor)
    if (other !== undefined && (peer === undefined || !this.#forked.has(peer))) {
      const at = this.#known.get(other)?.at ?? ''
      const what = `${nameOf(header)} is ${other} at ${at} and ${hash} at ${node}`
      return new CheckError('14 no number twice', what)
    }
    for (const before of pastOf(header)) {
      const known = this.#known.get(before)
      if (known === undefined) {
        const what = `${node} has ${nameOf(header)}, whose past ${before} nobody wrote`
        return new CheckError('15 logs have no gaps', what)
      }
      if (known.entry.header.hlc < header.hlc) continue
      const what = `the clock of ${nameOf(header)} is not above that of its past`
      return new CheckError('16 clocks advance', what)
    }
    return undefined
  }
}

/** Is it the key of an entry? Its value is the entry's hash, and the entry. */
export function isEntryKey(key: ByteString): boolean {
  return (
    key.startsWith('n') &&
    ENTRY_KEYS.some(({ tableAt, length }) => key.length === length && key[tableAt] === 'e')
  )
}

function pastOf({ prev, deps }: EntryHeader): readonly EntryHash[] {
  return [...(prev === undefined ? [] : [prev]), ...deps.map(({ hash }) => hash)]
}

function nameOf({ actor, seq }: { readonly actor: ActorId; readonly seq: number }): string {
  return `${actor.slice(0, 8)}:${seq}`
}
