// Brings a stripe that lies in a tier back to peers: its chunks are gathered from wherever they are
// and coded as they were, and every shard that nobody has goes to a peer. Only when each has a
// holder is the log told, and of the tier in the same breath that it holds nothing any more.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import type { StripeId } from '../../protocol/ids.ts'
import { disperse, provenHolders, withGiven } from '../stripes/shard-dispersal.ts'
import { mapInBatches } from '../stripes/in-parallel.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Chunks fetched at a time: enough of a tier's ranges to be one request. */
const READS_MAX = 64

export interface RecallParts {
  readonly world: Pick<World, 'network' | 'clock' | 'random'>
  readonly store: Store
  readonly hosted: Pick<HostedVolume, 'map' | 'fetcher' | 'client'>
  readonly log: WriteLog
}

export class Recall {
  readonly #parts: RecallParts

  constructor(parts: RecallParts) {
    this.#parts = parts
  }

  /**
   * In memory: the stripe. throws ShoalError 'not-placed' where too few peers take shards,
   * 'chunk-unavailable'.
   */
  async run(id: StripeId, signal: AbortSignal): Promise<void> {
    const { world, store, hosted, log } = this.#parts
    const { map, fetcher, client } = hosted
    const stripe = map.stripe(id)
    if (stripe === undefined || stripe.isCondemned || stripe.cold.length === 0) return
    const { header, headerBytes, cold } = stripe
    const chunks = await mapInBatches(header.chunks, READS_MAX, async (chunk) => ({
      id: chunk.id,
      bytes: await fetcher.fetch(chunk.id, { hints: [], signal }),
    }))
    if (isPlanted('recalled-before-placed'))
      await map.recordRecalled(
        headerBytes,
        stripe.holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer }))),
        cold.map(({ tier }) => ({ tier, stripe: id })),
      )
    const coded = codeStripe(chunks, header.k, header.m, stripe.class)
    if (coded.id !== id)
      throw new ShoalError('corrupt', `stripe ${id} does not consist of the chunks that it lists`)
    const { network, clock, random } = world
    const parts = { store, map, client, network, clock, random }
    const known = await provenHolders(parts, coded, signal)
    const given = await disperse(parts, coded, known, {
      isAvoided: (peer) => map.isAvoided(peer),
      onRefused: (peer, error) => {
        const { code, message } = asShoalError(error)
        log('transfer.shard-not-taken', { stripe: id, peer, code, message })
      },
      signal,
    })
    if (random.unlucky('cold.recall-breaks-off'))
      throw new ShoalError('not-placed', `the recall of ${id} was broken off`)
    const holders = withGiven(known, given)
    const taken = holders.filter((peers) => peers.length > 0).length
    if (taken < holders.length)
      throw new ShoalError(
        'not-placed',
        `only ${taken} of ${holders.length} shards of ${id} were accepted by peers`,
      )
    await map.recordRecalled(
      headerBytes,
      given,
      cold.map(({ tier }) => ({ tier, stripe: id })),
    )
  }
}
