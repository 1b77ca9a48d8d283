// Every target.
import { nodeTargets } from './node-targets.ts'
import { protocolTargets } from './targets.ts'
import type { Target } from './watch.ts'

export const TARGETS: readonly Target[] = [...protocolTargets, ...nodeTargets]
