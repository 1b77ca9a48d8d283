// GetObjectAttributes: what is known of an object beside its bytes, and of its parts page by page.
import { httpDate } from '../../send-file.ts'
import type { ObjectMetadata } from '../metadata.ts'
import { findObject } from '../objects.ts'
import { PARTS_MAX, checksumOfPart, placeOfPart } from './object-parts.ts'
import { invalid } from '../s3-error.ts'
import { element, headerOf, sendXml } from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { checksumType } from './uploads.ts'

const PAGE = 1000
const KNOWN = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const

export async function getAttributes(asked: S3Request): Promise<void> {
  const named = (headerOf(asked, 'x-amz-object-attributes') ?? '')
    .split(',')
    .map((name) => name.trim())
  if (named.some((name) => !KNOWN.some((known) => known === name)))
    throw invalid(`x-amz-object-attributes names some of ${KNOWN.join(', ')}`)
  const [max, after] = [numberIn(asked, 'x-amz-max-parts', PAGE), markerIn(asked)]
  const { stat, metadata, version } = await findObject(asked)
  const { etag, checksum } = metadata
  const texts: Readonly<Record<(typeof KNOWN)[number], string>> = {
    ETag: element('ETag', etag),
    Checksum:
      checksum === undefined
        ? ''
        : `<Checksum>${element(`Checksum${checksum.name}`, checksum.value)}` +
          `${element('ChecksumType', checksumType(checksum))}</Checksum>`,
    ObjectParts: partsText(metadata, { after, max: Math.min(max, PAGE) }),
    StorageClass: '<StorageClass>STANDARD</StorageClass>',
    ObjectSize: element('ObjectSize', stat.sizeBytes),
  }
  const text = KNOWN.flatMap((name) => (named.includes(name) ? [texts[name]] : []))
  sendXml(asked, 'GetObjectAttributesResponse', text.join(''), {
    'last-modified': httpDate(stat),
    ...(version !== undefined && { 'x-amz-version-id': version }),
  })
}

function markerIn(asked: S3Request): number {
  return Math.min(numberIn(asked, 'x-amz-part-number-marker', 0), PARTS_MAX)
}

function numberIn(asked: S3Request, name: string, byDefault: number): number {
  const text = headerOf(asked, name) ?? `${byDefault}`
  if (!/^\d{1,10}$/.test(text)) throw invalid(`${name} is a number`)
  return Number(text)
}

function partsText(
  { parts, made, checksum }: ObjectMetadata,
  { after, max }: { readonly after: number; readonly max: number },
): string {
  if (parts === undefined) return ''
  const count = element('PartsCount', parts)
  if (made?.sizes === undefined) return `<ObjectParts>${count}</ObjectParts>`
  const last = Math.min(parts, after + max)
  let text = ''
  for (let number = after + 1; number <= last; number++) {
    const sum = checksum && checksumOfPart(made, checksum.name, number)
    text +=
      `<Part>${element('PartNumber', number)}` +
      `${element('Size', placeOfPart(made, number)?.lengthBytes)}` +
      `${checksum === undefined ? '' : element(`Checksum${checksum.name}`, sum)}</Part>`
  }
  return (
    `<ObjectParts>${count}${element('PartNumberMarker', after)}` +
    `${element('NextPartNumberMarker', Math.max(last, after))}${element('MaxParts', max)}` +
    `${element('IsTruncated', String(last < parts))}${text}</ObjectParts>`
  )
}
