// Decoders of archives that are imported.
import { scanCar } from '../../../node/exchange/car-scan.ts'
import {
  decodeCarHeader,
  decodeCarV2Header,
  decodeCid,
  decodeVarint,
} from '../../../protocol/car/car.ts'
import { decodeEntry as decodeListed, decodeRoot } from '../../../protocol/car/sealed-tree.ts'
import { decodeUnixfs } from '../../../protocol/car/unixfs.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { encodeCid } from '../../../protocol/ids.ts'
import { KEY, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

async function* inParts(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}

export const archiveTargets: readonly Target[] = [
  {
    name: 'car-header',
    run: decodeCarHeader,
    honest: () => [encodeCbor({ roots: [], version: 1 })],
  },
  {
    name: 'car-parts',
    run: (input) => {
      if (input.length >= 40) decodeCarV2Header(input)
      decodeVarint(input)
      return decodeCid(input)
    },
    honest: () => vectors('pack', 'bytes'),
  },
  {
    name: 'unixfs',
    run: (input) => decodeUnixfs(decodeCid(encodeCid(0x70 as 0x55, 0x12, KEY)), input),
    honest: () => [Uint8Array.from(Buffer.from('0a0808011202686918021802', 'hex'))],
    codes: ['malformed', 'unsupported', 'corrupt', 'EINVAL', 'ENAMETOOLONG'],
  },
  { name: 'sealed-root', run: decodeRoot, honest: () => vectors('sealed-tree', 'root') },
  {
    name: 'sealed-entry',
    run: decodeListed,
    honest: () => vectors('sealed-tree', 'entries'),
    codes: ['malformed', 'unsupported', 'EINVAL', 'ENAMETOOLONG'],
  },
  {
    name: 'car-file',
    run: async (input) => {
      for await (const _ of scanCar(inParts(input), () => undefined));
    },
    honest: () => vectors('pack', 'bytes'),
  },
]
