// The file that an upload becomes: judged by the rights of whoever sends it, when it begins, while
// it goes on and when it ends, as a write of the whole file would be.
import { ShoalError } from '../../../protocol/errors.ts'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat } from '../../control/files.ts'
import { statIfThere } from '../stat-if-there.ts'
import type { Visit } from '../visit.ts'

export interface UploadTarget {
  /** As calls take it. */
  readonly path: string
  readonly mode?: number | undefined
  readonly parents: boolean
  /** As Condition has it. */
  readonly ifTag?: string | undefined
}

/** An API whose writes of files take these files of the node for the content, by reference. */
export function joined(api: NodeApi, paths: readonly string[]): NodeApi {
  const writeFile: NodeApi['writeFile'] = (path, _content, attributes, options) =>
    api.joinFiles(path, paths, attributes, options)
  return { ...api, writeFile }
}

/** The content of calls that take another. */
export async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* []
}

/** throws ShoalError 'EPERM', and 'EACCES' where the account has ended. */
export async function mayStillWrite(visit: Visit, target: UploadTarget): Promise<UploadTarget> {
  let judged = target
  const writeFile: NodeApi['writeFile'] = async (path, _content, _attributes, { ifTag } = {}) => {
    judged = { ...target, path, ifTag }
  }
  const { path, mode, ifTag } = target
  // It is asked for nothing else.
  const asking = { writeFile } as NodeApi
  await visit.within(asking).writeFile(path, nothing(), { mode }, { ifTag })
  return judged
}

/**
 * The target as it was judged, with the conditions that its rights bring. throws ShoalError as the
 * write would, if it were made now.
 */
export async function checkTarget(
  api: NodeApi,
  visit: Visit,
  { path, mode, parents, ifTag }: UploadTarget,
): Promise<UploadTarget> {
  const target = await mayStillWrite(visit, { path, mode, parents, ifTag })
  const there = await statIfThere(api, target.path, {})
  if (there?.kind === 'folder') throw new ShoalError('EISDIR', `${target.path}: is a folder`)
  if (target.ifTag !== undefined && !holds(target.ifTag, there))
    throw new ShoalError('precondition', `${target.path}: is not as it should be; look again`)
  if (there === undefined && !parents) {
    const folder = await api.stat(target.path.slice(0, target.path.lastIndexOf('/') + 1), {})
    if (folder.kind !== 'folder')
      throw new ShoalError('ENOTDIR', `${target.path}: is below what is no folder`)
  }
  return target
}

function holds(ifTag: string, there: FileStat | undefined): boolean {
  if (ifTag === '') return there === undefined
  return there?.kind === 'file' && (ifTag === '*' || ifTag === there.tag)
}
