// A pack: an object of a cold tier that holds all chunks of some stripes. It is a CARv1 file
// (https://ipld.io/specs/transport/car/carv1/): a header that names one root, the sealed chunks as
// raw blocks, stripe after stripe, and last the root, a block that has the headers of the stripes.
// Of every pack:
//   its name and its bytes follow from the volume and its stripes, so an upload that is repeated
//     makes the same object; but a name that had its time is not used again, lest who removes the
//     old object meets the new one
//   where a chunk lies follows from where its stripe begins and from the stripe's header: a reader
//     needs no index
//   all that is in it is sealed; keys are not
import { concatBytes } from '../bytes.ts'
import {
  UNKNOWN_ROOT,
  decodeCid,
  encodeCarHeader,
  encodeSectionHead,
  encodeVarint,
} from '../car/car.ts'
import { encodeCbor } from '../cbor.ts'
import { blake3, deriveKey } from '../hash.ts'
import {
  CID_BYTES,
  CODEC_DAG_CBOR,
  MULTIHASH_BLAKE3,
  PACK_ID_BYTES,
  chunkIdBytes,
  encodeCid,
  hexIdBytes,
  packIdFromBytes,
  stripeIdBytes,
} from '../ids.ts'
import { OP_STRIPES_MAX } from '../limits.ts'
import { MIB } from '../units.ts'
import type { ChunkId, PackId, StripeId, VolumeId } from '../ids.ts'
import type { StripeHeader } from '../stripe/stripe.ts'
import type { ColdPlace } from '../op/op.ts'

/** A stripe with so many bytes of chunks is a pack of its own. */
const PACK_ALONE_BYTES: number = 8 * MIB
/** Smaller ones are packed together until there are so many bytes. */
const PACK_BYTES: number = 32 * MIB

/** A stripe of which a pack is made. */
export interface PackStripe {
  readonly id: StripeId
  readonly header: Pick<StripeHeader, 'chunks'>
  readonly headerBytes: Uint8Array
}

/** All of a pack but the chunks. */
export interface Pack {
  readonly id: PackId
  readonly places: readonly ColdPlace[]
  /** In bytes. */
  readonly size: number
  /** The content in order: bytes, or the data of a chunk. */
  readonly parts: readonly (
    { readonly bytes: Uint8Array } | { readonly chunk: ChunkId; readonly length: number }
  )[]
}

/** Bytes [from, to). */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

const HEADER_BYTES = encodeCarHeader(UNKNOWN_ROOT).length

/** Puts stripes together into packs: see PACK_ALONE_BYTES. */
export class Packing<Stripe extends PackStripe> {
  #small: Stripe[] = []
  #bytes = 0

  /** returns a pack that is full by now, by rising id. */
  add(stripe: Stripe): readonly Stripe[] | undefined {
    const bytes = dataBytes(stripe)
    if (bytes >= PACK_ALONE_BYTES) return [stripe]
    this.#small.push(stripe)
    this.#bytes += bytes
    const isFull = this.#bytes >= PACK_BYTES || this.#small.length >= OP_STRIPES_MAX
    return isFull ? this.rest() : undefined
  }

  /** Whether the rest is too little for a pack, unless it waited long. */
  get isLittle(): boolean {
    return this.#bytes < PACK_ALONE_BYTES
  }

  /** The rest, by ascending id. */
  rest(): readonly Stripe[] {
    const rest = this.#small.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    this.#small = []
    this.#bytes = 0
    return rest
  }
}

/** All in packs. */
export function* packsOf(
  stripes: Iterable<PackStripe>,
): Generator<readonly PackStripe[], void, undefined> {
  const packing = new Packing<PackStripe>()
  for (const stripe of stripes) {
    const full = packing.add(stripe)
    if (full !== undefined) yield full
  }
  const rest = packing.rest()
  if (rest.length > 0) yield rest
}

/** Bytes of the chunks of a stripe. */
export function dataBytes({ header }: Pick<PackStripe, 'header'>): number {
  return header.chunks.reduce((sum, { length }) => sum + length, 0)
}

/** The same of several. */
export function totalDataBytes(stripes: readonly Pick<PackStripe, 'header'>[]): number {
  return stripes.reduce((sum, stripe) => sum + dataBytes(stripe), 0)
}

/**
 * stripes: by rising id, at most OP_STRIPES_MAX. number: below 256, other than 0 where there is an
 * old object of the name that the pack has else.
 */
export function layOutPack(volume: VolumeId, stripes: readonly PackStripe[], number = 0): Pack {
  const parts: Pack['parts'][number][] = []
  const places: ColdPlace[] = []
  let offset = HEADER_BYTES
  for (const { id, header } of stripes) {
    places.push({ stripe: id, offset })
    for (const { id: chunk, length } of header.chunks) {
      parts.push({ bytes: encodeSectionHead(chunkIdBytes(chunk), length) }, { chunk, length })
      offset += blockBytes(length)
    }
  }
  const index = encodeCbor([
    1,
    stripes.map(({ headerBytes }, at) => [headerBytes, places[at]?.offset]),
  ])
  const root = encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, blake3(index))
  return {
    id: packIdOf(volume, stripes, number),
    places,
    size: offset + blockBytes(index.length),
    parts: [
      { bytes: encodeCarHeader(decodeCid(root)) },
      ...parts,
      { bytes: concatBytes([encodeSectionHead(root, index.length), index]) },
    ],
  }
}

/** The byte range in a pack of chunk `index` of the stripe that begins at `offset`. */
export function chunkRange(
  { chunks }: Pick<StripeHeader, 'chunks'>,
  index: number,
  offset: number,
): ByteRange {
  const to = offset + (endsOf(chunks)[index] ?? 0)
  return { from: to - (chunks[index]?.length ?? 0), to }
}

/** The key of a pack below the place of its tier. */
export function packKey(volume: VolumeId, pack: PackId): string {
  return `${packsPrefix(volume)}${pack}.car`
}

/** The common prefix of the keys of a volume's packs. */
export function packsPrefix(volume: VolumeId): string {
  return `${volume}/packs/`
}

/** Inverse of packKey; undefined for what is no pack of the volume. */
export function packOfKey(volume: VolumeId, key: string): PackId | undefined {
  const prefix = packsPrefix(volume)
  const [, id] = /^([0-9a-f]{32})\.car$/.exec(key.slice(prefix.length)) ?? []
  return key.startsWith(prefix) ? (id as PackId | undefined) : undefined
}

function packIdOf(volume: VolumeId, stripes: readonly PackStripe[], number: number): PackId {
  const ids = stripes.map(({ id }) => stripeIdBytes(id))
  const last = number === 0 ? [] : [Uint8Array.of(number)]
  const material = concatBytes([hexIdBytes(volume), ...ids, ...last])
  return packIdFromBytes(deriveKey('shoal 2026 pack id v1', material).subarray(0, PACK_ID_BYTES))
}

/** One chunk after the other is asked for, and the last lies behind all others. */
const knownEnds = new WeakMap<StripeHeader['chunks'], readonly number[]>()

/** End offsets of the chunks' blocks, counted from the start of the stripe. */
function endsOf(chunks: StripeHeader['chunks']): readonly number[] {
  const known = knownEnds.get(chunks)
  if (known !== undefined) return known
  let end = 0
  const ends = chunks.map(({ length }) => (end += blockBytes(length)))
  knownEnds.set(chunks, ends)
  return ends
}

/** Length in a pack of a chunk with so many bytes of data. */
export function blockBytes(length: number): number {
  return encodeVarint(CID_BYTES + length).length + CID_BYTES + length
}
