// Decoders below all formats: CBOR, zstd, base32, and the frames of a stream.
import { FrameDecoder, encodeFrame } from '../../../node/world/libp2p/frames.ts'
import { concatBytes, utf8 } from '../../../protocol/bytes.ts'
import { decodeCanonicalCbor, decodeCbor } from '../../../protocol/cbor.ts'
import { zstdDecompress } from '../../../protocol/compress.ts'
import { fromBase32 } from '../../../protocol/ids.ts'
import { BATCH_PLAIN_MAX } from '../../../protocol/limits.ts'
import { MIB } from '../../../protocol/units.ts'
import { batches, vectors, zstdFrames } from '../honest.ts'
import type { Target } from '../watch.ts'

export const encodingTargets: readonly Target[] = [
  {
    name: 'cbor',
    run: (input) => decodeCbor(input, 'fuzz'),
    honest: () => [...vectors('log-message'), ...vectors('ops'), ...batches()],
  },
  {
    name: 'canonical-cbor',
    run: (input) => decodeCanonicalCbor(input, 'fuzz'),
    honest: () => [...vectors('entry'), ...batches()],
  },
  { name: 'zstd', run: (input) => zstdDecompress(input, BATCH_PLAIN_MAX), honest: zstdFrames },
  {
    name: 'base32',
    run: (input) => fromBase32(Buffer.from(input).toString('latin1')),
    honest: () => [utf8('mfrggzdfmztwq')],
  },
  {
    name: 'frames',
    run: (input) => {
      let bytes = 0
      const decoder = new FrameDecoder((frame) => (bytes += frame.length), 1 * MIB)
      for (let at = 0; at < input.length; at += 777) decoder.push(input.subarray(at, at + 777))
      return bytes
    },
    honest: () => [concatBytes([...encodeFrame([]), ...encodeFrame([utf8('shoal')])])],
  },
]
