// What a client may ask for, and the schema that every request passes before a method of NodeApi sees it. Calls that are
// JSON in and JSON out are one row each; the content of files and listings have a query of their own.
import { z } from 'zod'
import { ShoalError } from '../../protocol/errors.ts'
import {
  BACKUP_NUMBER_MAX,
  PATH_MAX,
  RECOVERY_KEY_TEXT_MAX,
  SESSION_TEXT_MAX,
  SYMLINK_MAX,
  TICKET_LIFETIME_MS_MAX,
  TICKET_TEXT_MAX,
  TICKET_USES_MAX,
} from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type {
  FileCallOptions,
  LogOptions,
  NewFile,
  NodeApi,
  ReadRange,
  WriteOptions,
} from './api.ts'
import type { VerifyOptions } from './cold.ts'
import type { ExportOptions, ImportOptions } from './exchange.ts'
import type { SecurityReadOptions } from './security.ts'
import { SMALL_FILES_MAX } from './small-files.ts'

/** Check `value` and run the method. throws ShoalError 'usage' when it does not fit. */
export type Call = (api: NodeApi, value: unknown, options: FileCallOptions) => Promise<unknown>

const label = z.string().min(1).max(256)
/** Room for 'volume:' before the path. */
const path = z
  .string()
  .min(1)
  .max(PATH_MAX + 256)
const TIER_URL_MAX = 2048
const folder = z.string().startsWith('/').max(PATH_MAX)
const volume = label.optional()
const flag = z.boolean().optional()
const mode = z.int().min(0).max(0o7777)
const size = z.int().nonnegative()
const owner = z
  .int()
  .min(0)
  .max(2 ** 32 - 2)
  .optional()
const nanoseconds = z
  .bigint()
  .min(-(2n ** 63n))
  .max(2n ** 63n - 1n)
const ack = z.enum(['none', 'local', 'copied', 'placed']).optional()
const wallTime = z
  .int()
  .min(0)
  .transform((ms) => ms as WallTime)
const settings = z.record(label, z.string().max(256))
const tierRequest = {
  name: label,
  url: z.string().min(1).max(TIER_URL_MAX),
  endpoint: z.string().max(TIER_URL_MAX).optional(),
  region: label.optional(),
  storageClass: label.optional(),
  credentialsFile: folder.optional(),
  profile: label.optional(),
  bytesPerSecond: z.int().positive().optional(),
  volume,
}
const recoverRequest = {
  url: z.string().min(1).max(TIER_URL_MAX),
  key: z.string().max(RECOVERY_KEY_TEXT_MAX),
  atLeastNumber: z.int().min(1).max(BACKUP_NUMBER_MAX).optional(),
  atLeastMs: wallTime.optional(),
  asOfMs: wallTime.optional(),
  endpoint: z.string().max(TIER_URL_MAX).optional(),
  region: label.optional(),
  storageClass: label.optional(),
  credentialsFile: folder.optional(),
  profile: label.optional(),
}

