// The owner's calls about snapshots.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { timeInName } from '../../protocol/op/snapshot-name.ts'
import { isScheduledName } from '../../protocol/op/snapshot-schedule.ts'
import { mayAdminister } from '../../protocol/roles.ts'
import type { VolumeCallOptions } from '../control/api.ts'
import type { SnapshotChange, SnapshotInfo, SnapshotsApi } from '../control/snapshots.ts'
import type { ListedSnapshot, NamedSnapshot } from '../volume/snapshot-files.ts'
import { viewOf } from '../log/volume-trees.ts'
import { changeOf, differences } from '../volume/snapshot-diff.ts'
import type { Difference } from '../volume/snapshot-diff.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { slicesOf } from '../world/paging.ts'
import { snapshotBytes } from '../tree/snapshot-versions.ts'
import { FileAccess } from './access.ts'
import type { NodeParts } from './parts.ts'

const PAGE = 256
/** Stands for what is there now; no snapshot has this name. */
const NOW = 'now'

const STATES = { same: 'same', differs: 'disputed', taken: 'taken' } as const

export function snapshotsApi(node: NodeParts): SnapshotsApi {
  const { swarm, until, world } = node
  const access = new FileAccess(node)
  return {
    createSnapshot: (path, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        hosted.checkMayWrite()
        const target = hosted.namespace.resolvePath(parts)
        if (target.kind !== 'dir')
          throw new ShoalError('ENOTDIR', `${path}: is a file; its versions are kept anyway`)
        const name = options.name ?? `snap-${timeInName(world.clock.wall())}`
        if (isScheduledName(name)) throw takenBySchedules(name)
        const made = await swarm
          .snapshots(hosted.volume)
          .create({ name, folder: target.id }, change)
        await hosted.acknowledge(undefined, until(options.signal))
        const tree = hosted.snapshots.treeOf(made)
        return infoOf(node, hosted, { ...made, shown: name, tree, isLost: false })
      }),

    listSnapshots: async ({ volume, space = false, signal } = {}) => {
      const hosted = readableBy(node, volume)
      const all = await hosted.snapshots.all()
      const infos = all.map((one) => infoOf(node, hosted, one))
      if (!space) return infos
      const ended = until(signal)
      const pause = (): Promise<void> => world.clock.sleep(1, { signal: ended })
      return swarm.snapshots(hosted.volume).withPresent(async (present) => {
        const sized: SnapshotInfo[] = []
        for (const [index, info] of infos.entries()) {
          ended.throwIfAborted()
          const one = all[index]
          const how = { all, present, pause }
          sized.push({ ...info, ownBytes: one && (await snapshotBytes(hosted.volume, one, how)) })
        }
        return sized
      })
    },

    removeSnapshot: (name, { force = false, ...options } = {}) =>
      changeOne(node, name, { kind: 'snapshot-rm', forced: force }, options),

    holdSnapshot: (name, { release = false, ...options } = {}) =>
      changeOne(node, name, { kind: 'snapshot-hold', held: !release }, options),

    diffSnapshots: (path, { from, to, signal }) =>
      access.readEach(path, {}, ({ hosted, parts }) =>
        changesIn(node, hosted, { parts, from, to }, until(signal)),
      ),

    rollBack: (path, options) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        const { snapshot, dryRun = false } = options
        const signal = until(options.signal)
        if (!dryRun) hosted.checkMayWrite()
        const done = await swarm.snapshots(hosted.volume).withPresent((now) => {
          const pause = (): Promise<void> => world.clock.sleep(1, { signal })
          return hosted.rollBack.run(parts, snapshot, { now, dryRun, pause, change, signal })
        })
        if (!dryRun) await hosted.acknowledge(undefined, signal)
        return done
      }),
  }
}

function readableBy({ hosted, volumes }: NodeParts, volume: string | undefined): HostedVolume {
  const found = hosted.of(volumes.find(volume))
  found.checkMayRead()
  return found
}

