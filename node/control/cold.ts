// The owner's calls about cold tiers: places outside the swarm for data that nobody reads.
import { call, pages } from './route.ts'
import type { z } from 'zod'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { AccessKey, TierAccess } from '../../protocol/cold/access-key.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { FieldTypes } from './fields.ts'
import type { RoutesOf } from './route.ts'

export interface ColdApi {
  /**
   * Tell a volume of a tier at a URL (s3://bucket/prefix, rclone:REMOTE:path, dir:/path), once it
   * was seen to work from here. Its access is kept on this node; its owner agrees to the tier by
   * that. throws 'usage', 'EPERM', 'EEXIST' for another place of that name, 'cold-*'.
   */
  addTier(request: TierRequest, options?: CallOptions): Promise<Tier>
  /**
   * The owner of this node agrees that it uses a tier of the volume, which is where the request
   * says, as listTiers() showed it; how it is let in is replaced. returns what lies there. throws
   * 'no-such-volume', 'ENOENT', 'ESTALE' if it is elsewhere by now, 'usage'.
   */
  trustTier(request: TierRequest, options?: CallOptions): Promise<TierStatus>
  /** He does no more; what lies there stays there. throws 'no-such-volume', 'ENOENT'. */
  distrustTier(name: string, options?: VolumeCallOptions): Promise<void>
  /**
   * Read what tiers hold of a volume and compare it with what it should be: all heads of backups,
   * all that the newest names, which packs are there, and the stripes of a sample. In pages, as it
   * goes; to break off is safe. throws 'ENOENT', 'cold-*'.
   */
  verifyCold(options?: VerifyOptions): AsyncIterable<readonly VerifyEvent[]>
  /** By name, with what lies there: the tier is asked. throws 'no-such-volume'. */
  listTiers(options?: VolumeCallOptions): Promise<readonly TierStatus[]>
  /**
   * Bring back what the objects of a tier were at a time, in a bucket that keeps versions; objects
   * that came later stay.
   * returns how many were something else. throws 'ENOENT', 'unsupported', 'cold-*'.
   */
  rollBackTier(name: string, toMs: WallTime, options?: VolumeCallOptions): Promise<number>
  /**
   * Let a volume know of a tier no more; what lies there stays there. returns where it is, and how
   * many stripes have a copy there that counts no more. throws 'EPERM', 'ENOENT',
   * 'not-placed' while something lies nowhere else.
   */
  removeTier(name: string, options?: VolumeCallOptions): Promise<RemovedTier>
  /**
   * Put what is at a path and below into a tier now: that of the volume's settings, or the only
   * one, if none is named. In pages, as it goes; to break off is safe. throws 'ENOENT', 'usage',
   * 'cold-*', 'chunk-unavailable'.
   */
  pushCold(
    path: string,
    options?: CallOptions & { readonly tier?: string | undefined },
  ): AsyncIterable<readonly ColdProgress[]>
  /**
   * Bring what is at a path and below back to peers, and let go of what tiers hold of it. In pages,
   * as it goes; to break off is safe. throws 'ENOENT', 'usage' for what is pinned to a tier,
   * 'not-placed', 'chunk-unavailable'.
   */
  recallCold(path: string, options?: CallOptions): AsyncIterable<readonly ColdProgress[]>
}

const tierRequest = call(['*'], (types) => ({
  ...placeFields(types),
  name: types.label,
  bytesPerSecond: types.integer(1).optional(),
  volume: types.volume,
}))

export const coldRoutes: RoutesOf<ColdApi> = {
  addTier: tierRequest,
  trustTier: tierRequest,
  distrustTier: call(['name'], ({ label, volume }) => ({ name: label, volume })),
  verifyCold: pages('cold-verify', [], ({ volume, label, countOrAll }) => ({
    volume,
    tier: label.optional(),
    sample: countOrAll.optional(),
  })),
  listTiers: call([], ({ volume }) => ({ volume })),
  rollBackTier: call(['name', 'toMs'], ({ label, wallTime, volume }) => ({
    name: label,
    toMs: wallTime,
    volume,
  })),
  removeTier: call(['name'], ({ label, volume }) => ({ name: label, volume })),
  pushCold: pages('cold-push', ['path'], ({ path, label }) => ({ path, tier: label.optional() })),
  recallCold: pages('cold-recall', ['path'], ({ path }) => ({ path })),
}

