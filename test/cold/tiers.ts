// Tiers of tests, with the clock and the chance of the real world.
import { join } from 'node:path'
import { RcloneTier } from '../../node/world/tiers/rclone.ts'
import { S3Tier } from '../../node/world/tiers/s3.ts'
import { BoundedTier } from '../../node/world/tiers/bounded-tier.ts'
import { SystemClock } from '../../node/world/clock.ts'
import { SystemRandom } from '../../node/world/random.ts'
import { parseTierLocation } from '../../protocol/cold/location.ts'
import type { S3Server } from './s3-server.ts'
import type { AccessKey } from '../../protocol/cold/access-key.ts'
import type { S3Options, S3Location, RcloneLocation } from '../../protocol/cold/location.ts'
import type { S3Patience } from '../../node/world/tiers/s3-client.ts'
import type { ObjectTier, Random } from '../../node/world/world.ts'

export const clock: SystemClock = new SystemClock()
export const random: SystemRandom = new SystemRandom()
/** The key prefix of tiers in buckets. */
export const PREFIX = 'some prefix'
/** The name of the tiers in errors. */
export const TIER_NAME = 'attic'

/** The shortest delay, always. */
const EAGER: Random = {
  bytes: (length) => random.bytes(length),
  number: () => 0,
  unlucky: () => false,
}

export interface S3TierSettings extends S3Options {
  readonly accessKey?: AccessKey
  readonly readTimeouts?: S3Patience
  /** Whether it waits before it tries again. */
  readonly delays?: boolean
}

export function bounded(tier: ObjectTier): ObjectTier {
  return new BoundedTier({ tier, clock, random }, { name: TIER_NAME })
}

/** A tier in a bucket of `server`; other settings where given. */
export function s3Tier(
  server: S3Server,
  bucket: string,
  { readTimeouts, delays = true, accessKey = server.key, ...settings }: S3TierSettings = {},
): ObjectTier {
  const { endpoint, region } = server
  const all = { endpoint, region, ...settings }
  const location = parseTierLocation(`s3://${bucket}/${PREFIX}`, all) as S3Location
  const access = { accessKey }
  const options = { name: TIER_NAME, access, ...(readTimeouts !== undefined && { readTimeouts }) }
  const chance = delays ? random : EAGER
  return bounded(new S3Tier({ clock, random: chance }, location, options))
}

/** A tier on a remote `test` that the environment describes. folder: for its files. */
export function rcloneTier(
  folder: string,
  path: string,
  remote: Readonly<Record<string, string>>,
  program = 'rclone',
): ObjectTier {
  const settings = Object.entries(remote).map(([name, value]) => [
    `RCLONE_CONFIG_TEST_${name}`,
    value,
  ])
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    RCLONE_CONFIG: join(folder, 'rclone.conf'),
    ...(Object.fromEntries(settings) as Record<string, string>),
  }
  // rclone 1.60 cannot start an S3 remote with it.
  delete env['AWS_CA_BUNDLE']
  const location = parseTierLocation(`rclone:test:${path}`) as RcloneLocation
  const spoolFolder = join(folder, 'spool')
  return bounded(
    new RcloneTier({ random }, location, { name: TIER_NAME, program, env, spoolFolder }),
  )
}

/** The settings of rclone for a server. */
export function rcloneSettings(server: S3Server): Readonly<Record<string, string>> {
  return {
    TYPE: 's3',
    PROVIDER: 'Ceph',
    ENDPOINT: server.endpoint,
    REGION: server.region,
    ACCESS_KEY_ID: server.accessKey,
    SECRET_ACCESS_KEY: server.secretKey,
  }
}
