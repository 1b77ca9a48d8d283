// The announcements of a writer about its next changes to a folder.
import { createHash } from 'node:crypto'

/** Digests of files by name; null: there is no such file. */
export type Change = Readonly<Record<string, string | null>>

export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}
