// A tier on an S3 server. What is asked at a time, and what is in memory for it, is bounded over
// all calls.
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  RestoreObjectCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import type { S3Client, StorageClass } from '@aws-sdk/client-s3'
import { hasCode } from '../../../protocol/errors.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { openClient, S3_PATIENCE } from './s3-client.ts'
import { download } from './s3-download.ts'
import { bucketGone, nameOf, s3Error } from './s3-errors.ts'
import { upload } from './s3-upload.ts'
import { keepsVersions, rollBack } from './s3-versions.ts'
import { noVersions, tierError, wrongSize } from './tier-error.ts'
import { Semaphore } from '../semaphore.ts'
import type { TierAccess } from '../../../protocol/cold/access-key.ts'
import type { S3Location } from '../../../protocol/cold/location.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Clock, ObjectTier, Random, TierObject } from '../world.ts'
import type { S3Patience } from './s3-client.ts'
import type { S3Place } from './s3-errors.ts'

/** Requests with a body at a time: of uploads, and of downloads. */
const UPLOADS_MAX = 8
const DOWNLOADS_MAX = 4
/** A limit of DeleteObjects. */
const REMOVE_MAX = 1000
/** Uploads that were not completed for so long were left by a process that died. */
const UNFINISHED_KEPT_MS = DAY_MS

interface S3TierOptions {
  readonly name: string
  /** Without a key or a profile, what the SDK finds in the environment of the node. */
  readonly access?: TierAccess | undefined
  readonly readTimeouts?: S3Patience
}

export class S3Tier implements ObjectTier {
  readonly #location: S3Location
  readonly #name: string
  readonly #client: S3Client
  readonly #clock: Clock
  readonly #random: Random
  readonly #up = new Semaphore(UPLOADS_MAX)
  readonly #down = new Semaphore(DOWNLOADS_MAX)

