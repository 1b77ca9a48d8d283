// The S3 door: buckets and objects of a folder of a volume, for programs that speak S3 with paths
// (`http://HOST/BUCKET/KEY`) and sign by version 4.
import { asShoalError } from '../../../protocol/errors.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import { toHex } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { VERSIONS_OFF } from '../../../protocol/tree/version-rule.ts'
import type { DoorFolder, S3Options } from '../../door-config.ts'
import type { LocalServer } from '../../world/local-server.ts'
import type { DoorComponents } from '../doors.ts'
import { begin, isToBeAnswered, leaveUnread } from '../web-answers.ts'
import { visitorOf } from '../web-server.ts'
import type { Exchange } from '../web-server.ts'
import {
  checkBlock,
  deleteOwnership,
  deletePublicBlock,
  getOwnership,
  getPublicBlock,
  putAcl,
  putOwnership,
  putPublicBlock,
  sendAcl,
} from './access.ts'
import type { Visitor } from '../gate.ts'
import { authenticate, parseUrl } from './authenticate.ts'
import type { S3Url } from './authenticate.ts'
import { allowPage, answerPreflight, deleteCors, getCors, putCors } from './pages/bucket-cors.ts'
import {
  bucketLocation,
  createBucket,
  deleteBucket,
  headBucket,
  listBuckets,
  listObjects,
} from './buckets.ts'
import { copyObject, copyPart } from './copy.ts'
import { deleteObjects } from './delete-objects.ts'
import { deleteEncryption, getEncryption, putEncryption } from './encryption.ts'
import { abortUpload, completeUpload, createUpload, listParts, putPart } from './parts/multipart.ts'
import { refuseUnknown } from './new-metadata.ts'
import { getAttributes } from './parts/object-attributes.ts'
import { listVersions } from './versions/list-versions.ts'
import { findObject, getObject, putObject } from './objects.ts'
import { shownMd5 } from './payload.ts'
import { isPosted, postObject } from './pages/post-object.ts'
import { deleteObject } from './versions/remove-version.ts'
import { S3Error, errorElement, notImplemented, toldBy } from './s3-error.ts'
import { REQUEST_ID, XML_HEAD, aboutOf, checkBucket, headerOf, sendXml } from './s3-request.ts'
import type { S3Place, S3Request } from './s3-request.ts'
import {
  deleteBucketTagging,
  deleteTagging,
  getBucketTagging,
  getTagging,
  putBucketTagging,
  putTagging,
} from './tagging.ts'
import { listUploads } from './parts/uploads.ts'

import { getVersioning, putVersioning } from './versions/versioning.ts'

const REQUEST_ID_BYTES = 8

export type S3Settings = DoorFolder & S3Options

type Serve = (asked: S3Request) => Promise<void> | void

/** throws ShoalError 'usage' naming the address. */
export function openS3Door(components: DoorComponents, settings: S3Settings): Promise<LocalServer> {
  const { volume = '', path, layout, acls } = settings
  const api = components.gate.forAnybody
  const place: S3Place = {
    root: `${volume}:${path.replace(/\/+$/, '')}`,
    layout,
    acls,
    async keepsVersions() {
      const name = volume === '' ? (await api.listVolumes())[0]?.name : volume
      const { settings: rules } = await api.volumeInfo(name ?? '')
      return rules['versions'] !== VERSIONS_OFF
    },
  }
  return components.serve('the S3 door', (exchange) => respond(components, place, exchange))
}

/** Never rejects. */
async function respond(
  components: DoorComponents,
  place: S3Place,
  exchange: Exchange,
): Promise<void> {
  const { response, signal } = exchange
  response.setHeader(REQUEST_ID, toHex(components.random.bytes(REQUEST_ID_BYTES)).toUpperCase())
  try {
    await answer(components, place, exchange)
  } catch (thrown) {
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') components.onError(error)
    sendFailure(exchange, error)
  }
}

async function answer(
  components: DoorComponents,
  place: S3Place,
  exchange: Exchange,
): Promise<void> {
  const { gate } = components
  const { request } = exchange
  const url = parseUrl(request.url ?? '/')
  const { bucket } = targetOf(url)
  const visitor = visitorOf('s3', exchange)
  // Nobody comes in by what a browser adds of itself, so pages of any origin may ask.
  gate.checkHost(visitor)
  const page = { ...exchange, api: gate.forAnybody, place, bucket }
  if (request.method === 'OPTIONS') return answerPreflight(page)
  await allowPage(page)
  if (isPosted(request, url)) return postObject(components, place, { exchange, visitor, bucket })
  const asked = await requestOf(components, place, { exchange, visitor, url })
  await checkBlock(asked)
  return serveOf(asked)(asked)
}

async function requestOf(
  { gate, clock, random }: DoorComponents,
  place: S3Place,
  {
    exchange,
    visitor,
    url,
  }: { readonly exchange: Exchange; readonly visitor: Visitor; readonly url: S3Url },
): Promise<S3Request> {
  const { request } = exchange
  shownMd5(request)
  const { visit, ...auth } = await authenticate(gate, { request, url, visitor }, clock.wall())
  return {
    ...exchange,
    ...visit,
    headers: request.headers,
    body: request as AsyncIterable<Uint8Array>,
    place,
    clock,
    random,
    auth,
    query: new Map(url.query),
    ...targetOf(url),
  }
}

