// Whether a bucket has versions by id, as it was set. What is kept of them, and for how long, the
// volume says for all its files, so a bucket of one that keeps none has none.
import { sendNothing } from '../../web-answers.ts'
import { changeSettings } from '../bucket-settings.ts'
import { payloadOf } from '../payload.ts'
import { S3Error, notImplemented } from '../s3-error.ts'
import { checkBucket, childText, element, sendXml, xmlBody } from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { versioningOf } from './versions.ts'

export async function getVersioning(asked: S3Request): Promise<void> {
  await checkBucket(asked)
  const versioning = await versioningOf(asked)
  const isKept = versioning === 'Enabled' && (await asked.place.keepsVersions())
  const status = versioning === undefined || isKept ? versioning : 'Suspended'
  sendXml(asked, 'VersioningConfiguration', element('Status', status))
}

/** throws S3Error 409 where the volume keeps none. */
export async function putVersioning(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'VersioningConfiguration')
  const status = childText(root, 'Status')
  if (status !== 'Enabled' && status !== 'Suspended')
    throw new S3Error('MalformedXML', 400, 'Status is "Enabled" or "Suspended"')
  if ((childText(root, 'MfaDelete') ?? 'Disabled') !== 'Disabled')
    throw notImplemented('second factors')
  await checkBucket(asked)
  if (status === 'Enabled' && !(await asked.place.keepsVersions()))
    throw new S3Error(
      'InvalidBucketState',
      409,
      'the volume keeps no versions: "shoal volume set VOLUME versions=..." says how long it does',
    )
  await changeSettings(asked, { versioning: status })
  sendNothing(asked.response, 200)
}
