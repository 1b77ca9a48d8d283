// The signer of a form: its policy is signed, by version 4, or by version 2, which forms may have
// still. All else in it counts as far as the policy allows it.
import { createHmac } from 'node:crypto'
import type { WallTime } from '../../../../protocol/units.ts'
import type { Gate, Visitor } from '../../gate.ts'
import type { Visit } from '../../visit.ts'
import { SIGNED_MS_MAX, checkTime, parseCredential, refuse } from '../authenticate.ts'
import { accessDenied, invalid } from '../s3-error.ts'
import { ALGORITHM, isSameSignature, sign, signingKey } from '../sigv4.ts'

interface SignedForm {
  readonly id: string
  readonly signature: string
  /** The signature of the policy by a secret. */
  readonly signatureBy: (secret: string) => string
}

/** throws S3Error 400, 403, ShoalError 'too-many'. */
export async function authenticateForm(
  gate: Gate,
  visitor: Visitor,
  fields: ReadonlyMap<string, string>,
  nowMs: WallTime,
): Promise<{ readonly visit: Visit; readonly policy: string }> {
  if (!['policy', 'x-amz-signature', 'signature'].some((name) => fields.has(name)))
    throw accessDenied('a form is signed by a key: "shoal key create" makes one')
  const policy = fieldOf(fields, 'policy')
  const isOld = !fields.has('x-amz-signature') && fields.has('signature')
  const { id, signature, signatureBy } = isOld
    ? signedByTwo(fields, policy)
    : signedByFour(fields, policy, nowMs)
  const found = await gate.keyOf(visitor, id)
  const isRight = isSameSignature(signature, signatureBy(found?.secret ?? ''))
  if (found !== undefined && isRight) return { visit: found.admit(), policy }
  return refuse(gate, visitor, id, found !== undefined)
}

function signedByFour(
  fields: ReadonlyMap<string, string>,
  policy: string,
  nowMs: WallTime,
): SignedForm {
  const signature = fieldOf(fields, 'x-amz-signature')
  if (fieldOf(fields, 'x-amz-algorithm') !== ALGORITHM)
    throw invalid(`forms are signed by ${ALGORITHM}`)
  const { id, scope } = parseCredential(fieldOf(fields, 'x-amz-credential'))
  checkTime({ scope, time: fieldOf(fields, 'x-amz-date'), expiresMs: SIGNED_MS_MAX }, nowMs)
  return { id, signature, signatureBy: (secret) => sign(signingKey(secret, scope), policy) }
}

function signedByTwo(fields: ReadonlyMap<string, string>, policy: string): SignedForm {
  return {
    id: fieldOf(fields, 'awsaccesskeyid'),
    signature: fieldOf(fields, 'signature'),
    signatureBy: (secret) => createHmac('sha1', secret).update(policy).digest('base64'),
  }
}

function fieldOf(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name)
  if (value === undefined || value === '')
    throw invalid(`a form has a field "${name}", before its file`)
  return value
}
