// A member's signed statement about a checkpoint: it computed the state at an announced cut itself,
// and got these roots. Kept with the checkpoint and served with it: enough members together make
// others believe it (protocol/membership/quorum.ts).
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { concatBytes, fromHex, toHex } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { EntryHash, PeerId, VolumeId } from '../ids.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'
import type { NodeHash } from '../prolly/prolly.ts'

const ATTESTATION_VERSION = 1
/** Size limit of the wire form: version, three hashes, a key, a signature, and CBOR heads. */
export const ATTESTATION_BYTES_MAX = 256

export interface AttestedState {
  /** The entry that announces the cut. */
  readonly cut: EntryHash
  readonly clear: NodeHash | undefined
  /** Undefined also of a keeper, which cannot tell. */
  readonly sealed: NodeHash | undefined
}

export interface Attestation extends AttestedState {
  readonly peer: PeerId
  /** Wire form: DAG-CBOR [version, public key, cut, clear root, sealed root, signature]. */
  readonly bytes: Uint8Array
}

/** Sign a state of a volume. */
export function attest(identity: Identity, volume: VolumeId, state: AttestedState): Attestation {
  const { cut, clear, sealed } = state
  const signature = identity.sign('shoal/attestation/1', signedPart(volume, identity.peer, state))
  const bytes = encodeCbor([
    ATTESTATION_VERSION,
    identity.publicKey,
    fromHex(cut),
    rootBytes(clear),
    rootBytes(sealed),
    signature,
  ])
  return { peer: identity.peer, cut, clear, sealed, bytes }
}

/**
 * Inverse of attest.
 * throws ShoalError 'malformed', 'unsupported' for a later version, 'bad-signature'.
 */
export function decodeAttestation(bytes: Uint8Array, volume: VolumeId): Attestation {
  const value = bytes.length > ATTESTATION_BYTES_MAX ? undefined : decodeCbor(bytes, 'attestation')
  const fields: readonly unknown[] = Array.isArray(value) ? value : []
  const [version, publicKey, cut, clear, sealed, signature] = fields
  if (typeof version === 'number' && version > ATTESTATION_VERSION)
    throw new ShoalError('unsupported', `attestation version ${version} is not known to this node`)
  if (
    version !== ATTESTATION_VERSION ||
    !(publicKey instanceof Uint8Array && publicKey.length === 32) ||
    !(cut instanceof Uint8Array && cut.length === HASH_BYTES) ||
    !(signature instanceof Uint8Array && signature.length === SIGNATURE_BYTES)
  )
    throw new ShoalError('malformed', 'an attestation is malformed')
  const peer = peerIdFromPublicKey(publicKey)
  const state = { cut: toHex(cut) as EntryHash, clear: rootOf(clear), sealed: rootOf(sealed) }
  const signed = signedPart(volume, peer, state)
  if (!verifySignature(publicKey, 'shoal/attestation/1', signed, signature))
    throw new ShoalError('bad-signature', `an attestation is not signed by ${peer}`)
  return { peer, ...state, bytes: Uint8Array.from(bytes) }
}

/** With the volume: nobody must be able to pass one of one volume off in another. */
function signedPart(
  volume: VolumeId,
  peer: PeerId,
  { cut, clear, sealed }: AttestedState,
): Uint8Array {
  const body = encodeCbor([
    ATTESTATION_VERSION,
    publicKeyOf(peer),
    fromHex(cut),
    rootBytes(clear),
    rootBytes(sealed),
  ])
  return concatBytes([fromHex(volume), body])
}

function rootBytes(root: NodeHash | undefined): Uint8Array | null {
  return root === undefined ? null : fromHex(root)
}

function rootOf(value: unknown): NodeHash | undefined {
  if (value === null) return undefined
  if (value instanceof Uint8Array && value.length === HASH_BYTES) return toHex(value) as NodeHash
  throw new ShoalError('malformed', 'an attestation has a bad root')
}
