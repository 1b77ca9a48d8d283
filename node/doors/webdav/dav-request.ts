// A request at the WebDAV door: who asks, about which place, and what its headers say (RFC 4918,
// section 10).
import { ShoalError } from '../../../protocol/errors.ts'
import { KIB, SECOND_MS } from '../../../protocol/units.ts'
import type { DoorFolder } from '../../door-config.ts'
import type { FileStat } from '../../control/files.ts'
import type { Clock, Random } from '../../world/world.ts'
import { readBody } from '../read-body.ts'
import { statIfThere as lookAt } from '../stat-if-there.ts'
import type { Visit } from '../visit.ts'
import type { Exchange } from '../web-server.ts'
import { DavError } from './dav-error.ts'
import { apiPath, davPath, hrefOf, isSameHost, placeKey } from './dav-path.ts'
import type { DavPath } from './dav-path.ts'
import type { Locks } from './locks.ts'
import { parseXml } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'

const BODY_BYTES_MAX: number = 256 * KIB
const BODY_MS: number = 30 * SECOND_MS

export interface DavRequest extends Exchange, Visit {
  readonly place: Place
  /** The folder that the door shows. */
  readonly folder: DoorFolder
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
  readonly locks: Locks
}

/** A path with all that is called by it. */
export interface Place extends DavPath {
  /** For NodeApi. */
  readonly path: string
  /** For locks. */
  readonly key: string
  readonly href: string
  /** Below a folder `.snapshots`: what was there then, to be read alone. */
  readonly past: Past | undefined
}

/** The folder of all snapshots, or `version` as NodeApi has it, of one. */
export type Past = { readonly kind: 'all' } | { readonly kind: 'one'; readonly version: string }

export const SNAPSHOTS = '.snapshots'

export type Depth = 0 | 1 | 'infinity'

export function placeOf(folder: DoorFolder, at: DavPath): Place {
  const { parts } = at
  const begin = parts.indexOf(SNAPSHOTS)
  const name = parts[begin + 1]
  const present = begin < 0 ? parts : [...parts.slice(0, begin), ...parts.slice(begin + 2)]
  const one: Past = name === undefined ? { kind: 'all' } : { kind: 'one', version: `@${name}` }
  return {
    ...at,
    path: apiPath(folder, present),
    key: placeKey(parts),
    href: hrefOf(at),
    past: begin < 0 ? undefined : one,
  }
}

/** The place of a name in a folder. cost: that of the name alone, as long listings need it. */
export function childOf(folder: DoorFolder, parent: Place, name: string, isFolder: boolean): Place {
  const parts = [...parent.parts, name]
  if (parent.past?.kind === 'all' || name === SNAPSHOTS) return placeOf(folder, { parts, isFolder })
  return {
    parts,
    isFolder,
    path: `${parent.path}${parent.path.endsWith('/') ? '' : '/'}${name}`,
    key: `${parent.key}${placeKey([name])}`,
    href: `${parent.href.replace(/\/$/, '')}${hrefOf({ parts: [name], isFolder })}`,
    past: parent.past,
  }
}

/** For calls of NodeApi that read. */
export function versionOf({ past }: Place): string | undefined {
  return past?.kind === 'one' ? past.version : undefined
}

/** The folder that it is in; undefined: it is the root. */
export function parentOf(folder: DoorFolder, { parts }: Place): Place | undefined {
  if (parts.length === 0) return undefined
  return placeOf(folder, { parts: parts.slice(0, -1), isFolder: true })
}

/** throws DavError 400. */
export function depthOf({ request }: Exchange, otherwise: Depth): Depth {
  const { depth } = request.headers
  if (depth === undefined) return otherwise
  switch (String(depth).toLowerCase()) {
    case '0':
      return 0
    case '1':
      return 1
    case 'infinity':
      return 'infinity'
    default:
      throw new DavError(400, 'Depth is 0, 1 or infinity')
  }
}

/** May what is there be replaced? throws DavError 400. */
export function isToOverwrite({ request }: Exchange): boolean {
  const overwrite = headerOf(request, 'overwrite') ?? 'T'
  if (/^[tf]$/i.test(overwrite)) return overwrite.toUpperCase() === 'T'
  throw new DavError(400, 'Overwrite is T or F')
}

/** throws DavError 400, 502 for another server. */
export function destinationOf({ request, folder }: DavRequest): Place {
  const url = headerOf(request, 'destination')
  if (url === undefined) throw new DavError(400, 'Destination is missing')
  if (!isOfDoor(request, url)) throw new DavError(502, 'the destination is on another server')
  const place = placeOf(folder, davPath(url))
  checkPresent(place)
  return place
}

/** Is a URL one of this door? A server before it may call it otherwise than its client does. */
export function isOfDoor(request: Exchange['request'], url: string): boolean {
  const hosts = [request.headers.host, headerOf(request, 'x-forwarded-host')]
  return hosts.some((host) => isSameHost(url, host))
}

/** throws DavError 403 for what was there in a snapshot. */
export function checkPresent({ past, href }: Place): void {
  if (past !== undefined) throw new DavError(403, `${href}: a snapshot is not changed`)
}

export function headerOf({ headers }: Exchange['request'], name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** The XML that it has, if any. throws DavError 400, ShoalError 'EFBIG', 'timeout'. */
export async function readXml({ request, clock }: DavRequest): Promise<XmlElement | undefined> {
  const late = clock.timer(BODY_MS, () =>
    request.destroy(new ShoalError('timeout', 'the request took too long')),
  )
  try {
    const bytes = await readBody(request as AsyncIterable<Uint8Array>, BODY_BYTES_MAX)
    return bytes.length === 0 ? undefined : parseXml(bytes)
  } finally {
    late.cancel()
  }
}

/** throws DavError 415 for a request that has a body where none has a meaning. */
export async function refuseBody({ request }: DavRequest): Promise<void> {
  for await (const part of request as AsyncIterable<Uint8Array>)
    if (part.length > 0) throw new DavError(415, `${request.method} has no body`)
}

export async function statIfThere(
  { api, signal }: DavRequest,
  place: Place,
  options: { readonly extended?: boolean } = {},
): Promise<FileStat | undefined> {
  const stat = await lookAt(api, place.path, { ...options, version: versionOf(place), signal })
  return place.past?.kind === 'all' && stat?.kind !== 'folder' ? undefined : stat
}

/** throws DavError 409 where there is no folder for a new file. */
export async function checkParent(asked: DavRequest, place: Place): Promise<void> {
  const parent = parentOf(asked.folder, place)
  if (parent === undefined) return
  const stat = await statIfThere(asked, parent)
  if (stat?.kind !== 'folder') throw new DavError(409, `${parent.href}: is no folder`)
}

/** WebDAV has files and folders, and no way to say what a symlink or a device is. */
export function isShown({ kind }: FileStat): boolean {
  return kind === 'file' || kind === 'folder'
}
