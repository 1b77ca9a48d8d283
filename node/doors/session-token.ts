// Signs and checks tokens of sessions: JWT (RFC 7519) by the key of the machine itself, Ed25519.
// Nothing else that is signed with it begins as a token does ("eyJ"): libp2p and protocol/signed.ts
// put other words before what they sign. Loaded when the first token is made or shown.
import { SignJWT, importJWK, jwtVerify } from 'jose'
import { publicKeyOf } from '../../protocol/ids.ts'
import {
  CLOCK_SKEW_MS,
  SESSION_ALGORITHM,
  SESSION_TYPE,
  TOKEN_MS,
  decodeSession,
  encodeSession,
} from '../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../protocol/accounts/session.ts'
import type { Identity } from '../../protocol/signed.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'

/** identity: the issuer. */
export async function signToken(identity: Identity, claims: SessionClaims): Promise<string> {
  const { publicKey, seed } = identity
  const jwk = { ...publicJwk(publicKey), d: base64url(seed) }
  const key = await importJWK(jwk, SESSION_ALGORITHM)
  return new SignJWT(encodeSession(claims))
    .setProtectedHeader({ alg: SESSION_ALGORITHM, typ: SESSION_TYPE })
    .sign(key)
}

/**
 * The claims of a token once the key of its issuer has signed them, for somebody here, at this
 * time. shown: as the token has them unverified, to know whose key that is. Undefined: it did not.
 */
export async function verifyToken(
  text: string,
  shown: SessionClaims,
  now: WallTime,
): Promise<SessionClaims | undefined> {
  const key = await importJWK(publicJwk(publicKeyOf(shown.issuer)), SESSION_ALGORITHM)
  try {
    const { payload } = await jwtVerify(text, key, {
      algorithms: [SESSION_ALGORITHM],
      typ: SESSION_TYPE,
      issuer: shown.issuer,
      audience: shown.at ?? shown.volume,
      requiredClaims: ['iss', 'aud', 'sub', 'jti', 'iat', 'exp'],
      currentDate: new Date(now),
      clockTolerance: CLOCK_SKEW_MS / SECOND_MS,
      maxTokenAge: TOKEN_MS / SECOND_MS,
    })
    return decodeSession(payload)
  } catch {
    return undefined // whatever is wrong with it: nobody is told what
  }
}

function publicJwk(publicKey: Uint8Array): { kty: string; crv: string; x: string } {
  return { kty: 'OKP', crv: 'Ed25519', x: base64url(publicKey) }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
