// DeleteObjects: many keys in one request, each for itself.
import { byteText } from '../../../protocol/byte-text.ts'
import { toByteString, utf8 } from '../../../protocol/bytes.ts'
import { asShoalError } from '../../../protocol/errors.ts'
import { REMOVED_IF, removeKey } from './objects.ts'
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
    try {
      const version = childText(one, 'VersionId') ?? 'null'
      if (version !== 'null' && version !== '')
        throw new S3Error('NoSuchVersion', 404, 'there is no such version')
      await removeKey({ ...asked, key, headers: conditionsIn(one) })
      if (!isQuiet) text += `<Deleted>${element('Key', byteText(key))}</Deleted>`
    } catch (thrown) {
      asked.signal.throwIfAborted()
      const error = asShoalError(thrown)
      text +=
        `<Error>${element('Key', byteText(key))}${element('Code', toldBy(error).s3Code)}` +
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
