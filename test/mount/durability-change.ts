// The announcements of a writer about its next changes to a folder.
import { createHash } from 'node:crypto'

/** How a change ended: by an fsync, or by a close alone. */
export type Done = 'synced' | 'closed'

/** Digests of files by name; null: there is no such file. */
export type Change = Readonly<Record<string, string | null>>

export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}
