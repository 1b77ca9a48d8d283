// Paths of the command and the doors: '/folder/file', or 'volume:/folder/file'. UTF-8 text; '.' and empty parts are
// dropped, '..' is refused, as paths here are absolute.
import { ShoalError } from '../../protocol/errors.ts'
import { PATH_MAX } from '../../protocol/limits.ts'

export interface VolumePath {
  /** Undefined: the default volume. */
  readonly volume: string | undefined
  readonly parts: readonly string[]
}

/** throws ShoalError 'usage', 'ENAMETOOLONG'. */
export function parsePath(text: string): VolumePath {
  const match = /^(?:([A-Za-z0-9][A-Za-z0-9._-]*):)?(\/.*)$/s.exec(text)
  if (match === null) {
    throw new ShoalError(
      'usage',
      `"${text}" is not a path in a volume; write /folder/file or volume:/folder/file`,
    )
  }
  const path = match[2] ?? '/'
  if (Buffer.byteLength(path) > PATH_MAX)
    throw new ShoalError('ENAMETOOLONG', `the path is longer than ${PATH_MAX} bytes`)
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..'))
    throw new ShoalError('usage', `"${text}" holds "..", which has no meaning here`)
  return { volume: match[1], parts }
}

export function formatPath(parts: readonly string[]): string {
  return `/${parts.join('/')}`
}