const table: Readonly<Record<string, Call>> = {
  status: call({}, (api, _, options) => api.status(options)),

  listPeers: call({}, (api, _, options) => api.listPeers(options)),
  addPeer: call({ address: label }, (api, { address }, options) => api.addPeer(address, options)),
  removePeer: call({ peer: label, volume, now: flag }, (api, { peer, ...how }, options) =>
    api.removePeer(peer, { ...how, ...options }),
  ),
  peerInfo: call({ peer: label }, (api, { peer }, options) => api.peerInfo(peer, options)),
  pingPeer: call({ peer: label }, (api, { peer }, options) => api.pingPeer(peer, options)),
  invite: call(
    {
      volume,
      role: z.enum(ROLES).optional(),
      uses: z.int().min(1).max(TICKET_USES_MAX).optional(),
      expiresInMs: z.int().positive().max(TICKET_LIFETIME_MS_MAX).optional(),
    },
    (api, request, options) => api.invite(request, options),
  ),
  listTickets: call({}, (api, _, options) => api.listTickets(options)),
  revokeTickets: call({ id: label.optional() }, (api, { id }, options) =>
    api.revokeTickets(id, options),
  ),
  join: call({ ticket: z.string().max(TICKET_TEXT_MAX) }, (api, { ticket }, options) =>
    api.join(ticket, options),
  ),

  createVolume: call(
    { name: label, chunk: volume, hash: volume, settings: settings.optional() },
    (api, request, options) => api.createVolume(request, options),
  ),
  listVolumes: call({}, (api, _, options) => api.listVolumes(options)),
  volumeInfo: call({ volume: label }, (api, { volume }, options) =>
    api.volumeInfo(volume, options),
  ),
  retryVolume: call({ volume: label }, (api, { volume }, options) =>
    api.retryVolume(volume, options),
  ),
  setVolume: call({ volume: label, settings }, (api, { volume, settings }, options) =>
    api.setVolume(volume, settings, options),
  ),
  acceptCheckpoint: call({ peer: label, volume }, (api, { peer, volume }, options) =>
    api.acceptCheckpoint(peer, { volume, ...options }),
  ),

  stat: call({ path }, (api, { path }, options) => api.stat(path, options)),
  makeFolder: call(
    { path, parents: flag, mode: mode.optional(), ack },
    (api, { path, ...how }, options) => api.makeFolder(path, { ...how, ...options }),
  ),
  remove: call({ path, recursive: flag }, (api, { path, recursive }, options) =>
    api.remove(path, { recursive, ...options }),
  ),
  move: call({ from: path, to: path }, (api, { from, to }, options) => api.move(from, to, options)),
  makeSymlink: call(
    { path, target: z.string().min(1).max(SYMLINK_MAX), ack },
    (api, { path, target, ack }, options) => api.makeSymlink(path, target, { ack, ...options }),
  ),
  setAttributes: call(
    { path, mode: mode.optional(), modifiedNs: nanoseconds.optional() },
    (api, { path, ...attributes }, options) => api.setAttributes(path, attributes, options),
  ),
  showConflict: call({ path, from: size.optional() }, (api, { path, from }, options) =>
    api.showConflict(path, { from, ...options }),
  ),
  keepConflict: call({ path }, (api, { path }, options) => api.keepConflict(path, options)),
  settle: call({ ack }, (api, { ack }, options) => api.settle(ack, options)),

  collectGarbage: call({ volume }, (api, { volume }, options) =>
    api.collectGarbage({ volume, ...options }),
  ),
  addPin: call({ path, class: label }, (api, { path, class: cls }, options) =>
    api.addPin(path, { class: cls }, options),
  ),
  addColdPin: call({ path, tier: label }, (api, { path, tier }, options) =>
    api.addColdPin(path, tier, options),
  ),
  removePin: call({ path }, (api, { path }, options) => api.removePin(path, options)),
  addTier: call(tierRequest, (api, request, options) => api.addTier(request, options)),
  trustTier: call(tierRequest, (api, request, options) => api.trustTier(request, options)),
  distrustTier: call({ name: label, volume }, (api, { name, volume }, options) =>
    api.distrustTier(name, { volume, ...options }),
  ),
  listTiers: call({ volume }, (api, { volume }, options) => api.listTiers({ volume, ...options })),
  rollBackTier: call(
    { name: label, toMs: wallTime, volume },
    (api, { name, toMs, volume }, options) => api.rollBackTier(name, toMs, { volume, ...options }),
  ),
  removeTier: call({ name: label, volume }, (api, { name, volume }, options) =>
    api.removeTier(name, { volume, ...options }),
  ),
  exportRecoveryKey: call({ volume }, (api, { volume }, options) =>
    api.exportRecoveryKey({ volume, ...options }),
  ),
  recover: call(recoverRequest, (api, request, options) => api.recover(request, options)),
  rehearseRecovery: call({ ...recoverRequest, sample: size.optional() }, (api, request, options) =>
    api.rehearseRecovery(request, options),
  ),
  checkSecurity: call({}, (api, _, options) => api.checkSecurity(options)),
  repair: call({ volume }, (api, { volume }, options) => api.repair({ volume, ...options })),

  mount: call(
    {
      folder,
      volume,
      readOnly: flag,
      allowOther: flag,
      subdir: path.optional(),
      uid: owner,
      gid: owner,
      umask: z.int().min(0).max(0o777).optional(),
      nonEmpty: flag,
      cacheSize: z.string().optional(),
      waitMs: z.int().min(1).optional(),
      async: flag,
      driver: z.enum(['kernel', 'fuse-native']).optional(),
    },
    (api, { folder, ...how }, options) => api.mount(folder, { ...how, ...options }),
  ),
  unmount: call({ folder, force: flag }, (api, { folder, force }, options) =>
    api.unmount(folder, { force, ...options }),
  ),
  listMounts: call({}, (api, _, options) => api.listMounts(options)),
}

/** By the method's name. */
export const calls: ReadonlyMap<string, Call> = new Map(Object.entries(table))

const consistency = z.enum(['eventual', 'read-own', 'strong']).optional()
/** Empty: nothing seen yet. */
const session = z
  .string()
  .max(SESSION_TEXT_MAX)
  .transform((token) => token || undefined)
  .optional()
