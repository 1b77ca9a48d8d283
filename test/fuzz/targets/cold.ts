// Decoders of what lies in cold tiers, and of where those are.
import { utf8 } from '../../../protocol/bytes.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { sealOnce } from '../../../protocol/cipher.ts'
import { openPart, sealPart } from '../../../protocol/cold/backup.ts'
import { decodeTier } from '../../../protocol/cold/definition.ts'
import { openHead } from '../../../protocol/cold/head.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { HEAD_KEYS, HEAD_VOLUME, headThatSays } from '../heads.ts'
import { KEY, VOLUME, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

const read = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

export const coldTargets: readonly Target[] = [
  {
    name: 'backup-head',
    run: (input) => openHead(HEAD_VOLUME, input, HEAD_KEYS),
    honest: () => vectors('backup-head', 'bytes'),
    codes: ['malformed', 'unsupported', 'corrupt', 'EACCES', 'bad-signature'],
    // It tries up to MEMBERS_MAX boxes, half a ms each.
    cpuMsMax: 6000,
  },
  {
    name: 'backup-head-said',
    run: (input) => openHead(HEAD_VOLUME, headThatSays(input), HEAD_KEYS),
    honest: () => vectors('backup-head', 'said'),
    codes: ['malformed', 'unsupported', 'corrupt', 'bad-signature'],
  },
  {
    name: 'backup-part',
    run: (input) => {
      const { sealed, ...part } = sealPart(VOLUME, [], KEY)
      const box = sealOnce(KEY, input, Buffer.from(VOLUME, 'hex'))
      const id = Buffer.from(blake3(box)).toString('hex')
      openPart(VOLUME, part, sealed)
      return openPart(VOLUME, { ...part, id }, box)
    },
    honest: () => [encodeCbor([KEY, KEY])],
  },
  {
    name: 'tier-definition',
    run: (input) => decodeTier(read(input)),
    honest: () => [
      utf8('{"url":"s3://bucket/prefix","endpoint":"http://nas:9000","region":"eu"}'),
      utf8('{"url":"rclone:drive:shoal"}'),
      utf8('{"url":"dir:/attic"}'),
    ],
  },
]
