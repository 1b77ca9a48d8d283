// PROPFIND (RFC 4918, section 9.1): properties of a place, and of what is in a folder page by page,
// so that it takes as little memory for many as for few.
import { ShoalError } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { sendBytes } from '../web-answers.ts'
import { DavError } from './dav-error.ts'
import { attributeOf, deadProperties } from './dead-properties.ts'
import type { PropertyName } from './dead-properties.ts'
import {
  SNAPSHOTS,
  childOf,
  depthOf,
  isShown,
  placeOf,
  readXml,
  statIfThere,
} from './dav-request.ts'
import type { DavRequest } from './dav-request.ts'
import { LIVE_PROPERTIES, isQuota, livePropertyOf } from './live-properties.ts'
import type { LiveProperty, Resource, Telling } from './live-properties.ts'
import { XML_TYPE, multistatus, responseOf } from './multistatus.ts'
import type { PropertyStatus } from './multistatus.ts'
import { escapeXml } from '../xml/xml-text.ts'
import { DAV, childNamed, elementsIn, emptyElement, isNamed, standingAlone } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'

const PAGE_ENTRIES = 500
/** Properties that one request names. */
const PROPERTIES_MAX = 256

/** The properties that are asked for. */
type Wanted =
  | { readonly kind: 'names' }
  /** All usual ones, and these. */
  | { readonly kind: 'all'; readonly also: readonly XmlElement[] }
  | { readonly kind: 'some'; readonly names: readonly XmlElement[] }

export async function propfind(asked: DavRequest): Promise<void> {
  const { place, response, signal } = asked
  const depth = depthOf(asked, 'infinity')
  const wanted = wantedBy(await readXml(asked))
  if (depth === 'infinity')
    throw new DavError(403, 'PROPFIND has a Depth of 0 or 1', { name: 'propfind-finite-depth' })
  const hasDead = wanted.kind !== 'some' || wanted.names.some(mayBeDead)
  const stat = await statIfThere(asked, place, { extended: hasDead })
  if (stat === undefined || !isShown(stat))
    throw new ShoalError('ENOENT', `${place.href}: nothing is there`)
  const names = wanted.kind === 'some' ? wanted.names : wanted.kind === 'all' ? wanted.also : []
  const status = names.some(isQuota) ? await asked.api.status({ signal }) : undefined
  const resources = inDepth(asked, stat, depth, hasDead)
  const parts = multistatus(told({ ...asked, status }, resources, wanted))
  await sendBytes(response, { status: 207, headers: { 'content-type': XML_TYPE }, parts }, signal)
}

async function* inDepth(
  asked: DavRequest,
  stat: FileStat,
  depth: 0 | 1,
  extended: boolean,
): AsyncGenerator<readonly Resource[]> {
  const { place, folder } = asked
  const { parts } = place
  const isFolder = stat.kind === 'folder'
  const self = placeOf(folder, { parts, isFolder })
  yield [{ place: self, stat }]
  if (depth === 0 || !isFolder) return
  for await (const entries of entriesIn(asked, extended)) {
    yield entries.filter(isListed).map((entry) => ({
      place: childOf(folder, self, entry.name, entry.kind === 'folder'),
      stat: entry,
    }))
  }
}

/** A file or folder that the user made by the name of snapshots cannot be had. */
function isListed(stat: FileStat): boolean {
  return isShown(stat) && stat.name !== SNAPSHOTS
}

/** The pages of a folder, as it is or was; or a folder for each snapshot. */
async function* entriesIn(
  asked: DavRequest,
  extended: boolean,
): AsyncGenerator<readonly FileStat[]> {
  const { api, place, folder, signal } = asked
  if (place.past?.kind === 'one')
    return yield* api.list(place.path, { version: place.past.version, signal })
  if (place.past?.kind === 'all') {
    for (const { name } of await api.listSnapshots({ volume: folder.volume, signal })) {
      const at = placeOf(folder, { parts: [...place.parts, name], isFolder: true })
      const then = await statIfThere(asked, at)
      if (then !== undefined) yield [{ ...then, name }]
    }
    return
  }
  let after: string | undefined
  do {
    const page = await api.listPage(place.path, { after, extended, limit: PAGE_ENTRIES, signal })
    yield page.entries
    after = page.next
  } while (after !== undefined)
}