function targetOf({ path }: S3Url): Pick<S3Request, 'bucket' | 'key'> {
  const [, bucket = '', key = ''] = /^\/([^/]*)(?:\/(.*))?$/s.exec(path) ?? []
  return { bucket, key: key as ByteString }
}

function serveOf(asked: S3Request): Serve {
  const { request, bucket, key, query } = asked
  const method = request.method ?? ''
  if (bucket === '') {
    if (method === 'GET') return listBuckets
    throw new S3Error('MethodNotAllowed', 405, 'buckets are listed here')
  }
  const table = key === '' ? BUCKET_CALLS : OBJECT_CALLS
  const sub = [...query.keys()].find((name) => PARTS_OF_BUCKETS.has(name))
  const serve = table[`${method}${sub === undefined ? '' : ` ${sub}`}`]
  if (serve !== undefined) return serve
  if (sub !== undefined) throw notImplemented(`"${sub}"`)
  throw new S3Error('MethodNotAllowed', 405, `there is no ${method} here`)
}

const PARTS_OF_BUCKETS: ReadonlySet<string> = new Set(
  (
    'accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold ' +
    'lifecycle location logging metrics notification object-lock ownershipControls policy policyStatus ' +
    'publicAccessBlock replication requestPayment restore retention select tagging torrent uploadId ' +
    'uploads versioning versions website'
  ).split(' '),
)

const BUCKET_CALLS: Readonly<Record<string, Serve>> = {
  GET: listObjects,
  HEAD: headBucket,
  PUT: createBucket,
  DELETE: deleteBucket,
  'GET location': bucketLocation,
  'GET acl': async (asked) => {
    await checkBucket(asked)
    sendAcl(asked)
  },
  'PUT acl': async (asked) => {
    await checkBucket(asked)
    refuseUnknown(asked)
    await putAcl(asked)
  },
  'GET ownershipControls': getOwnership,
  'PUT ownershipControls': putOwnership,
  'DELETE ownershipControls': deleteOwnership,
  'GET publicAccessBlock': getPublicBlock,
  'PUT publicAccessBlock': putPublicBlock,
  'DELETE publicAccessBlock': deletePublicBlock,
  'GET tagging': getBucketTagging,
  'PUT tagging': putBucketTagging,
  'DELETE tagging': deleteBucketTagging,
  'GET versioning': getVersioning,
  'PUT versioning': putVersioning,
  'GET versions': listVersions,
  'GET uploads': listUploads,
  'POST delete': deleteObjects,
  'GET cors': getCors,
  'PUT cors': putCors,
  'DELETE cors': deleteCors,
  'GET encryption': getEncryption,
  'PUT encryption': putEncryption,
  'DELETE encryption': deleteEncryption,
  'GET lifecycle': nothingSet('NoSuchLifecycleConfiguration'),
  'GET object-lock': nothingSet('ObjectLockConfigurationNotFoundError'),
  'GET policy': nothingSet('NoSuchBucketPolicy'),
  'GET replication': nothingSet('ReplicationConfigurationNotFoundError'),
  'GET website': nothingSet('NoSuchWebsiteConfiguration'),
  'GET accelerate': answered('AccelerateConfiguration'),
  'GET logging': answered('BucketLoggingStatus'),
  'GET notification': answered('NotificationConfiguration'),
  'GET policyStatus': answered('PolicyStatus', '<IsPublic>false</IsPublic>'),
  'GET requestPayment': answered('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
}

const OBJECT_CALLS: Readonly<Record<string, Serve>> = {
  GET: getObject,
  HEAD: getObject,
  PUT: (asked) => (isCopy(asked) ? copyObject(asked) : putObject(asked)),
  DELETE: deleteObject,
  'GET acl': async (asked) => {
    await findObject(asked)
    sendAcl(asked)
  },
  'PUT acl': async (asked) => {
    await findObject(asked)
    refuseUnknown(asked)
    await putAcl(asked)
  },
  'GET attributes': getAttributes,
  'GET tagging': getTagging,
  'PUT tagging': putTagging,
  'DELETE tagging': deleteTagging,
  'POST uploads': createUpload,
  'PUT uploadId': (asked) => (isCopy(asked) ? copyPart(asked) : putPart(asked)),
  'POST uploadId': completeUpload,
  'DELETE uploadId': abortUpload,
  'GET uploadId': listParts,
}

function isCopy(asked: S3Request): boolean {
  return headerOf(asked, 'x-amz-copy-source') !== undefined
}

/** A configuration that is the same for all buckets. */
function answered(name: string, content = ''): Serve {
  return async (asked) => {
    await checkBucket(asked)
    sendXml(asked, name, content)
  }
}

/** A configuration that no bucket has here. */
function nothingSet(s3Code: string): Serve {
  return async (asked) => {
    await checkBucket(asked)
    throw new S3Error(s3Code, 404, 'the bucket has no such configuration')
  }
}

function sendFailure({ request, response }: Exchange, error: ShoalError): void {
  if (!isToBeAnswered(response)) return
  const told = toldBy(error)
  leaveUnread({ request, response })
  const body = Buffer.from(XML_HEAD + errorElement(told, error, aboutOf({ request, response })))
  begin(response, told.status, { 'content-type': 'application/xml', 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}
