// The blocks of a CAR as they come, each checked against its CID before it is given. A failure says
// which block it is and where, and nothing that an archive says is made before it was compared with
// its bound.
import {
  CAR_V2_HEADER_BYTES,
  CID_BYTES_MAX,
  decodeCarHeader,
  decodeCarV2Header,
  decodeCid,
  isBlockOf,
} from '../../protocol/car/car.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { CAR_BLOCK_MAX, CAR_HEADER_MAX } from '../../protocol/limits.ts'
import { ByteSource } from './byte-source.ts'
import type { Block, CarHeader, Cid } from '../../protocol/car/car.ts'

/** A block, and where its bytes begin in the archive. */
export interface ScannedBlock extends Block {
  readonly start: number
}

/**
 * The blocks of an archive, which is read to its end. throws ShoalError 'corrupt' for a block that
 * does not match its CID and for an archive that ends early, 'malformed', 'unsupported'; whatever
 * the source throws.
 *
 * onRoots: told the roots before the first block.
 */
export async function* scanCar(
  parts: AsyncIterable<Uint8Array>,
  onRoots: (roots: readonly Cid[]) => void,
): AsyncGenerator<ScannedBlock, void, undefined> {
  const source = new ByteSource(parts)
  try {
    const end = await readHeader(source, onRoots)
    for (let count = 1; source.position < end && !(await source.isAtEnd()); count++)
      yield await readSection(source, count)
    if (source.position < end && end !== Infinity) await source.take(end - source.position)
    // Behind a CARv1 in a CARv2 is an index, which is not needed.
    await source.drain()
  } finally {
    await source.end()
  }
}

/** returns where the blocks end. */
async function readHeader(
  source: ByteSource,
  onRoots: (roots: readonly Cid[]) => void,
): Promise<number> {
  let end = Infinity
  let header = await firstHeader(source)
  if (header.version === 2) {
    const { offset, length } = decodeCarV2Header(await source.take(CAR_V2_HEADER_BYTES))
    await source.skipTo(offset)
    end = offset + length
    header = decodeCarHeader(await takeHeader(source))
  }
  if (header.version !== 1) throw new ShoalError('malformed', 'the archive is a CARv2 in a CARv2')
  onRoots(header.roots)
  return end
}

/** The header at the start: without it this is something else, which is said first. */
async function firstHeader(source: ByteSource): Promise<CarHeader> {
  try {
    return decodeCarHeader(await takeHeader(source))
  } catch (thrown) {
    const { code, message } = asShoalError(thrown)
    if (code !== 'corrupt' && code !== 'malformed') throw thrown
    throw new ShoalError(
      code,
      `this is no CAR archive, as "shoal export" and IPFS tools write them (${message}); nothing was imported`,
      { cause: thrown },
    )
  }
}

async function takeHeader(source: ByteSource): Promise<Uint8Array> {
  return source.take(await source.takeLength(CAR_HEADER_MAX, 'the header of the archive'))
}

async function readSection(source: ByteSource, count: number): Promise<ScannedBlock> {
  const at = source.position
  let cid: Cid | undefined
  try {
    const length = await source.takeLength(CAR_BLOCK_MAX, 'a block')
    const start = source.position
    const head = await source.peek(Math.min(length, CID_BYTES_MAX))
    cid = decodeCid(head)
    const bytes = (await source.take(length)).subarray(cid.bytes.length)
    if (!isBlockOf(cid, bytes)) throw new ShoalError('corrupt', 'its bytes do not match its hash')
    return { cid, bytes, start: start + cid.bytes.length }
  } catch (thrown) {
    const error = asShoalError(thrown)
    if (error.code !== 'corrupt' && error.code !== 'malformed') throw error
    const which = cid === undefined ? '' : ` (${String(cid)})`
    throw new ShoalError(
      'corrupt',
      `block ${count}${which} at byte ${at} of the archive is damaged: ${error.message}; nothing was imported`,
      { cause: thrown },
    )
  }
}