async function* told(
  asked: Telling,
  pages: AsyncIterable<readonly Resource[]>,
  wanted: Wanted,
): AsyncGenerator<string> {
  for await (const page of pages) {
    yield page
      .map((resource) => responseOf(resource.place.href, statusesOf(asked, resource, wanted)))
      .join('')
  }
}

function statusesOf(asked: Telling, resource: Resource, wanted: Wanted): readonly PropertyStatus[] {
  const dead = deadProperties(resource.stat.extended)
  if (wanted.kind === 'some') return statusesOfSome(asked, resource, dead, wanted.names)
  const isNames = wanted.kind === 'names'
  const live: string[] = []
  for (const property of LIVE_PROPERTIES) {
    if (!isNames && !property.isUsual) continue
    if (property.isKept === true && setAs(dead, property) !== undefined) continue
    const content = property.tell(resource, asked)
    if (content !== undefined) live.push(elementFor(property, isNames ? '' : content))
  }
  const set = Array.from(dead.values(), isNames ? emptyElement : standingAlone)
  const all: PropertyStatus = { status: 200, properties: [...live, ...set] }
  if (isNames) return [all]
  const also = wanted.also.filter(({ namespace, name }) => {
    return livePropertyOf(namespace, name)?.isUsual !== true
  })
  return [all, ...statusesOfSome(asked, resource, dead, also)]
}

function statusesOfSome(
  asked: Telling,
  resource: Resource,
  dead: ReadonlyMap<string, XmlElement>,
  names: readonly XmlElement[],
): readonly PropertyStatus[] {
  const found: string[] = []
  const missing: string[] = []
  for (const name of names) {
    const live = livePropertyOf(name.namespace, name.name)
    const set = live === undefined || live.isKept === true ? setAs(dead, name) : undefined
    if (set !== undefined) {
      found.push(standingAlone(set))
      continue
    }
    const content = live?.tell(resource, asked)
    if (live !== undefined && content !== undefined) found.push(elementFor(live, content))
    else missing.push(emptyElement(name))
  }
  return [
    { status: 200, properties: found },
    { status: 404, properties: missing },
  ]
}

/** The property as a client has set it. */
function setAs(dead: ReadonlyMap<string, XmlElement>, name: PropertyName): XmlElement | undefined {
  // Most files have none, and to hash names takes time.
  return dead.size === 0 ? undefined : dead.get(attributeOf(name))
}

function elementFor({ namespace, name }: LiveProperty, content: string): string {
  const tag = namespace === DAV ? `D:${name}` : `P:${name}`
  const declared = namespace === DAV ? '' : ` xmlns:P="${escapeXml(namespace)}"`
  return content === '' ? `<${tag}${declared}/>` : `<${tag}${declared}>${content}</${tag}>`
}

/** No body asks for all. throws DavError 400. */
function wantedBy(body: XmlElement | undefined): Wanted {
  if (body === undefined) return { kind: 'all', also: [] }
  if (!isNamed(body, 'propfind')) throw new DavError(400, 'the body is no "propfind" of DAV:')
  const prop = childNamed(body, 'prop')
  const asked = [prop, childNamed(body, 'allprop'), childNamed(body, 'propname')]
  if (asked.filter((one) => one !== undefined).length !== 1)
    throw new DavError(400, '"propfind" has one of "prop", "allprop" and "propname"')
  if (childNamed(body, 'propname') !== undefined) return { kind: 'names' }
  if (prop !== undefined) return { kind: 'some', names: namesIn(prop) }
  const include = childNamed(body, 'include')
  return { kind: 'all', also: include === undefined ? [] : namesIn(include) }
}

function namesIn(element: XmlElement): readonly XmlElement[] {
  const names = elementsIn(element)
  if (names.length <= PROPERTIES_MAX) return names
  throw new DavError(400, `a request names at most ${PROPERTIES_MAX} properties`)
}

function mayBeDead({ namespace, name }: XmlElement): boolean {
  const live = livePropertyOf(namespace, name)
  return live === undefined || live.isKept === true
}
