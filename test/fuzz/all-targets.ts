// Every target, each in a file of its subject in targets/. The inputs that are kept for it are in
// the folder of its name in corpus/. Where a hash, a seal or a signature is around what is decoded,
// the target makes it right: a member who lies can.
import { archiveTargets } from './targets/archives.ts'
import { coldTargets } from './targets/cold.ts'
import { contentTargets } from './targets/content.ts'
import { doorTargets } from './targets/doors.ts'
import { encodingTargets } from './targets/encodings.ts'
import { logTargets } from './targets/log.ts'
import { machineTargets } from './targets/machine.ts'
import { membershipTargets } from './targets/membership.ts'
import { messageTargets } from './targets/messages.ts'
import type { Target } from './watch.ts'

export const TARGETS: readonly Target[] = [
  ...encodingTargets,
  ...logTargets,
  ...messageTargets,
  ...membershipTargets,
  ...contentTargets,
  ...coldTargets,
  ...archiveTargets,
  ...machineTargets,
  ...doorTargets,
]
