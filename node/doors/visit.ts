// A visit to a door: who came in, and the calls that it may make.
import type { NodeApi } from '../control/api.ts'

export interface Visit {
  /** For the log of what was done: 'owner', or an account or key of a volume. */
  readonly who: string
  /** The same for all visits of one account, and of no other, also where names come again. */
  readonly account: string
  /** Calls that it may not make fail with ShoalError 'EPERM'. */
  readonly api: NodeApi
  /** The calls of another API, within the same rights. */
  readonly within: (api: NodeApi) => NodeApi
}

/** A key of a program that signs its requests (S3). */
export interface DoorKey {
  readonly secret: string
  /** For who has signed by it. throws ShoalError 'too-many'. */
  readonly admit: () => Visit
}