type ChangeOp =
  | { readonly kind: 'snapshot-rm'; readonly forced: boolean }
  | { readonly kind: 'snapshot-hold'; readonly held: boolean }

/** returns what it is by that, or was. */
async function changeOne(
  node: NodeParts,
  name: string,
  op: ChangeOp,
  { volume, signal }: VolumeCallOptions,
): Promise<SnapshotInfo> {
  const hosted = readableBy(node, volume)
  const snapshot = await hosted.snapshots.named(name)
  checkChange(hosted, snapshot, op)
  const { peer, id } = snapshot
  const info = infoOf(node, hosted, snapshot)
  const change = hosted.changing(node.until(signal))
  await node.swarm.snapshots(hosted.volume).change({ ...op, peer, id }, change)
  return op.kind === 'snapshot-hold' ? { ...info, isHeld: op.held } : info
}

async function* changesIn(
  { swarm, world }: NodeParts,
  { snapshots, namespace, volume }: HostedVolume,
  { parts, from, to = NOW }: { parts: readonly string[]; from: string; to: string | undefined },
  signal: AbortSignal,
): AsyncGenerator<readonly SnapshotChange[]> {
  const { target } =
    from === NOW ? { target: namespace.resolvePath(parts) } : await snapshots.at(parts, from)
  const folder = target.kind === 'dir' ? target.id : target.link
  const open = async (name: string): Promise<SnapshotView | undefined> =>
    name === NOW ? undefined : snapshots.open(await snapshots.named(name))
  const [before, after] = [await open(from), await open(to)]
  const isWanted = before === undefined || after === undefined
  const compare = async (present: NodeHash | undefined): Promise<readonly Difference[]> => {
    const now = viewOf(volume, present)
    const pause = (): Promise<void> => world.clock.sleep(1, { signal })
    return differences(volume, [before ?? now, after ?? now], { folder, pause })
  }
  const changes = await swarm.snapshots(volume).withPresent(compare, { isWanted })
  for (const some of slicesOf(changes, PAGE)) {
    signal.throwIfAborted()
    yield some.map(changeOf)
  }
}

function infoOf(
  { volumes }: NodeParts,
  { snapshots, volume }: HostedVolume,
  snapshot: ListedSnapshot,
): SnapshotInfo {
  const { tree } = snapshot
  return {
    name: snapshot.shown,
    volume: volumes.find(volume.id).name,
    path:
      tree === undefined
        ? undefined
        : snapshots.pathOfFolder(snapshots.viewIn(tree), snapshot.folder),
    timeMs: hlcMillis(snapshot.hlc),
    author: volume.membership.nameOf(snapshot.peer),
    isHeld: snapshot.isHeld,
    state: tree !== undefined ? STATES[tree.check] : snapshot.isLost ? 'lost' : 'awaited',
  }
}

/** throws 'EACCES', 'EPERM': others would take no notice of it. */
function checkChange(
  { volume }: HostedVolume,
  { peer, shown, isHeld }: NamedSnapshot,
  op: ChangeOp,
): void {
  const { membership, identity } = volume
  const role = membership.roleOf(identity.peer)
  const isAdmin = role !== undefined && mayAdminister(role)
  const forced = op.kind === 'snapshot-rm' && op.forced
  if (op.kind === 'snapshot-rm' && isHeld && !forced) {
    const how = 'let it go with "shoal snapshot release", or give --force'
    throw new ShoalError('EPERM', `the snapshot ${shown} is held; ${how}`)
  }
  if (isAdmin || (op.kind === 'snapshot-rm' && peer === identity.peer && !forced)) return
  const who = op.kind === 'snapshot-rm' && !forced ? 'who made it, and admins,' : 'admins alone'
  throw new ShoalError('EACCES', `the snapshot ${shown}: ${who} may do this`)
}

function takenBySchedules(name: string): ShoalError {
  const why = 'the setting "snapshots" gives such names, and removes what has them'
  return new ShoalError('usage', `a snapshot cannot be named "${name}": ${why}`)
}
