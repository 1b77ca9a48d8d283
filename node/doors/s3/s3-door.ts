// The S3 door: buckets and objects of a folder of a volume, for programs that speak S3 with paths
// (`http://HOST/BUCKET/KEY`) and sign by version 4.
import { asShoalError } from '../../../protocol/errors.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { DoorFolder } from '../../door-config.ts'
import type { LocalServer } from '../../world/local-server.ts'
import type { DoorComponents } from '../doors.ts'
import { begin, isToBeAnswered, leaveUnread, sendNothing } from '../web-answers.ts'
import { visitorOf } from '../web-server.ts'
import type { Exchange } from '../web-server.ts'
import type { Visitor } from '../gate.ts'
import { authenticate, parseUrl } from './authenticate.ts'
import type { S3Url } from './authenticate.ts'
import { allowPage, answerPreflight, deleteCors, getCors, putCors } from './bucket-cors.ts'
import {
  bucketLocation,
  createBucket,
  deleteBucket,
  headBucket,
  listBuckets,
  listObjects,
  listVersions,
  sendAcl,
} from './buckets.ts'
import { copyObject, copyPart } from './copy.ts'
import { deleteObjects } from './delete-objects.ts'
import type { Layout } from './keys.ts'
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  putPart,
} from './multipart.ts'
import { refuseUnknown } from './new-metadata.ts'
import { checkVersion, deleteObject, findObject, getObject, putObject } from './objects.ts'
import { isPosted, postObject } from './post-object.ts'
import { S3Error, errorElement, notImplemented, toldBy } from './s3-error.ts'
import { XML_HEAD, checkBucket, headerOf, sendXml } from './s3-request.ts'
import type { S3Place, S3Request } from './s3-request.ts'
import { deleteTagging, getTagging, putTagging } from './tagging.ts'

export type S3Settings = DoorFolder & { readonly layout: Layout }

type Serve = (asked: S3Request) => Promise<void> | void

/** throws ShoalError 'usage' naming the address. */
export function openS3Door(components: DoorComponents, settings: S3Settings): Promise<LocalServer> {
  const { volume = '', path, layout } = settings
  const place = { root: `${volume}:${path.replace(/\/+$/, '')}`, layout }
  return components.serve('the S3 door', (exchange) => respond(components, place, exchange))
}

/** Never rejects. */
async function respond(
  components: DoorComponents,
  place: S3Place,
  exchange: Exchange,
): Promise<void> {
  const { request, signal } = exchange
  try {
    await answer(components, place, exchange)
  } catch (thrown) {
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') components.onError(error)
    sendFailure(exchange, error, request.url ?? '/')
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
  checkVersion(asked)
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
    putAcl(asked)
  },
  'GET versioning': async (asked) => {
    await checkBucket(asked)
    sendXml(asked, 'VersioningConfiguration', '')
  },
  'GET versions': listVersions,
  'GET uploads': listUploads,
  'POST delete': deleteObjects,
  'GET cors': getCors,
  'PUT cors': putCors,
  'DELETE cors': deleteCors,
  'GET encryption': nothingSet('ServerSideEncryptionConfigurationNotFoundError'),
  'GET lifecycle': nothingSet('NoSuchLifecycleConfiguration'),
  'GET object-lock': nothingSet('ObjectLockConfigurationNotFoundError'),
  'GET policy': nothingSet('NoSuchBucketPolicy'),
  'GET tagging': nothingSet('NoSuchTagSet'),
  'GET website': nothingSet('NoSuchWebsiteConfiguration'),
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
    putAcl(asked)
  },
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

/** A configuration that no bucket has here. */
function nothingSet(s3Code: string): Serve {
  return async (asked) => {
    await checkBucket(asked)
    throw new S3Error(s3Code, 404, 'the bucket has no such configuration')
  }
}

/** An access that the owner has anyway is taken. */
function putAcl(asked: S3Request): void {
  refuseUnknown(asked)
  if (headerOf(asked, 'x-amz-acl') === undefined)
    throw notImplemented('access lists: see "shoal grant"')
  sendNothing(asked.response, 200)
}

function sendFailure({ request, response }: Exchange, error: ShoalError, resource: string): void {
  if (!isToBeAnswered(response)) return
  const told = toldBy(error)
  leaveUnread({ request, response })
  const body = Buffer.from(XML_HEAD + errorElement(told, error, resource))
  begin(response, told.status, { 'content-type': 'application/xml', 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}
