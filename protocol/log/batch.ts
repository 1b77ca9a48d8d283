// The body of an entry: a batch of ops, DAG-CBOR, zstd, and sealed unless the ops are for keepers
// too.
//
// Sealed body = salt (32 random bytes) || AES-256-GCM(derive-key(log key of the epoch, salt), zero
// nonce, AAD = [version, volume, actor, seq, hlc]). The salt is random, never a counter: a restored
// node would use a counter again with another plaintext.
import { concatBytes, fromHex } from '../bytes.ts'
import { decodeCanonicalCbor, encodeCbor } from '../cbor.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import type { Hlc } from '../clock/hlc.ts'
import { zstdCompress, zstdDecompress } from '../compress.ts'
import { ShoalError, assert, hasCode } from '../errors.ts'
import { deriveKey } from '../hash.ts'
import type { ActorId, VolumeId } from '../ids.ts'
import { BATCH_BYTES_MAX, BATCH_PLAIN_MAX, ENTRY_BODY_MAX, ENTRY_OPS_MAX } from '../limits.ts'
import type { Op } from '../op/op.ts'
import { decodeOp, encodeOp } from '../op/codec.ts'
import { KIB } from '../units.ts'

const BATCH_VERSION = 1
export const SALT_BYTES = 32
/**
 * Bytes of the ops of an entry: leaves room for the seal, the heads of lists, and what zstd adds
 * where it cannot compress.
 */
const OPS_BYTES_MAX = Math.min(ENTRY_BODY_MAX, BATCH_PLAIN_MAX) - 16 * KIB

/** The place of a body in the log, to which the seal binds it. */
export interface BodyContext {
  readonly volume: VolumeId
  readonly actor: ActorId
  readonly seq: number
  readonly hlc: Hlc
}

/** Clear body of ops. */
export function encodeBatch(ops: readonly Op[]): Uint8Array {
  return packBatch(ops.map((op) => encodeCbor(encodeOp(op))))
}

/** Clear body of ops from encodeChecked. */
export function packBatch(ops: readonly Uint8Array[]): Uint8Array {
  // The CBOR of [BATCH_VERSION, [...ops]], without encoding the ops again.
  return zstdCompress(
    concatBytes([Uint8Array.of(0x82, BATCH_VERSION), listHead(ops.length), ...ops]),
  )
}

/**
 * The CBOR of an op that every reader takes: what this node puts into its log must be what all make
 * of it.
 * throws ShoalError 'EINVAL' for an op that breaks a rule of its format, 'EFBIG' for one that fits
 * in no entry.
 */
export function encodeChecked(op: Op): Uint8Array {
  try {
    const value = encodeOp(op)
    assert(decodeOp(value) !== undefined, `this node knows its own op ${op.kind}`)
    const bytes = encodeCbor(value)
    // So large an op may have too many items, which small ones cannot.
    if (bytes.length > BATCH_BYTES_MAX) decodeBatch(packBatch([bytes]))
    if (bytes.length <= OPS_BYTES_MAX) return bytes
  } catch (cause) {
    if (!hasCode(cause, 'malformed')) throw cause
    throw new ShoalError('EINVAL', `what this ${op.kind} says is out of bounds`, { cause })
  }
  throw new ShoalError('EFBIG', `this ${op.kind} says more than an entry of the log can hold`)
}

function listHead(length: number): Uint8Array {
  assert(length <= ENTRY_OPS_MAX, 'ops of an entry')
  if (length < 24) return Uint8Array.of(0x80 | length)
  return length < 256
    ? Uint8Array.of(0x98, length)
    : Uint8Array.of(0x99, length >> 8, length & 0xff)
}

/**
 * Inverse of encodeBatch. Ops of unknown kinds are undefined, so that indices stay. throws
 * 'malformed', 'unsupported'.
 */
export function decodeBatch(bytes: Uint8Array): (Op | undefined)[] {
  return readBatch(unpackBatch(bytes))
}

/** A clear body, unpacked. throws ShoalError 'malformed'. */
export function unpackBatch(clear: Uint8Array): Uint8Array {
  return zstdDecompress(clear, BATCH_PLAIN_MAX)
}

/** The same of a batch that is unpacked. */
export function readBatch(plain: Uint8Array): (Op | undefined)[] {
  const value = decodeCanonicalCbor(plain, 'entry body')
  const [version, ops] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (typeof version !== 'number') throw new ShoalError('malformed', 'an entry body has no version')
  if (version !== BATCH_VERSION) {
    throw new ShoalError('unsupported', `entry body version ${version} is not known to this node`)
  }
  if (!Array.isArray(ops) || ops.length > ENTRY_OPS_MAX) {
    throw new ShoalError(
      'malformed',
      `an entry body does not hold a list of at most ${ENTRY_OPS_MAX} ops`,
    )
  }
  return ops.map(decodeOp)
}

/** Seal a body under the epoch's secret. `salt` is SALT_BYTES fresh random bytes. */
export function sealBody(
  epochSecret: Uint8Array,
  context: BodyContext,
  body: Uint8Array,
  salt: Uint8Array,
): Uint8Array {
  return concatBytes([salt, sealOnce(bodyKey(epochSecret, salt), body, associated(context))])
}

/** Inverse of sealBody. throws ShoalError 'corrupt'. */
export function openBody(
  epochSecret: Uint8Array,
  context: BodyContext,
  sealed: Uint8Array,
): Uint8Array {
  const salt = sealed.subarray(0, SALT_BYTES)
  return openOnce(bodyKey(epochSecret, salt), sealed.subarray(SALT_BYTES), associated(context))
}

function bodyKey(epochSecret: Uint8Array, salt: Uint8Array): Uint8Array {
  const logKey = deriveKey('shoal 2026 log key v1', epochSecret)
  return deriveKey('shoal 2026 log body v1', concatBytes([logKey, salt]))
}

function associated({ volume, actor, seq, hlc }: BodyContext): Uint8Array {
  return encodeCbor([BATCH_VERSION, fromHex(volume), fromHex(actor), seq, hlc])
}
