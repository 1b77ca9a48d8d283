// A file that is made out of sight, in the folder of uploads, and then takes its place.
import { toHex } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import { UPLOADS } from './keys.ts'
import type { S3Request } from './s3-request.ts'
import { placesOf } from './parts/uploads.ts'

const ID_BYTES = 12

/**
 * Runs `use` with a path at which nothing is, where the account may write that writes the key;
 * nothing is there after it. throws what `use` throws.
 */
export async function withSpare(
  asked: S3Request,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const { api, random } = asked
  const { folder, depth } = await spareFolder(asked)
  const path = `${folder}/spare-${toHex(random.bytes(ID_BYTES))}`
  try {
    await use(path)
  } finally {
    await ignoreFailure(api.remove(path), 'it may have taken its place')
    if (depth > 0) await ignoreFailure(api.remove(folder), 'others may be there')
  }
}

async function spareFolder(
  asked: S3Request,
): Promise<{ readonly folder: string; readonly depth: number }> {
  const { api, key, signal } = asked
  const places = placesOf(asked, key)
  for (const [depth, place] of places.entries())
    try {
      const folder = `${place}/${UPLOADS}`
      await api.makeFolder(folder, { parents: true, signal })
      return { folder, depth }
    } catch (error) {
      if (!hasCode(error, 'EPERM') || depth === places.length - 1) throw error
    }
  throw new Error('a key has a place')
}
