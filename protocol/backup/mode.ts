/** How much of what is there already a backup builds upon: all, the last full one, or nothing. */
export type BackupMode = 'incremental' | 'differential' | 'full'

/** By their number in a record. */
export const BACKUP_MODES = ['incremental', 'differential', 'full'] as const
