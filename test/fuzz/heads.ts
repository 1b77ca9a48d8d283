// Heads of backups whose author says whatever a fuzzer likes: all around it is right.
import { encodeCbor } from '../../protocol/cbor.ts'
import { sealOnce, sealTo } from '../../protocol/cipher.ts'
import type { HeadKeys } from '../../protocol/cold/head.ts'
import { blake3Keyed, deriveKey } from '../../protocol/hash.ts'
import { hexIdBytes, publicKeyOf } from '../../protocol/ids.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { volumeIdOf } from '../../protocol/membership/genesis.ts'
import { ALICE, BOB, filled } from '../protocol/fixtures.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'

/** The volume of the vectors: test/protocol/cold/head.test.ts. */
export const HEAD_VOLUME: VolumeId = volumeIdOf(xorshiftBytes(5, 20))
export const HEAD_KEYS: HeadKeys = { seed: BOB.seed, secret: filled(0x5e, 32) }

export function headThatSays(said: Uint8Array): Uint8Array {
  const key = filled(1, 32)
  const signature = ALICE.sign('shoal/backup-head/1', said)
  const body = encodeCbor({
    to: [sealTo(publicKeyOf(BOB.peer), key, filled(2, 32))],
    h: sealOnce(key, encodeCbor([said, signature]), hexIdBytes(HEAD_VOLUME)),
  })
  const mark = blake3Keyed(deriveKey('shoal 2026 backup head v1', HEAD_KEYS.secret), body)
  return encodeCbor([1, body, mark])
}
