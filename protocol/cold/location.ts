// Parses the location of a cold tier as people write it: `s3://bucket/prefix`,
// `rclone:REMOTE:path`, `dir:/path`. It never holds a secret: locations are stored, shown and
// logged. What does not read back as the same text is refused. The text may also come from a policy
// of a volume (definition.ts). So each part is what it says and nothing else: the name of a remote
// cannot be a connection string or an option of rclone, a region cannot be part of another host's
// name.
import { ShoalError } from '../errors.ts'

export type TierLocation = S3Location | RcloneLocation | FolderLocation

export interface S3Location extends S3Options {
  readonly kind: 's3'
  readonly bucket: string
  /** '' or a path that ends in '/'. */
  readonly prefix: string
}

/** Settings of an S3 tier that are not in its URL. */
export interface S3Options {
  /** http(s) URL of the server; AWS if not said. */
  readonly endpoint?: string
  readonly region?: string
  /** For objects put without one of their own. */
  readonly storageClass?: string
}

export interface RcloneLocation {
  readonly kind: 'rclone'
  /** A remote of rclone's own config. */
  readonly remote: string
  readonly path: string
}

export interface FolderLocation {
  readonly kind: 'dir'
  /** Absolute. */
  readonly path: string
}

/**
 * Amazon's rules, less those on what a name may not mean; one letter of slack in case for other
 * servers.
 */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/
/**
 * Remote names that rclone's configuration allows ("Valid remote names", rclone documentation),
 * limited to those that no shell, option parser or connection string reads as anything else.
 * `:sftp,ssh=...:` makes a backend that runs a program.
 */
const REMOTE = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/
/** Becomes part of a host name where no endpoint is given. */
const REGION = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
const STORAGE_CLASS = /^[A-Z][A-Z0-9_]{0,63}$/
const FORMS = 's3://BUCKET/PREFIX, rclone:REMOTE:PATH or dir:/PATH'
const LENGTH_MAX = 1024

/**
 * throws ShoalError 'usage' for what is no location, has a secret in it, or options of another kind
 * of tier.
 */
export function parseTierLocation(url: string, options: S3Options = {}): TierLocation {
  const [, scheme, rest = ''] = /^(s3:\/\/|rclone:|dir:)(.*)$/s.exec(url) ?? []
  if (scheme === undefined || url.length > LENGTH_MAX || hasControls(url)) {
    throw usage(`${shown(url)} is no cold tier: give ${FORMS}`)
  }
  if (scheme === 's3://') return s3Location(rest, options)
  const [stray] = Object.keys(options)
  if (stray !== undefined) throw usage(`${stray} is for s3:// only: leave it out`)
  return scheme === 'dir:' ? folderLocation(rest) : rcloneLocation(rest)
}

/** The URL that a location was parsed from, less what is the same without it. */
export function formatTierLocation(location: TierLocation): string {
  switch (location.kind) {
    case 's3':
      return `s3://${location.bucket}/${location.prefix}`.replace(/\/$/, '')
    case 'rclone':
      return `rclone:${location.remote}:${location.path}`
    case 'dir':
      return `dir:${location.path}`
  }
}

/** Whether two locations are the same place, whatever the storage class. */
export function isSamePlace(a: TierLocation, b: TierLocation): boolean {
  const server = (location: TierLocation): string =>
    location.kind === 's3' ? (location.endpoint ?? '') : ''
  return formatTierLocation(a) === formatTierLocation(b) && server(a) === server(b)
}

/** throws ShoalError 'EINVAL' for what no tier takes as a key. */
export function checkTierKey(key: string): string {
  const bad =
    key === '' ||
    key.length > LENGTH_MAX ||
    hasControls(key) ||
    key.includes('\\') ||
    key.split('/').some((part) => part === '' || part === '.' || part === '..')
  if (bad) throw new ShoalError('EINVAL', `${JSON.stringify(key)} is no key of an object`)
  return key
}

function s3Location(rest: string, options: S3Options): S3Location {
  const [bucket = '', ...parts] = rest.split('/')
  if (bucket.includes('@') || bucket.includes(':')) {
    throw usage('no keys in s3:// URLs: use --credentials FILE or --profile NAME')
  }
  if (!BUCKET.test(bucket)) throw usage(`${shown(bucket)} is no name of a bucket`)
  const prefix = parts.join('/').replace(/\/+$/, '')
  if (prefix !== '') checkPath(prefix, 'prefix')
  const { endpoint, region, storageClass } = options
  if (endpoint !== undefined) checkEndpoint(endpoint)
  if (region !== undefined && !REGION.test(region)) throw usage(`${shown(region)} is no region`)
  if (storageClass !== undefined && !STORAGE_CLASS.test(storageClass))
    throw usage(`${shown(storageClass)} is no storage class: give one such as STANDARD_IA`)
  return {
    kind: 's3',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(storageClass !== undefined && { storageClass }),
  }
}

function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  const isUrl = url !== undefined && /^https?:$/.test(url.protocol)
  if (!isUrl || endpoint.length > LENGTH_MAX || hasControls(endpoint)) {
    throw usage(`${shown(endpoint)} is no endpoint: give http://HOST:PORT or https://HOST`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw usage('an endpoint has no keys or queries in it: give http(s)://HOST[:PORT][/PATH]')
  }
}

function rcloneLocation(rest: string): RcloneLocation {
  const colon = rest.indexOf(':')
  const remote = rest.slice(0, Math.max(0, colon))
  const path = rest.slice(colon + 1).replace(/\/+$/, '')
  if (!REMOTE.test(remote)) {
    throw usage(
      `rclone:REMOTE:PATH needs the name of a remote that rclone knows (rclone listremotes)`,
    )
  }
  if (path === '') throw usage(`give rclone:${remote}:PATH a folder of its own`)
  checkPath(path.replace(/^\//, ''), 'path')
  return { kind: 'rclone', remote, path }
}

function folderLocation(rest: string): FolderLocation {
  const path = rest.replace(/\/+$/, '')
  if (!/^\/[^/]/.test(path)) throw usage('give dir:/PATH an absolute path below /')
  checkPath(path.slice(1), 'path')
  return { kind: 'dir', path }
}

function checkPath(path: string, what: string): void {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw usage(`the ${what} ${shown(path)} has an empty, '.' or '..' part`)
  }
}

/** A text as shown in errors: only if it is short and surely not a mistyped secret. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text)
}

function usage(message: string): ShoalError {
  return new ShoalError('usage', message)
}
