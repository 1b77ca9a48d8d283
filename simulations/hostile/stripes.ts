// Stripes in the hands of a liar: what it knows of them, those that it makes, and what honest
// holders show of them.
import { ShoalError } from '../../protocol/errors.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import type { Holding, Op } from '../../protocol/op/op.ts'
import type { MappedStripe } from '../../node/shard-map/stripe-map.ts'
import { disbelieved } from './attack.ts'
import type { Stage } from './attack.ts'
import { giveAll } from './attacks/ops.ts'
import type { EntryFields } from './liar.ts'

export interface Stored {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

/** In use, as the liar knows them. */
export async function stripesOf({ liar }: Stage): Promise<ReadonlyMap<StripeId, MappedStripe>> {
  const found = new Map<StripeId, MappedStripe>()
  for await (const id of liar.map.stripes()) {
    const stripe = liar.map.stripe(id)
    if (stripe?.isCondemned === false) found.set(id, stripe)
  }
  return found
}

/** All shards of the stripes in use that somebody is said to hold, as the liar knows them. */
export async function heldShards(
  stage: Stage,
): Promise<ReadonlyMap<StripeId, readonly Pick<Holding, 'index' | 'peer'>[]>> {
  const held = new Map<StripeId, readonly Pick<Holding, 'index' | 'peer'>[]>()
  for (const [stripe, { holders }] of await stripesOf(stage)) {
    const shards = holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer })))
    held.set(stripe, shards)
  }
  return held
}

/** Write ops, after what it wrote before, and give them to all who are honest. */
export async function tell(
  stage: Stage,
  ops: readonly Op[],
  fields?: EntryFields,
): Promise<ReturnType<Stage['liar']['entry']>> {
  const { liar } = stage
  const entry = liar.entry(ops, fields)
  liar.volume.receive(entry)
  await giveAll(stage, [entry])
  return entry
}

/**
 * Have honest nodes keep a stripe. returns the op that says so. throws ShoalError if none of them
 * takes it.
 */
export async function placed(
  { liar, honest, random }: Stage,
  { headerBytes, shards }: CodedStripe,
): Promise<Op> {
  const holders: Holding[] = []
  const first = random.below(honest.length)
  for (const [index, shard] of shards.entries()) {
    const peer = honest[(first + index) % honest.length]?.peer
    if (peer === undefined) break
    const put = { header: headerBytes, index, shard }
    const receipt = await liar.shards.put(peer, put, { signal: liar.deadline() })
    holders.push({ index, peer, receipt })
  }
  return { kind: 'stripe', header: headerBytes, holders }
}

/** Two copies of chunks, with bytes that may be others. */
export function copiesOf(chunks: readonly Stored[]): CodedStripe {
  return codeStripe(chunks, 1, 1)
}

/** Learn what was written meanwhile. */
export async function hear({ liar, founder }: Stage): Promise<void> {
  for (const message of await liar.exchange(founder.peer, []))
    if (message.kind === 'entries') for (const entry of message.entries) liar.volume.receive(entry)
}

/** Shards that some honest node says it has, by their stripes. */
export async function shownOf(
  { liar, honest }: Stage,
  stripes: Iterable<StripeId>,
): Promise<ReadonlyMap<StripeId, ReadonlySet<number>>> {
  const shown = new Map<StripeId, ReadonlySet<number>>()
  for (const stripe of stripes) {
    const indices = new Set<number>()
    for (const { peer } of honest) {
      try {
        const its = await liar.shards.have(peer, stripe, { signal: liar.deadline() })
        for (const index of its) indices.add(index)
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
      }
    }
    shown.set(stripe, indices)
  }
  return shown
}

/** Whatever was shown of these stripes is shown still. throws CheckError. */
export function nothingGone(
  before: ReadonlyMap<StripeId, ReadonlySet<number>>,
  after: ReadonlyMap<StripeId, ReadonlySet<number>>,
  stripes: ReadonlyMap<StripeId, unknown>,
): void {
  for (const [stripe, indices] of before) {
    const gone = indices.difference(after.get(stripe) ?? new Set())
    const what = `${gone.size} of ${indices.size} shards of ${stripe} were let go of`
    disbelieved(gone.size === 0 || !stripes.has(stripe), what)
  }
}
