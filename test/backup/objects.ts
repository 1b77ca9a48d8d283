// The objects of a place that is a folder.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

export async function objectsIn(place: string): Promise<string[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
