// The actions of users in a simulated year: they write files, each a stripe of its own, and delete
// some. Stripes are placed by the real placer; one counts as placed once each of its shards has a
// holder.
import { StripePlacer } from '../../node/stripes/stripe-placer.ts'
import { PlacementQueue } from '../../node/stripes/placement-queue.ts'
import { ShardClient } from '../../node/peers/shards.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../protocol/ids.ts'
import { blake3 } from '../../protocol/hash.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { MemoryMarks } from './memory-marks.ts'
import { SIMULATED_SHARD_BYTES } from './swarm.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import { isListed } from '../../node/shard-map/stripe-map.ts'
import type { Host } from './host.ts'
import type { Swarm } from './swarm.ts'

const CHUNKS = 3
const PLACE_MS: number = 10 * MINUTE_MS

export class Workload {
  readonly #swarm: Swarm
  /** Files that were placed and not deleted, with their stripes. */
  readonly #files = new Map<string, StripeId>()
  #written = 0

  constructor(swarm: Swarm) {
    this.#swarm = swarm
  }

  get fileCount(): number {
    return this.#files.size
  }

  /** Write a file on a host. returns whether it was placed. */
  async write(host: Host): Promise<boolean> {
    const { truth } = this.#swarm
    const { node, machine } = host
    if (node === undefined) return false
    const file = `f${this.#written++}`
    const stripe = this.#code()
    truth.addStripe(stripe.id, stripe.header)
    const { network, clock, random } = machine.world
    const { volume } = this.#swarm
    const client = new ShardClient(machine.world, { volume })
    const placer = new StripePlacer({
      store: node.store,
      map: node.map,
      client,
      network,
      clock,
      random,
      placementQueue: await PlacementQueue.open(new MemoryMarks()),
      dedupCheck: node.dedupCheck,
      log: (message, fields) => this.#swarm.note(host, message, fields),
      onKept: () => undefined,
      placedCopies: { add: () => undefined },
    })
    const chunks = stripe.header.chunks.map((chunk, order) => ({ ...chunk, class: '', order }))
    const outcome = await placer.place(stripe, chunks, { signal: clock.timeout(PLACE_MS) })
    client.close()
    if (outcome === 'none') return false
    if (outcome === 'full') {
      truth.promise(stripe.id)
      this.#files.set(file, stripe.id)
    }
    await node.map.submit({ kind: 'file', file, stripe: stripe.id })
    return outcome === 'full'
  }

  /** Delete one of the files from a host that knows it. */
  async delete({ node, table }: Host, draw: number): Promise<void> {
    const files = [...this.#files.keys()]
    const file = files[draw % files.length]
    const stripe = this.#files.get(file ?? '')
    if (node === undefined || file === undefined || stripe === undefined) return
    if (table.stripe(stripe) === undefined) return
    this.#files.delete(file)
    if (![...this.#files.values()].includes(stripe)) this.#swarm.truth.release(stripe)
    await node.map.submit({ kind: 'delete', file })
  }

  /**
   * Write a file whose chunks the host knows to be in a stripe, which it then references; where it
   * is cut off, rather of a file that is deleted, as far as it knows.
   */
  async reference(host: Host, draw: number): Promise<void> {
    const { node, table } = host
    const known = table.stripes().filter((id) => {
      const chunks = table.stripe(id)?.header.chunks ?? []
      return chunks.every((chunk) => isListed(table, chunk.id, undefined))
    })
    const dying = known.filter((id) => !table.isNeeded(id))
    const choice = dying.length > 0 && this.#swarm.apart.has(host) ? dying : known
    const stripe = choice[draw % choice.length]
    if (node === undefined || stripe === undefined) return
    const file = `f${this.#written++}`
    await node.map.submit({ kind: 'file', file, stripe })
    this.#files.set(file, stripe)
    this.#swarm.truth.promise(stripe)
    const mapped = table.stripe(stripe)
    // Condemned just now: whoever wrote says that it is in use.
    if (mapped?.isCondemned === true) await node.map.recordStripe(mapped.headerBytes, [])
  }

  #code(): CodedStripe {
    const { class: cls, random } = this.#swarm
    const [k, m] = cls.kind === 'rs' ? [cls.k, cls.m] : [1, 0]
    const chunks = Array.from({ length: CHUNKS }, () => {
      const bytes = random.bytes(Math.floor((k * SIMULATED_SHARD_BYTES) / CHUNKS))
      const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
      return { id, bytes }
    })
    return codeStripe(chunks, k, m)
  }
}
