// Tiers on a real S3 server, by the S3 driver and by rclone, held to the seam. One server for all.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { objectTierSuite } from '../seams/object-tier.ts'
import { s3FaultSuite } from './s3-faults.ts'
import { S3Server } from './s3-server.ts'
import { missingRclone, PREFIX, rcloneSettings, rcloneTier, s3Tier } from './tiers.ts'

const skip = S3Server.missing()
const server = skip === undefined ? await S3Server.start() : undefined
after(() => server?.stop())

objectTierSuite(
  'S3',
  async () => {
    const { server, bucket, fill } = await freshBucket()
    return { tier: s3Tier(server, bucket), fill, end: async () => undefined }
  },
  { skip },
)

objectTierSuite(
  'rclone to S3',
  async () => {
    const { server, bucket, fill } = await freshBucket()
    const folder = await mkdtemp(join(tmpdir(), 'shoal-rclone-'))
    const tier = rcloneTier(folder, `${bucket}/${PREFIX}`, rcloneSettings(server))
    return { tier, fill, end: () => rm(folder, { recursive: true }) }
  },
  { skip: skip ?? missingRclone() },
)

s3FaultSuite(server, skip)

async function freshBucket(): Promise<{
  readonly server: S3Server
  readonly bucket: string
  readonly fill: (keys: readonly string[]) => Promise<void>
}> {
  if (server === undefined) throw new Error(skip)
  const bucket = await server.makeBucket()
  const fill = (keys: readonly string[]): Promise<void> =>
    server.fill(
      bucket,
      keys.map((key) => `${PREFIX}/${key}`),
    )
  return { server, bucket, fill }
}
