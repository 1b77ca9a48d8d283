// Are the stripes in a tier that the log says lie there? Each object is asked for; of some stripes,
// or all, every byte is read.
import { chunkIdBytes } from '../../protocol/ids.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { encodeSectionHead } from '../../protocol/car/car.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { blockBytes, dataBytes, packKey, packOfKey, packsPrefix } from '../../protocol/cold/pack.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { PackId, StripeId } from '../../protocol/ids.ts'
import type { VerifyEvent } from '../control/cold.ts'
import type { ColdCopy, MappedStripe } from '../shard-map/stripe-map.ts'
import { ExactReader } from './exact-reader.ts'
import type { VerifyParts } from './verify-backup.ts'

/** Stripes looked at before others have their turn. */
const PACE = 64

interface InTier {
  readonly id: StripeId
  readonly stripe: MappedStripe
  readonly copy: ColdCopy
}

export interface VerifiedPacks {
  readonly stripes: number
  readonly packs: number
  readonly readStripes: number
  readonly readBytes: number
  /** The number of those to be read that are in an archive, where they cannot be read now. */
  readonly archived: number
}

/**
 * sample: how many stripes are read, chosen by chance. In memory: the ids of all packs. throws
 * ShoalError 'cold-*'.
 */
export async function* verifyPacks(
  parts: VerifyParts,
  sample: number,
  signal: AbortSignal,
): AsyncGenerator<VerifyEvent, VerifiedPacks, undefined> {
  const { hosted, tier: name } = parts
  const tier = hosted.tiers.open(name)
  const sizes = new Map<PackId, number>()
  for await (const { key, bytes } of tier.list(packsPrefix(hosted.volume.id), { signal })) {
    const pack = packOfKey(hosted.volume.id, key)
    if (pack !== undefined) sizes.set(pack, bytes)
  }
  const missing = new Map<PackId, number>()
  const chosen: InTier[] = []
  let stripes = 0
  for await (const each of stripesIn(parts, signal)) {
    stripes++
    const end = each.copy.offset + lengthOf(each.stripe)
    if ((sizes.get(each.copy.pack) ?? 0) < end)
      missing.set(each.copy.pack, (missing.get(each.copy.pack) ?? 0) + 1)
    else if (chosen.length < sample) chosen.push(each)
    else {
      const at = Math.floor(parts.world.random.number() * stripes)
      if (at < sample) chosen[at] = each
    }
  }
  for (const [pack, count] of missing) {
    const state = sizes.has(pack) ? 'is too short' : 'is missing'
    yield problemOf(parts, pack, `${state} and should contain ${count} stripes`)
  }
  const totalBytes = chosen.reduce((sum, { stripe }) => sum + dataBytes(stripe), 0)
  let [doneBytes, archived] = [0, 0]
  for (const each of chosen) {
    try {
      await readStripe(parts, each, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (hasCode(error, 'cold-archived')) archived++
      else if (hasCode(error, 'cold-corrupt') || hasCode(error, 'cold-missing'))
        yield problemOf(parts, each.copy.pack, asShoalError(error).message)
      else throw error
    }
    doneBytes += dataBytes(each.stripe)
    yield { kind: 'progress', doneBytes, totalBytes }
  }
  const read = { readStripes: chosen.length, readBytes: doneBytes }
  return { stripes, packs: sizes.size, ...read, archived }
}

/** throws ShoalError 'cold-corrupt' unless each byte of it is as it was put. */
async function readStripe(
  { hosted: { volume, tiers }, tier }: VerifyParts,
  { id, stripe, copy: { pack, offset } }: InTier,
  signal: AbortSignal,
): Promise<void> {
  const range = { from: offset, to: offset + lengthOf(stripe) }
  const source = new ExactReader(tiers.open(tier).get(packKey(volume.id, pack), range, { signal }))
  try {
    for (const { id: chunk, length } of stripe.header.chunks) {
      const head = encodeSectionHead(chunkIdBytes(chunk), length)
      const isRight =
        equalBytes(await source.take(head.length), head) &&
        verifyChunk(chunk, await source.take(length))
      if (!isRight)
        throw new ShoalError('cold-corrupt', `does not hold chunk ${chunk} of stripe ${id}`)
    }
  } finally {
    await source.close()
  }
}

function lengthOf({ header }: MappedStripe): number {
  return header.chunks.reduce((sum, { length }) => sum + blockBytes(length), 0)
}

async function* stripesIn(
  { hosted: { map }, tier, world: { clock } }: VerifyParts,
  signal: AbortSignal,
): AsyncGenerator<InTier, void, undefined> {
  let steps = 0
  for (const group of map.groups()) {
    if (group.isCondemned || !group.tiers.includes(tier)) continue
    for await (const id of map.stripesOf(group.id)) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      const copy = stripe?.cold.find((each) => each.tier === tier)
      if (stripe !== undefined && copy !== undefined) yield { id, stripe, copy }
    }
  }
}

function problemOf({ hosted, tier }: VerifyParts, pack: PackId, why: string): VerifyEvent {
  const what = `cold tier ${tier}: ${packKey(hosted.volume.id, pack)} ${why}`
  return { kind: 'problem', tier, what }
}
