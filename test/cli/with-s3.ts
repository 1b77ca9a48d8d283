// The S3 door of a real node, and the SDK of AWS that asks it.
import { S3Client } from '@aws-sdk/client-s3'
import { withDoor } from './with-door.ts'
import type { OpenDoor } from './with-door.ts'

export interface S3Door extends OpenDoor {
  readonly s3: S3Client
  /** The same by another key. */
  readonly by: (accessKeyId: string, secretAccessKey: string) => S3Client
}

/** Each layout has a node of its own. */
export async function withS3Door(
  layout: 'path' | 'flat',
  use: (door: S3Door) => Promise<void>,
): Promise<void> {
  await withDoor(`{ s3: { listen: "127.0.0.1:0", layout: ${layout} } }`, async (door) => {
    const clients: S3Client[] = []
    const by: S3Door['by'] = (accessKeyId, secretAccessKey) => {
      const client = new S3Client({
        endpoint: door.url.origin,
        region: 'us-east-1',
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId, secretAccessKey },
      })
      clients.push(client)
      return client
    }
    try {
      await use({ ...door, by, s3: by('owner', door.token) })
    } finally {
      for (const client of clients) client.destroy()
    }
  })
}