const consistencyFields = z.strictObject({ consistency, session })

/** throws ShoalError 'usage'. */
export function parseConsistency(
  fields: unknown,
): Pick<FileCallOptions, 'consistency' | 'session'> {
  return check(consistencyFields, fields)
}

const pathQuery = z.strictObject({ path })

/** throws ShoalError 'usage'. */
export function parsePathQuery(query: unknown): { path: string } {
  return check(pathQuery, query)
}

const coldQuery = z.strictObject({ path, tier: label.optional() })

/** throws ShoalError 'usage'. */
export function parseColdQuery(query: unknown): { path: string; tier?: string | undefined } {
  return check(coldQuery, query)
}

const volumeQuery = z.strictObject({ volume })

/** throws ShoalError 'usage'. */
export function parseVolumeQuery(query: unknown): { volume?: string | undefined } {
  return check(volumeQuery, query)
}

const verifyQuery = z.strictObject({
  volume,
  tier: label.optional(),
  sample: z
    .string()
    .regex(/^(\d{1,9}|Infinity)$/)
    .transform(Number)
    .optional(),
})

/** throws ShoalError 'usage'. */
export function parseVerifyQuery(query: unknown): VerifyOptions {
  return check(verifyQuery, query)
}

const sizeText = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .pipe(size)
  .optional()
const readQuery = z.strictObject({ path, offsetBytes: sizeText, lengthBytes: sizeText })

/** throws ShoalError 'usage'. */
export function parseReadQuery(query: unknown): ReadRange & { path: string } {
  return check(readQuery, query)
}

const smallFilesRequest = z.strictObject({ paths: z.array(path).min(1).max(SMALL_FILES_MAX) })

/** throws ShoalError 'usage'. */
export function parseSmallFilesRequest(request: unknown): { paths: readonly string[] } {
  return check(smallFilesRequest, request)
}

const flagText = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional()
const logQuery = z.strictObject({ path, limit: sizeText, follow: flagText, all: flagText })

/** throws ShoalError 'usage'. */
export function parseLogQuery(query: unknown): LogOptions & { path: string } {
  return check(logQuery, query)
}

const securityQuery = z.strictObject({ sinceMs: sizeText, limit: sizeText, follow: flagText })

/** throws ShoalError 'usage'. */
export function parseSecurityQuery(query: unknown): SecurityReadOptions {
  const { sinceMs, ...how } = check(securityQuery, query)
  return { ...how, sinceMs: sinceMs as WallTime | undefined }
}

const exportQuery = z.strictObject({
  path,
  sealed: flagText,
  attributes: flagText,
  rootLater: flagText,
})

/** throws ShoalError 'usage'. */
export function parseExportQuery(query: unknown): ExportOptions & { path: string } {
  return check(exportQuery, query)
}

const importQuery = z.strictObject({ path, sizeBytes: sizeText, preserve: flagText, ack })

/** throws ShoalError 'usage'. */
export function parseImportQuery(query: unknown): ImportOptions & { path: string } {
  return check(importQuery, query)
}

const writeQuery = z.strictObject({
  path,
  mode: z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .pipe(mode)
    .optional(),
  modifiedNs: z
    .string()
    .regex(/^-?\d{1,19}$/)
    .transform(BigInt)
    .pipe(nanoseconds)
    .optional(),
  sizeBytes: sizeText,
  ack,
})

/** throws ShoalError 'usage'. */
export function parseWriteQuery(query: unknown): NewFile & WriteOptions & { path: string } {
  return check(writeQuery, query)
}

function call<Shape extends z.ZodRawShape>(
  shape: Shape,
  run: (
    api: NodeApi,
    request: z.infer<z.ZodObject<Shape, z.core.$strict>>,
    options: FileCallOptions,
  ) => Promise<unknown>,
): Call {
  const schema = z.strictObject(shape)
  return (api, value, options) => run(api, check(schema, value), options)
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field =
    issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.join('.')
  throw new ShoalError('usage', `${field} ${issue === undefined ? 'is invalid' : problemOf(issue)}`)
}

/** What zod found, as the end of a sentence. */
function problemOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty'
      return `must be at least ${issue.minimum}`
    case 'too_big':
      if (issue.origin === 'string') return `must be no longer than ${issue.maximum} characters`
      return `must be at most ${issue.maximum}`
    case 'invalid_type':
      return `must be of type ${issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'unrecognized_keys':
      return `has what is not known here: ${issue.keys.join(', ')}`
    default:
      return issue.message.replace(/^Invalid \w+: /, '')
  }
}
