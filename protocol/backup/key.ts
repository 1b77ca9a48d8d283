// The key of a backup: 32 random bytes, all that is needed beside the place to read what lies
// there. It has nothing to do with the keys of a volume. All else follows from it
// (docs/formats/backup.md).
import { ShoalError } from '../errors.ts'
import { deriveKey } from '../hash.ts'
import { formatKeyLines, parseKeyLines } from '../key-lines.ts'
import { toHex } from '../bytes.ts'
import type { ChunkKeys } from '../chunk/seal.ts'
import type { KeyKind } from '../key-lines.ts'
import type { VolumeId } from '../ids.ts'

export const BACKUP_KEY_BYTES = 32

const KIND: KeyKind = {
  heading: 'shoal-backup-key-1',
  what: 'backup key',
  origin: 'one comes of "shoal backup add"',
  textMax: 4096,
}

/** All that follows from a key. */
export interface BackupKeys {
  /** Names the folder below the place: who has the key finds it, others learn nothing from it. */
  readonly id: string
  /** Those that chunks are sealed with; the id stands for that of a volume. */
  readonly chunks: ChunkKeys
  /** Seals everything else. */
  readonly objectSecret: Uint8Array
  /** Decides where chunks are cut. */
  readonly gearSecret: Uint8Array
}

export function backupKeys(secret: Uint8Array): BackupKeys {
  const id = toHex(deriveKey('shoal 2026 backup id v1', secret))
  return {
    id,
    chunks: {
      volume: id as VolumeId,
      chunkSecret: deriveKey('shoal 2026 backup chunk secret v1', secret),
      epoch: 1,
      hash: 'blake3',
    },
    objectSecret: deriveKey('shoal 2026 backup object secret v1', secret),
    gearSecret: deriveKey('shoal 2026 backup gear secret v1', secret),
  }
}

/** The text of a key, with a word for whoever finds it. */
export function formatBackupKey(
  secret: Uint8Array,
  { name, url }: { readonly name: string; readonly url: string },
): string {
  return [
    `# Key of the Shoal backup "${name}" at ${url}`,
    '# WHOEVER HAS THIS AND THE PLACE CAN READ ALL BACKUPS THERE. Keep it where the machines are not.',
    '# Without it nothing there can be read. To restore on any machine:',
    `# shoal backup restore --from ${url} --key-file THIS-FILE TARGET`,
    ...formatKeyLines(KIND, secret),
    '',
  ].join('\n')
}

/** throws ShoalError 'malformed'. */
export function parseBackupKey(text: string): Uint8Array {
  const secret = parseKeyLines(KIND, text)
  if (secret.length !== BACKUP_KEY_BYTES)
    throw new ShoalError('malformed', 'this backup key has another length than one has')
  return secret
}
