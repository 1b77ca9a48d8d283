// Tags of the contents of files, for calls that are about one content alone: they fail where
// another is there by then.
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { FileContents } from './file-contents.ts'

const TAG_CHARS = 32

/** Another for each content that was ever there, the same on all nodes. */
export function tagOf(contents: FileContents, target: ViewTarget): string {
  return tagFor(target.id, contents.version(target).base)
}

/** That of a content by the op, or ops, that wrote it. */
export function tagFor(inode: NodeId, base: readonly Dot[]): string {
  return toHex(blake3(utf8(`${inode} ${base.join(' ')}`))).slice(0, TAG_CHARS)
}

/** ifTag: as Condition has it. throws ShoalError 'precondition'. */
export function checkTag(
  contents: FileContents,
  target: ViewTarget | undefined,
  { ifTag, shown }: { readonly ifTag: string; readonly shown: string },
): void {
  const tag = target?.kind === 'inode' ? tagOf(contents, target) : undefined
  const isThere = tag !== undefined && (ifTag === '*' || ifTag === tag)
  if (ifTag === '' ? target === undefined : isThere) return
  const found = target === undefined ? 'nothing is there' : 'it is there, or has changed'
  throw new ShoalError('precondition', `${shown}: ${found}; look again`)
}
