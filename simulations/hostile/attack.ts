// The shape of attacks: each aims at one row of the table in docs/security.md, or at none in
// particular, over the protocols that members speak, and says how to see that it succeeded.
import type { Role } from '../../protocol/roles.ts'
import type { TrustRule } from '../../protocol/trust.ts'
import { CheckError } from '../check-error.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import type { HonestUser } from './honest-user.ts'
import type { Liar } from './liar.ts'

/** The setting of an attack. */
export interface Stage {
  readonly cluster: Cluster
  /** Members that run as they should; the first has made the volume, and is its admin. */
  readonly honest: readonly ClusterNode[]
  /** The first of them. */
  readonly founder: ClusterNode
  /** The machine of the liar. Its node does not run. */
  readonly machine: ClusterNode
  readonly liar: Liar
  /** One of the honest, whom this attack is for. */
  readonly victim: ClusterNode
  /** The user of the victim. */
  readonly user: HonestUser
  readonly random: SeededRandom
  /** Let time pass. */
  readonly wait: (ms: number) => Promise<void>
}

/** Looks, some time after an attack, whether it was believed. throws CheckError. */
export type Look = () => Promise<void>

export interface Attack {
  readonly name: string
  /** The row that it goes at; undefined: what must not happen whatever is checked. */
  readonly rule?: TrustRule
  /** 'bomb': it is to cost much. 'lie': it is to be believed. */
  readonly kind: 'lie' | 'bomb'
  /** In which a member can make it. */
  readonly roles: readonly Role[]
  /**
   * Makes the attack; a refusal ends it with a ShoalError. returns the checks of this attack alone:
   * roles, files and logs are checked after each.
   */
  run(stage: Stage): Promise<Look | undefined>
}

export const ANY_ROLE: readonly Role[] = ['writer', 'appender', 'keeper', 'reader']

/** throws CheckError unless `isSo`. */
export function disbelieved(isSo: boolean, what: string): void {
  if (!isSo) throw new CheckError('no lie is believed', what)
}