  constructor(
    { clock, random }: { clock: Clock; random: Random },
    location: S3Location,
    { name, access = {}, readTimeouts = S3_PATIENCE }: S3TierOptions,
  ) {
    this.#location = location
    this.#name = name
    this.#clock = clock
    this.#random = random
    this.#client = openClient({ clock, random }, location, access, readTimeouts)
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void> {
    const storageClass = options.storageClass ?? this.#location.storageClass
    const target = {
      ...this.#object(key),
      ...(storageClass !== undefined && { StorageClass: storageClass as StorageClass }),
    }
    await this.#attempt(key, options.signal, () =>
      upload(
        { client: this.#client, turns: this.#up, clock: this.#clock },
        target,
        { chunks, ...(size !== undefined && { size }) },
        { ...options, wrongSize: (found) => wrongSize(this.#at(key), size ?? 0, found) },
      ),
    )
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const components = {
      client: this.#client,
      turns: this.#down,
      clock: this.#clock,
      random: this.#random,
    }
    const what = 'does not match its checksum on the server: read it again'
    const damaged = (): ShoalError => tierError('cold-corrupt', this.#at(key), what)
    const span = range ?? { from: 0, to: Number.MAX_SAFE_INTEGER }
    // Range reads are verified by the caller.
    const options = { signal, ...(range === undefined && { damaged }) }
    try {
      yield* download(components, this.#object(key), span, options)
    } catch (error) {
      throw s3Error(error, this.#at(key), signal)
    }
  }

  async head(key: string, { signal }: { signal: AbortSignal }): Promise<TierObject | undefined> {
    return this.#attempt(key, signal, async () => {
      try {
        const command = new HeadObjectCommand(this.#object(key))
        const found = await this.#client.send(command, { abortSignal: signal })
        return {
          bytes: found.ContentLength ?? 0,
          modifiedMs: (found.LastModified?.getTime() ?? 0) as WallTime,
          storageClass: found.StorageClass ?? 'STANDARD',
          restore: restoreOf(found.Restore),
        }
      } catch (error) {
        if (!hasCode(s3Error(error, this.#at(key), signal), 'cold-missing')) throw error
        await this.#checkBucket(signal)
        return undefined
      }
    })
  }

  async *list(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    const { bucket, prefix: root } = this.#location
    const input = {
      Bucket: bucket,
      Prefix: root + prefix,
      OptionalObjectAttributes: ['RestoreStatus' as const],
    }
    try {
      const pages = paginateListObjectsV2({ client: this.#client }, input, { abortSignal: signal })
      for await (const { Contents = [] } of pages) {
        for (const { Key = '', Size = 0, LastModified, StorageClass, RestoreStatus } of Contents) {
          const { IsRestoreInProgress, RestoreExpiryDate } = RestoreStatus ?? {}
          // A key that ends in '/' stands for a folder, by habit of other programs.
          if (Key.endsWith('/')) continue
          yield {
            key: Key.slice(root.length),
            bytes: Size,
            modifiedMs: (LastModified?.getTime() ?? 0) as WallTime,
            storageClass: StorageClass ?? 'STANDARD',
            restore:
              IsRestoreInProgress === true ? 'underway' : RestoreExpiryDate ? 'ready' : 'none',
          }
        }
      }
    } catch (error) {
      throw s3Error(error, this.#at(), signal)
    }
  }

  async remove(keys: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    for (let i = 0; i < keys.length; i += REMOVE_MAX) {
      const batch = keys.slice(i, i + REMOVE_MAX)
      const Objects = batch.map((key) => ({ Key: this.#object(key).Key }))
      await this.#attempt(undefined, signal, async () => {
        const command = new DeleteObjectsCommand({
          Bucket: this.#location.bucket,
          Delete: { Objects, Quiet: true },
        })
        const { Errors = [] } = await this.#client.send(command, { abortSignal: signal })
        const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey')
        if (failed === undefined) return
        const key = failed.Key?.slice(this.#location.prefix.length)
        const error = Object.assign(new Error(failed.Message), { name: failed.Code ?? 'Unknown' })
        throw s3Error(error, this.#at(key), signal)
      })
    }
  }

  async restore(key: string, days: number, { signal }: { signal: AbortSignal }): Promise<void> {
    await this.#attempt(key, signal, async () => {
      const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: 'Standard' as const } }
      const command = new RestoreObjectCommand({ ...this.#object(key), RestoreRequest })
      try {
        await this.#client.send(command, { abortSignal: signal })
      } catch (error) {
        if (nameOf(error) !== 'RestoreAlreadyInProgress') throw error
      }
    })
  }

  async rollBack(toMs: WallTime, { signal }: { signal: AbortSignal }): Promise<number> {
    const { bucket, prefix } = this.#location
    const versioned = { client: this.#client, bucket, prefix }
    return this.#attempt(undefined, signal, async () => {
      if (await keepsVersions(versioned, signal)) return rollBack(versioned, toMs, signal)
      throw noVersions(this.#name)
    })
  }

  async check({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#attempt(undefined, signal, async () => {
      // Its errors say more than those of HeadBucket, whose answers have no body.
      const input = { Bucket: this.#location.bucket, Prefix: this.#location.prefix, MaxKeys: 1 }
      await this.#client.send(new ListObjectsV2Command(input), { abortSignal: signal })
    })
    await this.#discardUnfinished(signal)
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  /**
   * Parts of uploads that will never be completed cost money. Where we may not list them, others
   * see to it.
   */
  async #discardUnfinished(signal: AbortSignal): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.#location
    const beforeMs = this.#clock.wall() - UNFINISHED_KEPT_MS
    try {
      const list = new ListMultipartUploadsCommand({ Bucket, Prefix })
      const { Uploads = [] } = await this.#client.send(list, { abortSignal: signal })
      for (const { Key, UploadId, Initiated } of Uploads) {
        if (Initiated === undefined || Initiated.getTime() > beforeMs) continue
        const discard = new AbortMultipartUploadCommand({ Bucket, Key, UploadId })
        await this.#client.send(discard, { abortSignal: signal })
      }
    } catch (error) {
      const named = s3Error(error, this.#at(), signal)
      if (!['unsupported', 'cold-denied', 'cold-missing'].includes(named.code)) throw named
    }
  }

  /** Checks whether the bucket is missing: an answer without a body does not tell. */
  async #checkBucket(signal: AbortSignal): Promise<void> {
    try {
      const command = new HeadBucketCommand({ Bucket: this.#location.bucket })
      await this.#client.send(command, { abortSignal: signal })
    } catch (error) {
      const named = s3Error(error, this.#at(), signal)
      throw named.code === 'cold-missing' ? bucketGone(this.#at(), error) : named
    }
  }

  #object(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + key }
  }

  #at(key?: string): S3Place {
    return { tier: this.#name, bucket: this.#location.bucket, key }
  }

  async #attempt<T>(
    key: string | undefined,
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw s3Error(error, this.#at(key), signal)
    }
  }
}

/** The header of a restored object: `ongoing-request="true"`, or "false" and until when. */
function restoreOf(header: string | undefined): TierObject['restore'] {
  if (header === undefined) return 'none'
  return header.includes('ongoing-request="true"') ? 'underway' : 'ready'
}
