// Encryption at rest as requests ask for it: all is sealed by AES-256 under keys of the volume, so
// that is what may be asked for, and what is told. Keys of those who ask are not taken.
import { createHash } from 'node:crypto'
import { sendNothing } from '../web-answers.ts'
import { changeSettings, settingOf } from './bucket-settings.ts'
import { payloadOf } from './payload.ts'
import { S3Error, invalid, notImplemented } from './s3-error.ts'
import { childText, childrenNamed, element, headerOf, sendXml, xmlBody } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

const HEADER = 'x-amz-server-side-encryption'
const CUSTOMER = `${HEADER}-customer-`
const KMS_KEY = `${HEADER}-aws-kms-key-id`
const KMS = 'aws:kms'
const AES256 = 'AES256'
const KEY_BYTES = 32

/** The headers that tell of an object how it is encrypted. */
export const ENCRYPTED: Readonly<Record<string, string>> = { [HEADER]: AES256 }

/** throws S3Error for encryption that an object to be made cannot have. */
export function refuseEncryption(asked: Pick<S3Request, 'headers'>): void {
  const { [HEADER]: kind, ...others } = encryptionIn(asked)
  if (others[KMS_KEY] !== undefined && kind?.startsWith(KMS) !== true)
    throw invalid('the id of a key is for aws:kms alone')
  if (Object.keys(others).some((name) => name.startsWith(CUSTOMER))) refuseOwnKey(others)
  if (kind !== undefined && !kind.startsWith(KMS) && kind !== AES256)
    throw invalid(`${HEADER} is ${AES256}`)
  if (kind?.startsWith(KMS) === true || Object.keys(others).length > 0)
    throw notImplemented('keys beside those of the volume: all is encrypted')
}

/** throws S3Error where a reader says how it wants it encrypted. */
export function refuseEncryptionOfRead(asked: Pick<S3Request, 'headers'>): void {
  if (Object.keys(encryptionIn(asked)).length > 0)
    throw invalid('the object is not encrypted so', 'InvalidRequest')
}

function encryptionIn({
  headers,
}: Pick<S3Request, 'headers'>): Readonly<Record<string, string | undefined>> {
  const names = Object.keys(headers).filter((name) => name.startsWith(HEADER))
  return Object.fromEntries(names.map((name) => [name, headerOf({ headers }, name)]))
}

function refuseOwnKey(headers: Readonly<Record<string, string | undefined>>): void {
  if (headers[`${CUSTOMER}algorithm`] !== AES256)
    throw invalid(`the algorithm of a key is ${AES256}`, 'InvalidEncryptionAlgorithmError')
  const key = Buffer.from(headers[`${CUSTOMER}key`] ?? '', 'base64')
  const md5 = createHash('md5').update(key).digest('base64')
  if (key.length !== KEY_BYTES || headers[`${CUSTOMER}key-md5`] !== md5)
    throw invalid('the key has 32 bytes, and its MD5 is given with it')
}

/** It is kept and told: objects are encrypted so in any case. */
export async function putEncryption(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'ServerSideEncryptionConfiguration')
  const [rule] = childrenNamed(root, 'Rule')
  const [kind] = rule === undefined ? [] : childrenNamed(rule, 'ApplyServerSideEncryptionByDefault')
  const algorithm = kind && childText(kind, 'SSEAlgorithm')
  if (algorithm === undefined) throw new S3Error('MalformedXML', 400, 'no algorithm is named')
  if (algorithm !== AES256) throw notImplemented(`encryption by ${algorithm}`)
  await changeSettings(asked, { encryption: AES256 })
  sendNothing(asked.response, 200)
}

export async function getEncryption(asked: S3Request): Promise<void> {
  if ((await settingOf(asked, 'encryption')) !== AES256)
    throw new S3Error('ServerSideEncryptionConfigurationNotFoundError', 404, 'none was set')
  sendXml(
    asked,
    'ServerSideEncryptionConfiguration',
    `<Rule><ApplyServerSideEncryptionByDefault>${element('SSEAlgorithm', AES256)}` +
      '</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>',
  )
}

export async function deleteEncryption(asked: S3Request): Promise<void> {
  await changeSettings(asked, { encryption: null })
  sendNothing(asked.response, 204)
}
