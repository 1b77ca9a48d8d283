// PROPPATCH (RFC 4918, section 9.2): properties are set and removed, all of them or none, in the
// order of the request.
import { ShoalError } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { sendBytes } from '../web-answers.ts'
import { checkConditions, checkLocks } from './conditions.ts'
import { DavError, davStatus } from './dav-error.ts'
import { attributeOf, attributeValue, checkRoom } from './dead-properties.ts'
import { isShown, readXml, statIfThere } from './dav-request.ts'
import type { DavRequest } from './dav-request.ts'
import { APACHE, livePropertyOf, withExecutable } from './live-properties.ts'
import { XML_TYPE, multistatus, responseOf } from './multistatus.ts'
import type { PropertyStatus } from './multistatus.ts'
import { childNamed, elementsIn, emptyElement, isNamed, textIn } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'

/** Properties that one request changes. */
const CHANGES_MAX = 256

interface PropertyChange {
  readonly property: XmlElement
  readonly isSet: boolean
}

/** All changes together, as the API takes them. */
interface Outcome {
  mode: number | undefined
  readonly extended: Record<string, string | null>
}

export async function proppatch(asked: DavRequest): Promise<void> {
  const { place, response, signal } = asked
  const changes = changesIn(await readXml(asked))
  const { shown } = await checkConditions(asked)
  checkLocks(asked, place, shown)
  const stat = await statIfThere(asked, place, { extended: true })
  if (stat === undefined || !isShown(stat))
    throw new ShoalError('ENOENT', `${place.href}: nothing is there`)
  const statuses = await changeAll(asked, stat, changes)
  const parts = multistatus(only(responseOf(place.href, statuses)))
  await sendBytes(response, { status: 207, headers: { 'content-type': XML_TYPE }, parts }, signal)
}

async function* only(text: string): AsyncGenerator<string> {
  yield text
}

/** All of them, or none if one cannot be made; returns what became of each. */
async function changeAll(
  { api, place, signal }: DavRequest,
  stat: FileStat,
  changes: readonly PropertyChange[],
): Promise<readonly PropertyStatus[]> {
  const outcome: Outcome = { mode: undefined, extended: {} }
  const failures = new Map<PropertyChange, unknown>()
  for (const change of changes) {
    try {
      plan(stat, change, outcome)
    } catch (error) {
      failures.set(change, error)
    }
  }
  if (failures.size > 0) return failedWith(changes, failures)
  try {
    checkRoom(stat.extended ?? {}, outcome.extended)
    await api.setAttributes(place.path, outcome, { signal })
    return [{ status: 200, properties: changes.map(({ property }) => emptyElement(property)) }]
  } catch (error) {
    return failedWith(changes, new Map(changes.map((change) => [change, error])))
  }
}

/** throws DavError, ShoalError 'EPERM'. */
function plan(
  { kind, mode }: FileStat,
  { property, isSet }: PropertyChange,
  outcome: Outcome,
): void {
  const { namespace, name } = property
  const live = livePropertyOf(namespace, name)
  if (namespace === APACHE && live !== undefined && kind === 'file') {
    const text = textIn(property).trim()
    if (!isSet || !/^[TF]$/.test(text)) throw new DavError(409, '"executable" is T or F')
    outcome.mode = withExecutable(outcome.mode ?? mode, text === 'T')
    return
  }
  if (live !== undefined && live.isKept !== true)
    throw new DavError(403, `"${name}" is told, not set`, { name: PROTECTED })
  outcome.extended[attributeOf(property)] = isSet ? attributeValue(property) : null
}

const PROTECTED = 'cannot-modify-protected-property'

function failedWith(
  changes: readonly PropertyChange[],
  failures: ReadonlyMap<PropertyChange, unknown>,
): readonly PropertyStatus[] {
  const others = changes.filter((change) => !failures.has(change))
  return [
    ...Array.from(failures, ([{ property }, error]) => ({
      status: davStatus(error),
      properties: [emptyElement(property)],
      condition: error instanceof DavError ? error.condition?.name : undefined,
    })),
    { status: 424, properties: others.map(({ property }) => emptyElement(property)) },
  ]
}

/** throws DavError 400. */
function changesIn(body: XmlElement | undefined): readonly PropertyChange[] {
  if (body === undefined || !isNamed(body, 'propertyupdate'))
    throw new DavError(400, 'the body is no "propertyupdate" of DAV:')
  const changes = elementsIn(body).flatMap((part) => {
    const isSet = isNamed(part, 'set')
    if (!isSet && !isNamed(part, 'remove')) return []
    const prop = childNamed(part, 'prop')
    if (prop === undefined) throw new DavError(400, '"set" and "remove" have a "prop"')
    return elementsIn(prop).map((property) => ({ property, isSet }))
  })
  if (changes.length > 0 && changes.length <= CHANGES_MAX) return changes
  throw new DavError(400, `a request changes 1 to ${CHANGES_MAX} properties`)
}
