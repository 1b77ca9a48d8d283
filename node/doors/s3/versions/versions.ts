// Versions of objects: the states of a file that the volume keeps, by its setting `versions`. What
// this door wrote into a bucket with versions has an id of its own, which goes along when the
// state is brought back; what it wrote otherwise is the version 'null', of which there is one; what
// others wrote has the id that Shoal gives it. A marker is that the file was removed.
import { toHex } from '../../../../protocol/bytes.ts'
import { hasCode } from '../../../../protocol/errors.ts'
import type { VersionInfo } from '../../../control/versions.ts'
import { settingIn } from '../bucket-settings.ts'
import { isWritten, metadataOf } from '../metadata.ts'
import type { DescribedFile, ObjectMetadata } from '../metadata.ts'
import { bucketPath, statIfThere } from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { NS_PER_MS } from '../../../../protocol/units.ts'

export const NULL_VERSION = 'null'
const MARKER = 'removed-'
const ID_BYTES = 16

export type Versioning = 'Enabled' | 'Suspended'

export interface KeptVersion {
  readonly kind: 'version' | 'marker'
  readonly id: string
  readonly isLatest: boolean
  /** Is it what the file holds now? */
  readonly isCurrent: boolean
  /** The states that have this id, as Shoal calls them, the newest first. */
  readonly states: readonly string[]
  /** When it began. */
  readonly modifiedNs: bigint
  readonly file: DescribedFile
  readonly metadata: ObjectMetadata
}

/** As it was set; undefined: it never was. */
export async function versioningOf(
  asked: S3Request,
  bucket: string = asked.bucket,
): Promise<Versioning | undefined> {
  const stat = await statIfThere(asked, bucketPath(asked, bucket))
  const text = stat?.kind === 'folder' ? settingIn(stat, 'versioning') : undefined
  return text === 'Enabled' || text === 'Suspended' ? text : undefined
}

/** How an object is to be written, for what it replaces to stay a version. */
export interface NewVersion {
  readonly version?: string | undefined
  readonly isNew?: boolean
}

export async function newVersion(asked: S3Request): Promise<NewVersion> {
  const versioning = await versioningOf(asked)
  if (versioning === undefined) return {}
  const version = versioning === 'Enabled' ? toHex(asked.random.bytes(ID_BYTES)) : undefined
  return { isNew: true, version }
}

/** The header of an answer to what made one. */
export function versionHeader({ isNew, version }: NewVersion): Readonly<Record<string, string>> {
  return isNew === true ? { 'x-amz-version-id': version ?? NULL_VERSION } : {}
}

/** Those of a path, the newest first. cost: O(all that is kept of it) */
export async function versionsAt(
  { api, signal }: Pick<S3Request, 'api' | 'signal'>,
  path: string,
): Promise<readonly KeptVersion[]> {
  const states: VersionInfo[] = []
  try {
    for await (const page of api.listVersions(path, { extended: true, signal }))
      states.push(...page)
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR') || hasCode(error, 'ENOTDIR')) return []
    throw error
  }
  return versionsOf(states)
}

/** states: the newest first. */
function versionsOf(states: readonly VersionInfo[]): readonly KeptVersion[] {
  const isThere = states.some(({ end }) => end === 'current')
  const kept = new Map<string, KeptVersion>()
  const removals = new Set<number>()
  for (const state of states) {
    const { id: stateId, kind, sizeBytes, file, end, endedMs } = state
    if (kind !== 'file' || file?.hasContent !== true) continue
    const described = { ...file, sizeBytes }
    const metadata = metadataOf(described)
    const isOwn = metadata.version !== undefined || isWritten(metadata, described)
    const id = isOwn ? (metadata.version ?? NULL_VERSION) : stateId
    const known = kept.get(id)
    if (known !== undefined) {
      // It was brought back: it is that one, and so its removal is none any more.
      kept.set(id, { ...known, states: [...known.states, stateId] })
      continue
    }
    const isCurrent = end === 'current'
    const common = { states: [stateId], file: described, metadata }
    if (end === 'removed' && endedMs !== undefined && !removals.has(endedMs)) {
      removals.add(endedMs)
      const isLatest = !isThere && kept.size === 0
      const modifiedNs = BigInt(endedMs) * NS_PER_MS
      const marker = { kind: 'marker', id: MARKER + stateId, isLatest, isCurrent: false } as const
      kept.set(marker.id, { ...marker, ...common, modifiedNs })
    }
    const { modifiedNs } = file
    kept.set(id, { kind: 'version', id, isLatest: isCurrent, isCurrent, ...common, modifiedNs })
  }
  return [...kept.values()]
}
