// A look at what is at a path, for doors that also serve requests about what is not there yet.
import { hasCode } from '../../protocol/errors.ts'
import type { NodeApi } from '../control/api.ts'
import type { FileStat } from '../control/files.ts'

/** Undefined where nothing is. */
export async function statIfThere(
  api: Pick<NodeApi, 'stat'>,
  path: string,
  options: Parameters<NodeApi['stat']>[1],
): Promise<FileStat | undefined> {
  try {
    return await api.stat(path, options)
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}
