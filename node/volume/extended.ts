// Extended attributes for calls by path: of names that begin with `user.`, values in base64. Those
// that Shoal itself reports of a file are not among them.
import { textBytes, byteText } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { parseXattrName } from '../../protocol/op/names.ts'
import type { XattrName } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { ExtendedAttributes, ExtendedChanges } from '../control/files.ts'
import type { Xattrs } from '../tree/xattrs.ts'

const USER = 'user.'
/** Read-only in a mount, where it tells what Shoal knows of a file. */
const TOLD = 'user.shoal.'

/** Those that are set. cost: one read each. */
export function extendedOf(xattrs: Xattrs, target: ViewTarget): ExtendedAttributes {
  const names = xattrs.list(target).filter((name) => name.startsWith(USER))
  return Object.fromEntries(
    names.map((name) => [
      byteText(name),
      Buffer.from(xattrs.get(target, name) ?? []).toString('base64'),
    ]),
  )
}

/** throws ShoalError 'usage' for another namespace, 'E2BIG', 'ENOSPC'. */
export function setExtended(
  xattrs: Xattrs,
  target: Pick<ViewTarget, 'id'>,
  changes: ExtendedChanges,
): void {
  for (const [text, value] of Object.entries(changes)) {
    const name = nameIn(text)
    if (value !== null) xattrs.set(target, name, new Uint8Array(Buffer.from(value, 'base64')))
    else if (xattrs.get(target, name) !== undefined) xattrs.remove(target, name)
  }
}

function nameIn(text: string): XattrName {
  const name = parseXattrName(textBytes(text))
  if (name.startsWith(USER) && name !== USER && !name.startsWith(TOLD)) return name
  throw new ShoalError('usage', `"${text}": an extended attribute has a name such as user.color`)
}
