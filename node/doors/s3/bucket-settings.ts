// Settings of a bucket: extended attributes of its folder, one for each, so that changes of two
// take nothing from one another. Any member may set them: whoever reads one checks it.
import { attributeOf } from './metadata.ts'
import type { DescribedFile } from './metadata.ts'
import { bucketPath, statOfBucket } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

const PREFIX = 'user.s3-bucket-'

/** creator: the one who made it, as Visit has it. */
export type BucketSetting =
  | 'cors'
  | 'creator'
  | 'encryption'
  | 'location'
  | 'ownership'
  | 'public-block'
  | 'tags'
  | 'versioning'

/** throws S3Error 'NoSuchBucket'. */
export async function settingOf(
  asked: S3Request,
  setting: BucketSetting,
): Promise<string | undefined> {
  return settingIn(await statOfBucket(asked), setting)
}

/** A setting as the folder of its bucket has it. */
export function settingIn(stat: DescribedFile, setting: BucketSetting): string | undefined {
  const value = attributeOf(stat, `${PREFIX}${setting}`)
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString()
}

/** null takes one away. throws S3Error 'NoSuchBucket'. */
export async function changeSettings(
  asked: S3Request,
  changes: { readonly [setting in BucketSetting]?: string | null | undefined },
): Promise<void> {
  const { api, bucket, signal } = asked
  const given = Object.entries(changes).filter(([, value]) => value !== undefined)
  const extended = Object.fromEntries(
    given.map(([setting, value]) => [
      `${PREFIX}${setting}`,
      value === null || value === undefined ? null : Buffer.from(value).toString('base64'),
    ]),
  )
  await statOfBucket(asked)
  await api.setAttributes(bucketPath(asked, bucket), { extended }, { signal })
}
