// Tiers on a real S3 server, by the S3 driver and by rclone, held to the seam.
import { after } from 'node:test'
import { objectTierSuite } from '../seams/object-tier.ts'
import { S3Server } from './s3-server.ts'
import { s3Tier } from './tiers.ts'

const skip = S3Server.missing()
const server = skip === undefined ? await S3Server.start() : undefined
after(() => server?.stop())

objectTierSuite(
  'S3',
  async () => {
    if (server === undefined) throw new Error(skip)
    return { tier: s3Tier(server, await server.makeBucket()), end: async () => undefined }
  },
  { skip },
)
