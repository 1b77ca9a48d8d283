// Has former versions of a file forgotten on all members before the rule of the volume does it: a
// secret that was saved by mistake.
import { ShoalError } from '../../protocol/errors.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { OP_DOTS_MAX } from '../../protocol/limits.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import { readInode } from '../../protocol/tree/records.ts'
import { readSuperseded } from '../../protocol/tree/superseded.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import type { PurgedVersions } from '../control/versions.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { PastState } from '../tree/past.ts'
import { slicesOf } from '../world/paging.ts'
import type { Change } from './files.ts'
import type { PastFiles } from './past-files.ts'

/**
 * All former versions that a path has, or one. What a removed file held last is replaced by nothing
 * first. throws 'ENOENT', 'EISDIR', 'usage' for a version that is no former one.
 */
export async function purgeVersions(
  { namespace, past }: { readonly namespace: Namespace; readonly past: PastFiles },
  path: readonly string[],
  { version, change }: { readonly version: string | undefined; readonly change: Change },
): Promise<PurgedVersions> {
  const states =
    version === undefined ? await past.states(path) : [await past.find(path, { version })]
  const former = states.filter((state) => isFormer(namespace, state))
  if (version !== undefined && former.length === 0)
    throw new ShoalError(
      'usage',
      `version ${version} is what a file holds now; write it over or remove it first`,
    )
  const byFile = Map.groupBy(former, ({ inode }) => inode)
  await change(() => {
    for (const [inode, some] of byFile) submit(namespace, inode, versionsOf(some))
  })
  const purged = [...byFile.values()].flatMap(versionsOf)
  return { versions: purged.length, sizeBytes: purged.reduce((sum, { size }) => sum + size, 0) }
}

/** Does no name hold it any more? */
function isFormer({ volume: { view } }: Namespace, { inode, version }: PastState): boolean {
  if (version === undefined) return false
  const isReplaced = readSuperseded(view, inode, version.dot) !== undefined
  return isReplaced || readInode(view, inode)?.links.length === 0
}

/** One of each, also where several states of a file are of one version. */
function versionsOf(states: readonly PastState[]): readonly Version[] {
  const versions = states.flatMap(({ version }) => version ?? [])
  return [...new Map(versions.map((version) => [version.dot, version])).values()]
}

function submit({ volume }: Namespace, inode: NodeId, versions: readonly Version[]): void {
  const dots = versions.map(({ dot }) => dot)
  const held = dots.filter((dot) => readSuperseded(volume.view, inode, dot) === undefined)
  for (const some of slicesOf(held, OP_DOTS_MAX)) volume.submit(emptied(inode, some))
  for (const some of slicesOf(dots, OP_DOTS_MAX))
    volume.submit({ kind: 'purge-versions', inode, versions: some })
}

function emptied(inode: NodeId, base: readonly Dot[]): TreeOp {
  const content = { kind: 'inline', bytes: new Uint8Array() } as const
  return { kind: 'version', inode, base, size: 0, content, modifiedNs: 0n, touch: [] }
}
