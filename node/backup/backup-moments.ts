// The moments that backups are of: a snapshot of the folder, which is removed when it was read. So
// what is written meanwhile has no part in it, and what is removed is kept by all machines until it
// was read. A member that may make no snapshot reads the same state, of which others know nothing.
import { toHex } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { timeInName } from '../../protocol/op/snapshot-name.ts'
import type { SnapshotId } from '../../protocol/op/snapshot-op.ts'
import { mayGiveUp } from '../../protocol/roles.ts'
import type { Snapshots } from '../checkpoint/snapshots.ts'
import { viewOf } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { readSnapshotTrees } from '../state/snapshot-trees.ts'
import { snapshotAt, snapshotKey } from '../state/snapshots.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { World } from '../world/world.ts'
import type { BackupJob, BackupJobs } from './backup-jobs.ts'

/** Characters of the job's name in that of its snapshot. */
const JOB_CHARS = 30

export interface BackupMomentsComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly jobs: BackupJobs
  /** The volume of a job, and where it is hosted. throws ShoalError 'no-such-volume'. */
  readonly volumeOf: (id: string) => { readonly named: NamedVolume; readonly hosted: HostedVolume }
  readonly snapshotsOf: (volume: Volume) => Snapshots
}

export class BackupMoments {
  readonly #c: BackupMomentsComponents

  constructor(components: BackupMomentsComponents) {
    this.#c = components
  }

  /** Run with the state of now, of which a folder is read. */
  async run<Result>(
    { job, hosted, folder }: { job: BackupJob; hosted: HostedVolume; folder: NodeId },
    signal: AbortSignal,
    run: (view: SnapshotView) => Promise<Result>,
  ): Promise<Result> {
    const { world, jobs, snapshotsOf } = this.#c
    const { volume } = hosted
    const snapshots = snapshotsOf(volume)
    await this.leave(job, signal)
    if (!mayGiveUp(volume.membership.roleOf(volume.identity.peer) ?? 'reader'))
      return snapshots.withPresent((root) => run(viewOf(volume, root)))
    const id = toHex(world.random.bytes(SHORT_ID_BYTES)) as SnapshotId
    const name = `backup ${job.name.slice(0, JOB_CHARS)} ${timeInName(world.clock.wall())}`
    // Before it is made: a node that is killed finds it in the job.
    await jobs.change(job.name, { moment: id })
    const made = await snapshots.create({ name, folder, id }, hosted.changing(signal))
    try {
      const tree = readSnapshotTrees(volume.view).get(made.key)
      return await run(viewOf(volume, tree?.root))
    } finally {
      await this.leave(job, signal)
    }
  }

  /**
   * Remove the snapshot of a run that is over, or was killed. Where that cannot be done now, the
   * next run does it.
   */
  async leave({ name, volumeId }: BackupJob, signal: AbortSignal): Promise<void> {
    const { jobs, volumeOf, snapshotsOf } = this.#c
    const id = jobs.get(name).moment
    if (id === undefined) return
    try {
      const { hosted } = volumeOf(volumeId)
      const { volume } = hosted
      const { peer } = volume.identity
      const op = { kind: 'snapshot-rm', peer, id, forced: false } as const
      if (snapshotAt(volume.view, snapshotKey(op)) !== undefined)
        await snapshotsOf(volume).change(op, hosted.changing(signal))
      await jobs.change(name, { moment: undefined })
    } catch (error) {
      const isLater = signal.aborted || hasCode(error, 'NO_QUORUM')
      if (!isLater && !hasCode(error, 'no-such-volume')) throw error
    }
  }
}
