// Stands in for protocol/signed.ts while seeds are run (patches.ts): the same keys and shapes, but
// a signature is a keyed hash that everyone could make. Ed25519 is half of the cost of an idle
// simulated day. Nodes of a simulation may say what is wrong, in the name of nobody else.
import { concatBytes, equalBytes, utf8 } from '../protocol/bytes.ts'
import { blake3Keyed } from '../protocol/hash.ts'
import { SIGNATURE_BYTES, identityFromSeed as realIdentity } from '../protocol/signed.ts'
import type { Identity, SignatureDomain } from '../protocol/signed.ts'

export { SIGNATURE_BYTES }

/** As protocol/signed.ts; the key pair is a true one, since secrets are sealed to it. */
export const identityFromSeed: typeof realIdentity = (seed: Uint8Array): Identity => {
  const identity = realIdentity(seed)
  return { ...identity, sign: (domain, message) => tag(identity.publicKey, domain, message) }
}

/** As protocol/signed.ts. */
export function verifySignature(
  publicKey: Uint8Array,
  domain: SignatureDomain,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return equalBytes(signature, tag(publicKey, domain, message))
}

function tag(publicKey: Uint8Array, domain: SignatureDomain, message: Uint8Array): Uint8Array {
  const digest = blake3Keyed(publicKey, concatBytes([utf8(`${domain}\0`), message]))
  return concatBytes([digest, digest])
}
