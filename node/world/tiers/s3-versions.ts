// A bucket that keeps versions (S3 versioning, without which there is no Object Lock): what was
// removed or written over since a time is brought back. Who may write to the bucket can put other
// objects on top; of one that is locked nobody, its owner included, can take away what lies below.
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3'
import type {
  ListObjectVersionsCommandInput,
  ObjectVersion,
  S3Client,
  StorageClass,
} from '@aws-sdk/client-s3'
import type { WallTime } from '../../../protocol/units.ts'

/** Objects of a bucket, by the start of their keys. */
export interface Versioned {
  readonly client: S3Client
  readonly bucket: string
  readonly prefix: string
}

interface Version {
  readonly key: string
  readonly id: string
  readonly atMs: number
  readonly isLatest: boolean
  /** Absent: it says that the object was removed. */
  readonly object: { readonly etag: string; readonly storageClass: string | undefined } | undefined
}

/** Does the bucket keep versions? throws what the SDK does. */
export async function keepsVersions(
  { client, bucket }: Versioned,
  signal: AbortSignal,
): Promise<boolean> {
  const command = new GetBucketVersioningCommand({ Bucket: bucket })
  const { Status } = await client.send(command, { abortSignal: signal })
  return Status === 'Enabled'
}

/**
 * Bring back what each object was at a time. returns how many were something else. throws what the
 * SDK does.
 */
export async function rollBack(
  of: Versioned,
  toMs: WallTime,
  signal: AbortSignal,
): Promise<number> {
  let count = 0
  for await (const versions of versionsByKey(of, signal)) {
    const latest = versions.find(({ isLatest }) => isLatest)
    const [then] = versions.filter(({ atMs }) => atMs <= toMs).toSorted((a, b) => b.atMs - a.atMs)
    if (then?.object === undefined || latest?.object?.etag === then.object.etag) continue
    const since = versions.filter(({ atMs }) => atMs > toMs)
    if (since.every(({ object }) => object === undefined)) await undo(of, since, signal)
    else await putOnTop(of, then, signal)
    count++
  }
  return count
}

/** Take back that an object was removed. */
async function undo(
  { client, bucket: Bucket }: Versioned,
  removals: readonly Version[],
  signal: AbortSignal,
): Promise<void> {
  for (const { key: Key, id: VersionId } of removals)
    await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }), { abortSignal: signal })
}

async function putOnTop(
  { client, bucket: Bucket }: Versioned,
  { key: Key, id, object }: Version,
  signal: AbortSignal,
): Promise<void> {
  const path = [Bucket, ...Key.split('/')].map(encodeURIComponent).join('/')
  const CopySource = `${path}?versionId=${encodeURIComponent(id)}`
  const StorageClass = object?.storageClass as StorageClass | undefined
  const copy = { Bucket, Key, CopySource, ...(StorageClass && { StorageClass }) }
  await client.send(new CopyObjectCommand(copy), { abortSignal: signal })
}

/** All versions of one object after the other. Memory: those of a page, and of one object. */
async function* versionsByKey(
  { client, bucket, prefix }: Versioned,
  signal: AbortSignal,
): AsyncGenerator<readonly Version[]> {
  let open: readonly Version[] = []
  let from: Pick<ListObjectVersionsCommandInput, 'KeyMarker' | 'VersionIdMarker'> = {}
  for (;;) {
    const command = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, ...from })
    const page = await client.send(command, { abortSignal: signal })
    const objects = (page.Versions ?? []).map(({ ETag = '', StorageClass: storageClass, ...at }) =>
      versionOf(at, { etag: ETag, storageClass }),
    )
    const removals = (page.DeleteMarkers ?? []).map((at) => versionOf(at, undefined))
    const byKey = Map.groupBy([...open, ...objects, ...removals], ({ key }) => key)
    const { IsTruncated, NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page
    const isLast = IsTruncated !== true || KeyMarker === undefined
    // The next page may go on with the last object of this one.
    if (!isLast) {
      open = byKey.get(KeyMarker) ?? []
      byKey.delete(KeyMarker)
    }
    yield* byKey.values()
    if (isLast) return
    from = { KeyMarker, VersionIdMarker }
  }
}

function versionOf(
  at: Pick<ObjectVersion, 'Key' | 'VersionId' | 'LastModified' | 'IsLatest'>,
  object: Version['object'],
): Version {
  const { Key: key = '', VersionId: id = '', LastModified, IsLatest: isLatest = false } = at
  return { key, id, atMs: LastModified?.getTime() ?? Infinity, isLatest, object }
}
