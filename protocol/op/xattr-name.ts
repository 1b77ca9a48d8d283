// Names of extended attributes, as ops carry them.
import type { ByteString } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { XATTR_NAME_MAX } from '../limits.ts'

/** With its namespace: `user.color`. 1 to XATTR_NAME_MAX bytes, no NUL. */
export type XattrName = ByteString & { readonly brand: 'XattrName' }

/** throws ShoalError 'ERANGE' for what is no name of an extended attribute. */
export function parseXattrName(name: ByteString): XattrName {
  if (name === '' || name.length > XATTR_NAME_MAX || name.includes('\0')) {
    throw new ShoalError(
      'ERANGE',
      `an extended attribute has a name of 1 to ${XATTR_NAME_MAX} bytes`,
    )
  }
  return name as XattrName
}
