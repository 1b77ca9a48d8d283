// Tags of objects: a part of their metadata, which is changed without a new version of the object.
// And those of buckets.
import { sendNothing } from '../web-answers.ts'
import { changeSettings, settingOf } from './bucket-settings.ts'
import { ATTRIBUTE, encodeMetadata, parseJson, tagsOf } from './metadata.ts'
import type { ObjectMetadata } from './metadata.ts'
import { checkTags } from './new-metadata.ts'
import { findObject } from './objects.ts'
import { payloadOf } from './payload.ts'
import { S3Error, notImplemented } from './s3-error.ts'
import { childText, childrenNamed, element, sendXml, xmlBody } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

const BUCKET_TAGS_MAX = 50

export async function getTagging(asked: S3Request): Promise<void> {
  const { metadata } = await findObject(asked)
  sendTags(asked, metadata.tags)
}

function sendTags(asked: S3Request, tags: ObjectMetadata['tags']): void {
  const text = tags.map(
    ([key, value]) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`,
  )
  sendXml(asked, 'Tagging', `<TagSet>${text.join('')}</TagSet>`)
}

export async function putTagging(asked: S3Request): Promise<void> {
  await setTags(asked, await readTags(payloadOf(asked).parts))
  sendNothing(asked.response, 200)
}

/** Those of a document. throws S3Error. */
export async function readTags(
  parts: AsyncIterable<Uint8Array>,
  most?: number,
): Promise<ObjectMetadata['tags']> {
  const root = await xmlBody(parts, 'Tagging')
  const [set] = childrenNamed(root, 'TagSet')
  if (set === undefined) throw new S3Error('MalformedXML', 400, 'the body is no Tagging')
  const pairs = childrenNamed(set, 'Tag').map(
    (tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? ''] as const,
  )
  return checkTags(pairs, most)
}

export async function deleteTagging(asked: S3Request): Promise<void> {
  await setTags(asked, [])
  sendNothing(asked.response, 204)
}

async function setTags(asked: S3Request, tags: ObjectMetadata['tags']): Promise<void> {
  const { api, signal } = asked
  const { stat, metadata, path, past } = await findObject(asked)
  if (past !== undefined) throw notImplemented('change of the tags of former versions')
  const value = encodeMetadata({ ...metadata, tags }, stat)
  await api.setAttributes(path, { extended: { [ATTRIBUTE]: value } }, { signal })
}

export async function getBucketTagging(asked: S3Request): Promise<void> {
  const tags = tagsOf(parseJson((await settingOf(asked, 'tags')) ?? ''))
  if (tags.length === 0) throw new S3Error('NoSuchTagSet', 404, 'the bucket has no tags')
  sendTags(asked, tags)
}

export async function putBucketTagging(asked: S3Request): Promise<void> {
  const tags = await readTags(payloadOf(asked).parts, BUCKET_TAGS_MAX)
  await changeSettings(asked, { tags: JSON.stringify(tags) })
  sendNothing(asked.response, 204)
}

export async function deleteBucketTagging(asked: S3Request): Promise<void> {
  await changeSettings(asked, { tags: null })
  sendNothing(asked.response, 204)
}
