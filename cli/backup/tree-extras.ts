// Attributes and links of a tree that the namespace does not tell by stat, on their way onto this
// machine.
import type { Client } from '../../node/control/client.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { LocalAttributes } from '../local-attributes.ts'

export interface TreeExtras {
  /** Has it other names, perhaps in the tree? */
  isLinked(stat: FileStat): boolean
  /**
   * Make one of the names of a file: the first by `copy`, the others as links to that.
   * returns which it was.
   */
  link(target: string, stat: FileStat, copy: () => Promise<void>): Promise<'copied' | 'linked'>
  /** Make what is neither file, folder nor symlink. throws ShoalError. */
  makeSpecial(path: string, stat: FileStat, attributes: LocalAttributes): Promise<void>
  /** Set the extended attributes of what was made. */
  setOn(path: string, stat: FileStat): Promise<void>
}

/** From where a tree is copied, and what it has beside contents and the attributes of stat(2). */
export interface GetContext {
  readonly client: Pick<Client, 'list' | 'readFile' | 'readSmallFiles'>
  readonly extras?: TreeExtras | undefined
  warn(text: string): void
}
