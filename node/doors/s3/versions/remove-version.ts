// Removes objects where there are versions: without an id the file, which stays as a version; with
// the id of a version that one for good, if an admin's machine is asked by its owner; with that of
// the newest marker the marker, so that the object is there again.
import { ShoalError, hasCode } from '../../../../protocol/errors.ts'
import { sendNothing } from '../../web-answers.ts'
import { isMarkerKey, removeKey } from '../objects.ts'
import { notImplemented } from '../s3-error.ts'
import { checkBucket, objectPath } from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { withSpare } from '../spare.ts'
import { NULL_VERSION, versioningOf, versionsAt } from './versions.ts'
import type { KeptVersion } from './versions.ts'

const TRIES_MAX = 5

/** A removal as an answer tells it. */
export interface Removed {
  readonly version?: string | undefined
  readonly isMarker?: boolean
}

export async function deleteObject(asked: S3Request): Promise<void> {
  await checkBucket(asked)
  const { version, isMarker = false } = await removeObject(asked, asked.query.get('versionId'))
  sendNothing(asked.response, 204, {
    ...(version !== undefined && { 'x-amz-version-id': version }),
    ...(isMarker && { 'x-amz-delete-marker': 'true' }),
  })
}

/** No failure where nothing is. */
export async function removeObject(asked: S3Request, id: string | undefined): Promise<Removed> {
  const isVersioned = !isMarkerKey(asked) && (await versioningOf(asked)) !== undefined
  if (id === undefined || id === '' || (id === NULL_VERSION && !isVersioned)) {
    await removeKey(asked)
    const [first] = isVersioned ? await versionsOf(asked) : []
    return first?.kind === 'marker' ? { version: first.id, isMarker: true } : {}
  }
  if (isVersioned)
    for (let tries = 1; ; tries++)
      try {
        return { version: id, isMarker: await removeVersion(asked, id) }
      } catch (error) {
        // Another one was put, or removed, meanwhile.
        const isMoved = hasCode(error, 'ENOENT') || hasCode(error, 'precondition')
        if (!isMoved || tries === TRIES_MAX) throw error
      }
  return { version: id }
}

/** returns whether it was a marker. */
async function removeVersion(asked: S3Request, id: string): Promise<boolean> {
  const all = await versionsOf(asked)
  const at = all.findIndex((version) => version.id === id)
  const found = all[at]
  if (found === undefined) return false
  if (found.kind === 'marker') await removeMarker(asked, found)
  else {
    if (found.isCurrent) await removeCurrent(asked, found, all[at + 1])
    await purge(asked, found)
  }
  return found.kind === 'marker'
}

function versionsOf(asked: S3Request): Promise<readonly KeptVersion[]> {
  return versionsAt(asked, pathOf(asked))
}

function pathOf(asked: S3Request): string {
  return objectPath(asked, asked.bucket, asked.key)
}

async function removeMarker(asked: S3Request, { isLatest, states }: KeptVersion): Promise<void> {
  if (!isLatest) throw notImplemented('way to forget a removal alone: remove what it removed')
  const { api, signal } = asked
  await api.restore(pathOf(asked), { version: states[0], signal })
}

/** Has what was before it take its place: nothing, where that is a marker, or none is kept. */
async function removeCurrent(
  asked: S3Request,
  current: KeptVersion,
  before: KeptVersion | undefined,
): Promise<void> {
  await checkMayPurge(asked, current)
  if (before?.kind !== 'version') return removeKey(asked)
  const { api, signal } = asked
  const path = pathOf(asked)
  await withSpare(asked, async (spare) => {
    await api.restore(path, { version: before.states[0], to: spare, signal })
    await api.move(spare, path, { exact: true, ifTag: current.file.tag, signal })
  })
}

/** Tells whoever may not purge at all before anything changes: what a file holds is not purged. */
async function checkMayPurge(
  { api, signal, ...asked }: S3Request,
  { states }: KeptVersion,
): Promise<void> {
  try {
    const path = objectPath(asked, asked.bucket, asked.key)
    await api.purgeVersions(path, { version: states[0], signal })
  } catch (error) {
    if (!hasCode(error, 'usage')) throw error
  }
}

async function purge(asked: S3Request, { states }: KeptVersion): Promise<void> {
  const { api, signal } = asked
  for (const version of states)
    try {
      await api.purgeVersions(pathOf(asked), { version, signal })
    } catch (error) {
      // It has just expired.
      if (!(error instanceof ShoalError) || error.code !== 'ENOENT') throw error
    }
}
