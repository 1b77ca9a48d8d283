// Puts one pack into a tier: what its stripes hold, gathered as it is sent, and then read back,
// every byte of it compared with what it should be. What was put by an upload that was broken off
// is not put again; what is found to be other than it should is removed. Only who gets a Pack from
// here may say that the tier holds it.
import { equalBytes } from '../../protocol/bytes.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { layOutPack, packKey } from '../../protocol/cold/pack.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { Pack, PackStripe } from '../../protocol/cold/pack.ts'
import type { ChunkId, VolumeId } from '../../protocol/ids.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import { ExactReader } from './exact-reader.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** Chunks gathered ahead of the one that is sent. */
const AHEAD_MAX = 8
const NUMBER_MAX = 255
/**
 * A pack that was put so long ago and is named by nobody may be removed just now (unused-packs.ts):
 * its name is left alone.
 */
const AGAIN_MS: number = 12 * HOUR_MS

export interface UploadParts {
  readonly volume: VolumeId
  readonly tier: ObjectTier
  readonly tierName: string
  readonly clock: Pick<Clock, 'wall'>
  /** The sealed chunk. throws ShoalError 'chunk-unavailable'. */
  readonly fetch: (chunk: ChunkId, signal: AbortSignal) => Promise<Uint8Array>
}

/**
 * stripes: by rising id. throws ShoalError 'cold-*', 'chunk-unavailable'. In memory: some chunks.
 */
export async function uploadPack(
  parts: UploadParts,
  stripes: readonly PackStripe[],
  signal: AbortSignal,
): Promise<Pack> {
  const { volume, tier, fetch } = parts
  const { pack, isThere } = await choose(parts, stripes, signal)
  const key = packKey(volume, pack.id)
  if (!isThere) await tier.put(key, pack.size, contentOf(pack, fetch, signal), { signal })
  try {
    const verified = verify(pack, parts, signal)
    if (isPlanted('pack-not-read-back')) void ignoreFailure(verified, 'a fault is planted')
    else await verified
  } catch (error) {
    // Its bytes cannot be had for hours; the tier has said that it stored just these.
    if (hasCode(error, 'cold-archived')) return pack
    if (hasCode(error, 'cold-corrupt')) await tier.remove([key], { signal })
    throw error
  }
  return pack
}

/** Under which name, and whether it was put there not long ago. */
async function choose(
  { volume, tier, clock }: UploadParts,
  stripes: readonly PackStripe[],
  signal: AbortSignal,
): Promise<{ readonly pack: Pack; readonly isThere: boolean }> {
  for (let number = 0; ; number++) {
    const pack = layOutPack(volume, stripes, number)
    const there = await tier.head(packKey(volume, pack.id), { signal })
    if (there === undefined) return { pack, isThere: false }
    if (clock.wall() - there.modifiedMs < AGAIN_MS || number === NUMBER_MAX)
      return { pack, isThere: there.bytes === pack.size }
  }
}

async function* contentOf(
  { parts }: Pack,
  fetch: UploadParts['fetch'],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const ahead: Promise<Uint8Array>[] = []
  let next = 0
  for (let at = 0; at < parts.length; at++) {
    for (; next < parts.length && ahead.length < AHEAD_MAX; next++) {
      const part = parts[next]
      if (part === undefined) break
      const bytes = 'bytes' in part ? Promise.resolve(part.bytes) : fetch(part.chunk, signal)
      // A waiter hears of its failure; nobody waits any more when an earlier one failed.
      void ignoreFailure(bytes, 'it is thrown where it is awaited')
      ahead.push(bytes)
    }
    const bytes = await ahead.shift()
    if (bytes !== undefined) yield bytes
  }
}

/** throws ShoalError 'cold-corrupt' unless the tier holds the pack as it should be. */
async function verify(
  pack: Pack,
  { volume, tier, tierName }: UploadParts,
  signal: AbortSignal,
): Promise<void> {
  const key = packKey(volume, pack.id)
  // One more, which is not to be there. Each byte is compared here, so the tier need not.
  const source = new ExactReader(tier.get(key, { from: 0, to: pack.size + 1 }, { signal }))
  const wrong = `cold tier ${tierName}: ${key} reads back other than it was put; it is put again later`
  try {
    for (const part of pack.parts) {
      const bytes = await source.take('bytes' in part ? part.bytes.length : part.length)
      const isRight =
        'bytes' in part ? equalBytes(bytes, part.bytes) : verifyChunk(part.chunk, bytes)
      if (!isRight && !isPlanted('pack-not-compared')) throw new ShoalError('cold-corrupt', wrong)
    }
    if ((await source.take(1)).length > 0) throw new ShoalError('cold-corrupt', wrong)
  } finally {
    await source.close()
  }
}
