// Replaces a file of the home so that a crash leaves the old content or the new.
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { utf8 } from '../../protocol/bytes.ts'

/**
 * Old or new content, never a part, whatever happens; durable once it returns. For the owner alone.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(utf8(text))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
