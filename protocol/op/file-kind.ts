// The kinds of file that a name may refer to.
import type { SpecialFile } from './op.ts'

export type FileKind = 'file' | 'folder' | 'symlink' | SpecialFile['kind']

/** For people: "character device". */
export function kindText(kind: FileKind): string {
  return kind.replace('-', ' ')
}
