// Pages of browsers, and programs that ask for versions, at the S3 door of one real node: it takes
// longer to start than to ask.
import { test } from 'node:test'
import { askForPages } from './s3-pages.ts'
import { askForVersions } from './s3-versions.ts'
import { withS3Door } from './with-s3.ts'

test('pages send and read objects, and former versions are had by id', async () => {
  await withS3Door('path', async (door) => {
    // Those add a header to each request that comes after them.
    await askForVersions(door)
    await askForPages(door)
  })
})
