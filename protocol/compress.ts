// The one door to compression: zstd, synchronous, bounded on the way out.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { ShoalError } from './errors.ts'

/** zstd level 1: the chunk path is bound by this step. */
export function zstdCompress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
}

/** throws ShoalError 'malformed' on bad input or when the output would exceed `lengthMax` bytes. */
export function zstdDecompress(bytes: Uint8Array, lengthMax: number): Uint8Array {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, lengthMax) })
  } catch (cause) {
    throw new ShoalError('malformed', 'bytes do not decompress within their bound', { cause })
  }
}
