// Tiers on a real S3 server, by the S3 driver and by rclone, held to the seam. One server for all.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { objectTierSuite } from '../seams/object-tier.ts'
import { s3FaultSuite } from '../cold/s3-faults.ts'
import { S3Server } from '../cold/s3-server.ts'
import { PREFIX, rcloneSettings, rcloneTier, s3Tier } from '../cold/tiers.ts'
import { need, needAll } from './need.ts'

needAll(S3Server.missing())
need('rclone')

const server = await S3Server.start()
after(() => server.stop())

objectTierSuite('S3', async () => {
  const { bucket, fill } = await freshBucket()
  return { tier: s3Tier(server, bucket), fill, end: async () => undefined }
})

objectTierSuite('rclone to S3', async () => {
  const { bucket, fill } = await freshBucket()
  const folder = await mkdtemp(join(tmpdir(), 'shoal-rclone-'))
  const tier = rcloneTier(folder, `${bucket}/${PREFIX}`, rcloneSettings(server))
  return { tier, fill, end: () => rm(folder, { recursive: true }) }
})

s3FaultSuite(server)

async function freshBucket(): Promise<{
  readonly bucket: string
  readonly fill: (keys: readonly string[]) => Promise<void>
}> {
  const bucket = await server.makeBucket()
  const fill = (keys: readonly string[]): Promise<void> =>
    server.fill(
      bucket,
      keys.map((key) => `${PREFIX}/${key}`),
    )
  return { bucket, fill }
}