const URL_MAX = 2048

type PlaceFields = Readonly<
  Record<'url', z.ZodType<string>> &
    Record<'endpoint' | 'region' | 'storageClass' | 'profile', z.ZodOptional<z.ZodType<string>>> &
    Record<'accessKey', z.ZodOptional<z.ZodType<AccessKey>>>
>

/** The location of a tier, and this node's access to it. */
export function placeFields({ label, text, accessKey }: FieldTypes): PlaceFields {
  return {
    url: text(1, URL_MAX),
    endpoint: text(0, URL_MAX).optional(),
    region: label.optional(),
    storageClass: label.optional(),
    accessKey: accessKey.optional(),
    profile: label.optional(),
  }
}

export interface VerifyOptions extends CallOptions {
  readonly volume?: string | undefined
  /** Name; all that this node uses if left out. */
  readonly tier?: string | undefined
  /** Stripes of which every byte is read, chosen by chance; Infinity: all. */
  readonly sample?: number | undefined
}

/** An object that is missing, damaged, or not what it claims to be. */
export interface VerifyProblem {
  readonly kind: 'problem'
  readonly tier: string
  readonly what: string
}

export type VerifyEvent =
  | VerifyProblem
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number }
  | VerifiedTier

/** The summary of a tier, after all its problems. */
export interface VerifiedTier {
  readonly kind: 'tier'
  readonly tier: string
  readonly backup: VerifiedBackup
  readonly stripes: number
  readonly packs: number
  readonly readStripes: number
  readonly readBytes: number
  /** Not read, since an archive has them. */
  readonly archived: number
}

/** The newest backup's number, time, author and parts; absent where there is none. */
export interface VerifiedBackup {
  /** That count, and objects that have the name of one. */
  readonly heads: number
  readonly stored: number
  readonly number?: number | undefined
  readonly timeMs?: WallTime | undefined
  readonly author?: string | undefined
  readonly parts?: number | undefined
  /**
   * Does it tell what this node has, and not only what is whole? Not while one of the two has a
   * newer checkpoint.
   */
  readonly isCompared?: boolean | undefined
}

export interface TierRequest extends Tier, TierAccess {
  /** The most that this node uploads, and downloads, in a second; unlimited if left out. */
  readonly bytesPerSecond?: number | undefined
  /** The volume; the default one if left out. */
  readonly volume?: string | undefined
}

/** The location of a tier. */
export interface Tier {
  readonly name: string
  readonly url: string
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly storageClass?: string | undefined
}

export interface TierStatus extends Tier {
  /** Has the owner of this node agreed to just this place? Nothing is asked of a tier before. */
  readonly isAgreed: boolean
  /**
   * Verified copies there, in stripes, and those that peers that can be reached now could not give.
   */
  readonly stripes: number
  readonly only: number
  /** How far this node is with what is due; undefined: it puts nothing there now by itself. */
  readonly moving?: ColdProgress | undefined
  /** The tier's own count of its objects; absent where it does not answer. */
  readonly objects?: number | undefined
  readonly bytes?: number | undefined
  /** By storage class, as the tier calls it. */
  readonly classes?: Readonly<Record<string, number>> | undefined
  readonly oldestMs?: WallTime | undefined
  readonly newestMs?: WallTime | undefined
  /** The last time since the start that verifyCold() read it, and how many problems it found. */
  readonly verified?: { readonly atMs: WallTime; readonly problems: number } | undefined
  /** Why it does not answer, or takes nothing. */
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
}

/** How far it is, in bytes of data. */
export interface ColdProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

/** A tier that a volume uses no more. */
export interface RemovedTier extends Tier {
  /** Stripes that lie there. */
  readonly stripes: number
}
