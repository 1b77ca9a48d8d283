// DeleteObjects: many keys in one request, each for itself.
import { byteText } from '../../../protocol/byte-text.ts'
import { toByteString, utf8 } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { asShoalError } from '../../../protocol/errors.ts'
import { REMOVED_IF } from './objects.ts'
import { removeObject } from './versions/remove-version.ts'
import type { Removed } from './versions/remove-version.ts'
import { payloadOf } from './payload.ts'
import { S3Error, toldBy } from './s3-error.ts'
import { checkBucket, childText, childrenNamed, element, sendXml, xmlBody } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import type { XmlElement } from '../xml/xml.ts'

const KEYS_MAX = 1000

export async function deleteObjects(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'Delete')
  const wanted = childrenNamed(root, 'Object')
  if (wanted.length === 0 || wanted.length > KEYS_MAX)
    throw new S3Error('MalformedXML', 400, `1 to ${KEYS_MAX} keys are removed at a time`)
  await checkBucket(asked)
  const isQuiet = childText(root, 'Quiet') === 'true'
  let text = ''
  for (const one of wanted) {
    const key = toByteString(utf8(childText(one, 'Key') ?? ''))
    const id = childText(one, 'VersionId')
    try {
      const removed = await removeObject({ ...asked, key, headers: conditionsIn(one) }, id)
      if (!isQuiet) text += deletedText(key, id, removed)
    } catch (thrown) {
      asked.signal.throwIfAborted()
      const error = asShoalError(thrown)
      text +=
        `<Error>${element('Key', byteText(key))}${element('VersionId', id)}${element('Code', toldBy(error).s3Code)}` +
        `${element('Message', error.message)}</Error>`
    }
  }
  sendXml(asked, 'DeleteResult', text)
}

/** Those of one key, as headers have them where there is one alone. */
function conditionsIn(one: XmlElement): S3Request['headers'] {
  const named = {
    'if-match': childText(one, 'ETag'),
    [`${REMOVED_IF}size`]: childText(one, 'Size'),
    [`${REMOVED_IF}last-modified-time`]: childText(one, 'LastModifiedTime'),
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

function deletedText(key: ByteString, id: string | undefined, removed: Removed): string {
  const { version, isMarker = false } = removed
  return (
    `<Deleted>${element('Key', byteText(key))}${element('VersionId', id)}` +
    (isMarker ? element('DeleteMarker', 'true') + element('DeleteMarkerVersionId', version) : '') +
    '</Deleted>'
  )
}
