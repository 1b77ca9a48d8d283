// What the owner's calls work on: the parts of a node. Interfaces only.
import type { HostedVolumes } from '../files/hosted-volumes.ts'
import type { Mounts } from '../mount/mounts.ts'
import type { Swarm } from '../namespace/swarm.ts'
import type { Volumes } from '../namespace/volumes.ts'
import type { Joining } from '../peers/join.ts'
import type { World } from '../world/world.ts'
import type { Space } from './space.ts'

export interface NodeParts {
  readonly world: World
  readonly space: Space
  readonly volumes: Volumes
  readonly joining: Joining
  readonly swarm: Swarm
  readonly hosted: HostedVolumes
  readonly mounts: Mounts
  /** The signal of a call: aborts also when the node stops. */
  readonly until: (signal: AbortSignal | undefined) => AbortSignal
}
