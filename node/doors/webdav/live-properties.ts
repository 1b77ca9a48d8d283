// Properties that the door tells of what is there (RFC 4918, section 15; RFC 4331), as XML.
import { plainText } from '../../../protocol/byte-text.ts'
import { NS_PER_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { FileStat } from '../../control/files.ts'
import type { NodeStatus } from '../../control/status.ts'
import { etagOf, httpDate } from '../send-file.ts'
import type { DavRequest, Place } from './dav-request.ts'
import type { Lock, Locks } from './locks.ts'
import { escapeXml } from '../xml/xml-text.ts'
import { DAV } from '../xml/xml.ts'

/** The namespace of the property `executable` of Apache, which davfs2 and cadaver ask for. */
export const APACHE = 'http://apache.org/dav/props/'
/** For all: those that may run it, if it may be run. */
const EXECUTABLE = 0o111

/** A file or folder, with the place that it is seen at. */
export interface Resource {
  readonly place: Place
  readonly stat: FileStat
}

/** The parts of a request of which properties are told. */
export interface Telling extends Pick<DavRequest, 'locks' | 'folder'> {
  /** As the node told it; undefined: nothing was asked of which it tells. */
  readonly status: NodeStatus | undefined
}

export interface LiveProperty {
  readonly namespace: string
  readonly name: string
  /** It is among those that are told when all are asked for. */
  readonly isUsual: boolean
  /** Clients may set it; then it is kept as they did. */
  readonly isKept?: boolean
  /** The content of its element; undefined: it has no such property. */
  readonly tell: (resource: Resource, asked: Telling) => string | undefined
}

const SUPPORTED_LOCKS = ['exclusive', 'shared']
  .map(
    (scope) =>
      `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope>` +
      '<D:locktype><D:write/></D:locktype></D:lockentry>',
  )
  .join('')

const onlyOfFiles =
  (tell: (stat: FileStat) => string): LiveProperty['tell'] =>
  ({ stat }) =>
    stat.kind === 'file' ? tell(stat) : undefined

const usual = (name: string, tell: LiveProperty['tell']): LiveProperty => ({
  namespace: DAV,
  name,
  isUsual: true,
  tell,
})

const QUOTA_AVAILABLE = 'quota-available-bytes'
const QUOTA_USED = 'quota-used-bytes'

export const LIVE_PROPERTIES: readonly LiveProperty[] = [
  usual('resourcetype', ({ stat }) => (stat.kind === 'folder' ? '<D:collection/>' : '')),
  { ...usual('displayname', ({ place }) => escapeXml(shownName(place))), isKept: true },
  usual(
    'getcontentlength',
    onlyOfFiles(({ sizeBytes }) => String(sizeBytes)),
  ),
  usual('getcontenttype', ({ stat }) => contentTypeOf(stat)),
  usual('getlastmodified', ({ stat }) => httpDate(stat)),
  usual('creationdate', ({ stat }) =>
    new Date(Number(stat.modifiedNs / NS_PER_MS)).toISOString().replace(/\.\d+Z$/, 'Z'),
  ),
  usual(
    'getetag',
    onlyOfFiles((stat) => escapeXml(etagOf(stat) ?? '')),
  ),
  usual('supportedlock', () => SUPPORTED_LOCKS),
  usual('lockdiscovery', ({ place }, { locks }) => activeLocks(locks, locks.covering(place))),
  {
    namespace: APACHE,
    name: 'executable',
    isUsual: true,
    tell: onlyOfFiles(({ mode }) => ((mode & EXECUTABLE) === 0 ? 'F' : 'T')),
  },
  { ...usual(QUOTA_AVAILABLE, (at, asked) => quota(at, asked, 'available')), isUsual: false },
  { ...usual(QUOTA_USED, (at, asked) => quota(at, asked, 'used')), isUsual: false },
]

const BY_NAME: ReadonlyMap<string, LiveProperty> = new Map(
  LIVE_PROPERTIES.map((property) => [`${property.namespace} ${property.name}`, property]),
)

export function livePropertyOf(namespace: string, name: string): LiveProperty | undefined {
  return BY_NAME.get(`${namespace} ${name}`)
}

/** Is it told of the status of the node? */
export function isQuota({ namespace, name }: Pick<LiveProperty, 'namespace' | 'name'>): boolean {
  return namespace === DAV && (name === QUOTA_AVAILABLE || name === QUOTA_USED)
}

/** The same mode with the bits by which it may be run set or not. */
export function withExecutable(mode: number, isExecutable: boolean): number {
  // Whoever may read it may run it.
  return isExecutable ? mode | ((mode & 0o444) >> 2) : mode & ~EXECUTABLE
}

export function contentTypeOf({ kind }: FileStat): string {
  return kind === 'folder' ? 'httpd/unix-directory' : 'application/octet-stream'
}

/** Some locks, as lockdiscovery has them. */
export function activeLocks(locks: Locks, shown: readonly Lock[]): string {
  return shown
    .map((lock) => {
      const { isShared, isDeep, owner, token, place } = lock
      return (
        '<D:activelock><D:locktype><D:write/></D:locktype>' +
        `<D:lockscope><D:${isShared ? 'shared' : 'exclusive'}/></D:lockscope>` +
        `<D:depth>${isDeep ? 'infinity' : '0'}</D:depth>${owner}` +
        `<D:timeout>Second-${Math.ceil(locks.leftMs(lock) / SECOND_MS)}</D:timeout>` +
        `<D:locktoken><D:href>${escapeXml(token)}</D:href></D:locktoken>` +
        `<D:lockroot><D:href>${escapeXml(place.href)}</D:href></D:lockroot></D:activelock>`
      )
    })
    .join('')
}

function shownName({ parts }: Place): string {
  const name = parts.at(-1) ?? '/'
  return plainText(name) ?? name
}

function quota(
  { stat }: Resource,
  { folder, status }: Telling,
  which: 'available' | 'used',
): string | undefined {
  if (stat.kind !== 'folder' || status === undefined) return undefined
  const { node, volumes } = status
  if (which === 'available') return String(node.freeBytes)
  const { volume: wanted } = folder
  const volume = volumes.find(({ name, id, isDefault }) =>
    wanted === undefined ? isDefault : name === wanted || id === wanted,
  )
  return volume === undefined ? undefined : String(volume.bytes)
}
