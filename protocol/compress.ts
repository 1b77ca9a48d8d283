// The one door to compression: zstd (RFC 8878), synchronous, bounded on the way out: in bytes and
// in memory, whatever a frame says of itself. What is taken is one whole frame without a dictionary
// and nothing else, so that everyone takes the same.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { ShoalError } from './errors.ts'
import { ZSTD_WINDOW_MAX } from './limits.ts'
import { KIB } from './units.ts'

const MAGIC = 0xfd2fb528
const MAGIC_BYTES = 4
const CHECKSUM_BYTES = 4
/** Size of a block head: 1 bit for the last block, 2 for its type, 21 for its size. */
const BLOCK_HEAD_BYTES = 3
const [RAW, RUN, COMPRESSED] = [0, 1, 2]
/** Bytes of the field with the length of the content, by the first two bits of the descriptor. */
const LENGTH_BYTES = [0, 2, 4, 8]
/** A length of two bytes is this much more. */
const LENGTH_OF_TWO = 256
const WINDOW_MIN: number = 1 * KIB

const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
const DECOMPRESSION = { [constants.ZSTD_d_windowLogMax]: Math.log2(ZSTD_WINDOW_MAX) }

/** zstd level 1: the chunk path is bound by this step. One frame. */
export function zstdCompress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, COMPRESSION)
}

/**
 * Inverse of zstdCompress, of any compressor's frame.
 * throws ShoalError 'malformed' on what is not one frame, with a window above ZSTD_WINDOW_MAX, or
 * when the output would exceed `lengthMax` bytes; it stops there.
 */
export function zstdDecompress(bytes: Uint8Array, lengthMax: number): Uint8Array {
  const fault = faultOf(bytes, lengthMax)
  if (fault !== undefined) throw new ShoalError('malformed', `a compressed frame ${fault}`)
  try {
    const maxOutputLength = Math.max(1, lengthMax)
    return zstdDecompressSync(bytes, { maxOutputLength, params: DECOMPRESSION })
  } catch (cause) {
    throw new ShoalError('malformed', 'bytes do not decompress within their bound', { cause })
  }
}

/**
 * The fault in the heads of a frame (RFC 8878 §3.1.1); undefined if there is none. cost: O(blocks).
 */
function faultOf(bytes: Uint8Array, lengthMax: number): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length <= MAGIC_BYTES || view.getUint32(0, true) !== MAGIC) return 'is none'
  const descriptor = view.getUint8(MAGIC_BYTES)
  const isSingle = (descriptor & 0x20) !== 0
  if ((descriptor & 0x08) !== 0) return 'has a reserved bit'
  if ((descriptor & 0x03) !== 0) return 'needs a dictionary'
  const windowAt = MAGIC_BYTES + 1
  const lengthAt = windowAt + (isSingle ? 0 : 1)
  const lengthBytes = LENGTH_BYTES[descriptor >> 6] || (isSingle ? 1 : 0)
  if (lengthAt + lengthBytes > bytes.length) return 'is cut off'
  const length = readLength(view, lengthAt, lengthBytes)
  if (length > lengthMax) return `says that it holds more than ${lengthMax} bytes`
  const window = isSingle ? length : windowOf(view.getUint8(windowAt))
  if (window > ZSTD_WINDOW_MAX) return `asks for a window above ${ZSTD_WINDOW_MAX} bytes`
  const end = bytes.length - ((descriptor & 0x04) === 0 ? 0 : CHECKSUM_BYTES)
  return blocksFault(view, lengthAt + lengthBytes, end, lengthMax)
}

/** 0 where the frame does not say it. */
function readLength(view: DataView, at: number, byteCount: number): number {
  if (byteCount === 1) return view.getUint8(at)
  if (byteCount === 2) return view.getUint16(at, true) + LENGTH_OF_TWO
  if (byteCount === 4) return view.getUint32(at, true)
  return byteCount === 8 ? Number(view.getBigUint64(at, true)) : 0
}

function windowOf(descriptor: number): number {
  const base = WINDOW_MIN * 2 ** (descriptor >> 3)
  return base + (base / 8) * (descriptor & 7)
}

/** Blocks fill [at, end), and those that say how much they hold do not hold too much. */
function blocksFault(
  view: DataView,
  from: number,
  end: number,
  lengthMax: number,
): string | undefined {
  let [at, length, isLast] = [from, 0, false]
  while (!isLast) {
    if (at + BLOCK_HEAD_BYTES > end) return 'is cut off'
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const [type, size] = [(head >> 1) & 3, head >> 3]
    if (type > COMPRESSED) return 'has a reserved block'
    isLast = (head & 1) === 1
    at += BLOCK_HEAD_BYTES + (type === RUN ? 1 : size)
    length += type === RAW || type === RUN ? size : 0
    if (length > lengthMax) return `holds more than ${lengthMax} bytes`
  }
  if (at === end) return undefined
  return at > end ? 'is cut off' : 'goes on after its end'
}
