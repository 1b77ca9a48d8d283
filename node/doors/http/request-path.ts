// Paths of files in the URL of a request. Each part is decoded by itself, so that nothing that was
// encoded becomes a separator, and what another program might read as another path is refused.
import { ShoalError } from '../../../protocol/errors.ts'

export interface RequestPath {
  /** As NodeApi takes it: 'volume:/folder/file'. */
  readonly path: string
  /** It ends with a slash: a folder is meant. */
  readonly isFolder: boolean
}

/** `rest`: after '/v1/files/', as it came. throws ShoalError 'usage'. */
export function requestPath(rest: string): RequestPath {
  const [volume = '', ...parts] = rest.split('/').map(decode)
  if (volume === '' || /[:/]/.test(volume)) throw wrong('begins with the name of a volume')
  const isFolder = parts.length === 0 || parts.at(-1) === ''
  if (isFolder) parts.pop()
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') throw wrong('has no empty part, "." or ".."')
    if (part.includes('/') || part.includes('\0')) throw wrong('has no "/" or NUL within a part')
  }
  return { path: `${volume}:/${parts.join('/')}`, isFolder }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw new ShoalError('usage', 'the path is not percent-encoded UTF-8', { cause })
  }
}

function wrong(how: string): ShoalError {
  return new ShoalError('usage', `a path ${how}`)
}
