// Decoders of what the log is made of, from a batch to the nodes of a checkpoint.
import { Fields, decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { zstdCompress } from '../../../protocol/compress.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { decodeBatch } from '../../../protocol/log/batch.ts'
import { decodeEntry, decodeKnownEntry } from '../../../protocol/log/entry.ts'
import { decodeFork } from '../../../protocol/log/fork.ts'
import { decodeOp } from '../../../protocol/op/codec.ts'
import { decodeNode } from '../../../protocol/prolly/node.ts'
import { batches, vectors, zstdFrames } from '../honest.ts'
import type { EntryHash } from '../../../protocol/ids.ts'
import type { Target } from '../watch.ts'

/** An entry with this header, and a body of the length and hash that it says where possible. */
function withHeader(header: Uint8Array): Uint8Array {
  const body = Uint8Array.of(1, 2, 3)
  let fitting = header
  try {
    const fields = decodeCbor(header, 'header', 5000) as unknown[]
    if (Array.isArray(fields) && fields.length > 10)
      fitting = encodeCbor(fields.with(9, body.length).with(10, blake3(body)))
  } catch {
    // As it is.
  }
  return encodeCbor([fitting, new Uint8Array(64), body])
}

export const logTargets: readonly Target[] = [
  { name: 'batch-frame', run: decodeBatch, honest: zstdFrames },
  { name: 'batch', run: (input) => decodeBatch(zstdCompress(input)), honest: batches },
  {
    name: 'op',
    run: (input) => decodeOp(decodeCbor(input, 'op')),
    honest: () => vectors('ops'),
  },
  {
    name: 'entry',
    run: decodeEntry,
    honest: () => [...vectors('entry', 'first.entry'), ...vectors('entry', 'second.entry')],
  },
  {
    name: 'entry-header',
    run: (input) => {
      decodeKnownEntry(withHeader(input), '' as EntryHash)
      return decodeEntry(withHeader(input))
    },
    honest: () => [...vectors('entry', 'first.header'), ...vectors('entry', 'second.header')],
  },
  {
    name: 'fork',
    run: decodeFork,
    honest: () =>
      vectors('log-message', 'hello').map((hello) => {
        const [fork] = new Fields(decodeCbor(hello, 'hello'), 'hello').list('fk', 9)
        return fork as Uint8Array
      }),
  },
  {
    name: 'prolly-node',
    run: decodeNode,
    honest: () => [...vectors('checkpoint', 'leaf'), ...vectors('checkpoint', 'inner')],
  },
]
