// A script is all that chance has decided about a run beside the seed's own streams: who there is,
// what users do and when, which faults come and how long they last. It is data: made from a seed
// (plan.ts), performed (run.ts), kept in a file, shrunk. Each step is whole by itself (a fault says
// when it ends), so that any subset of steps is a script too.
import { readFileSync, writeFileSync } from 'node:fs'
import { ShoalError } from '../protocol/errors.ts'
import { SECOND_MS } from '../protocol/units.ts'
import type { NodeRole } from '../protocol/roles.ts'
import type { Ack } from '../node/control/files.ts'
import type { Settings } from '../node/control/volumes.ts'
import type { CheckpointOptions } from '../node/checkpoint/checkpoint-schedule.ts'
import type { NetworkOptions } from './network.ts'
import type { TierWeather } from './object-tier.ts'
import type { StrongOp } from './strong-calls.ts'

/** A request of a user to a node. `sizeBytes` is unique in a run: it identifies the content. */
export type UserOp =
  | { readonly kind: 'folder'; readonly path: string; readonly parents: boolean }
  | {
      readonly kind: 'write'
      readonly path: string
      readonly sizeBytes: number
      readonly ack: Ack
    }
  /** Write a file through the mount, and close it. */
  | { readonly kind: 'close'; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: 'move'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string; readonly recursive: boolean }
  /** Write to a file and remove it, or rename another over it. */
  | {
      readonly kind: 'discard'
      readonly path: string
      readonly sizeBytes: number
      readonly by?: string
    }
  | { readonly kind: 'attributes'; readonly path: string; readonly mode: number }
  /** Set an extended attribute to a text that is unique in a run, or remove it. */
  | {
      readonly kind: 'xattr'
      readonly path: string
      readonly name: string
      readonly value?: string
    }
  | { readonly kind: 'read'; readonly path: string }
  /** End a conflict in favour of this side of it. */
  | { readonly kind: 'keep'; readonly path: string }
  /** Write here, and look at it there within the same session. */
  | {
      readonly kind: 'roam'
      readonly path: string
      readonly sizeBytes: number
      readonly to: number
    }
  /** Into the cold tier, or back, with all below. */
  | { readonly kind: 'push' | 'recall'; readonly path: string }
  /** Make a snapshot of all that there is, or remove it. */
  | { readonly kind: 'snapshot'; readonly name: string; readonly removes: boolean }
  /** Make a clone of what is at a path, or was in a snapshot. */
  | {
      readonly kind: 'clone'
      readonly path: string
      readonly snapshot?: string
      readonly name: string
    }
  /** Garbage, now. */
  | { readonly kind: 'collect' }
  | { readonly kind: 'set'; readonly settings: Settings }
  | StrongOp

/**
 * An intention of a user; the rest is chosen when its time comes, by `draw` and what the node shows
 * then.
 */
export type OpKind =
  | 'folder'
  | 'write'
  | 'rewrite'
  | 'own'
  /** A file that only its writer touches, or any, through the mount. */
  | 'close'
  | 'move'
  | 'remove'
  | 'attributes'
  | 'xattr'
  | 'read'
  | 'keep'
  /** To remove, replace or rename what has the plain name in a conflict. */
  | 'save'
  | 'roam'
  | 'strong'
  /** A write of what is too long for the log. */
  | 'store'
  | 'push'
  | 'recall'
  | 'set'
  | 'shorten'
  | 'snapshot'
  | 'clone'
  | 'collect'

/** Simultaneous actions of users of several nodes on the same names. */
export type DuelKind =
  | 'write both'
  | 'make both'
  | 'folder or file'
  | 'move into each other'
  | 'move one thing twice'
  | 'move onto one name'
  | 'replace while written'
  | 'remove while written'
  | 'discard while written'
  | 'remove while moved'

export type Action =
  | { readonly do: 'op'; readonly node: number; readonly op: UserOp }
  | { readonly do: 'try'; readonly node: number; readonly kind: OpKind; readonly draw: number }
  | {
      readonly do: 'duel'
      readonly nodes: readonly number[]
      readonly kind: DuelKind
      readonly draw: number
    }
  /** Cuts messages from `from` to `to`, and the other way too unless it is one-way. */
  | {
      readonly do: 'cut'
      readonly from: readonly number[]
      readonly to: readonly number[]
      readonly oneWay: boolean
      readonly forMs: number
    }
  | { readonly do: 'reset'; readonly nodes: readonly [number, number] }
  | { readonly do: 'weather'; readonly network: Partial<NetworkOptions>; readonly forMs: number }
  /**
   * The node ends when it has waited for so many more things, from now or from when it has told a
   * user that a write is durable: in the midst of whatever it does; again as it starts.
   */
  | {
      readonly do: 'crash'
      readonly node: number
      readonly death: 'killed' | 'power loss'
      readonly since: 'now' | 'ack'
      readonly afterEvents: number
      readonly times: number
      readonly downMs: number
    }
  /** Stopped cleanly, and away. */
  | { readonly do: 'away'; readonly node: number; readonly forMs: number }
  /** The wall clock is set, and set right again. */
  | { readonly do: 'jump'; readonly node: number; readonly byMs: number; readonly forMs: number }
  | { readonly do: 'join'; readonly node: number }
  | { readonly do: 'leave'; readonly node: number }
  /**
   * A copy of the files, or an image of the whole disk, is made now, and takes its place after
   * `forMs`.
   */
  | {
      readonly do: 'restore'
      readonly node: number
      readonly image: boolean
      readonly forMs: number
    }
  /** The disk is copied; the copy and the machine it is of run by turns, each on its own disk. */
  | {
      readonly do: 'clone'
      readonly node: number
      readonly image: boolean
      readonly turnMs: number
      readonly turns: number
    }
  | { readonly do: 'tier'; readonly weather: Partial<TierWeather>; readonly forMs: number }
  /** A node is not let in to the cold tier. */
  | { readonly do: 'deny'; readonly node: number; readonly forMs: number }

/** The settings of a run with a cold tier. */
export interface ColdSetting {
  /** Objects must be restored before they can be read, which takes half a day. */
  readonly archives: boolean
  /** While nothing else is said. */
  readonly weather: TierWeather
}

export type Step = Action & { readonly atMs: number }

export interface Script {
  readonly seed: string
  readonly scenario: string
  /** Members from the start; joiners have numbers above. */
  readonly nodeCount: number
  readonly durationMs: number
  readonly beaconMs: number
  readonly checkpoints: CheckpointOptions
  /** Settings of the volume. */
  readonly settings: Settings
  readonly network: Partial<NetworkOptions>
  /**
   * Absent: there is no tier. In the end all nodes are lost, and the volume is made anew from the
   * tier.
   */
  readonly cold?: ColdSetting
  /** That of all but the first, without a tier. */
  readonly role: NodeRole
  /** Lose as many nodes in the end as the volume tolerates, and read all with what is left. */
  readonly loses: boolean
  readonly steps: readonly Step[]
}

/** One line: when, who, what. */
export function describeStep({ atMs, ...action }: Step): string {
  return `${(atMs / SECOND_MS).toFixed(3).padStart(10)} s  ${describeAction(action)}`
}

export function describeAction(action: Action): string {
  const { do: what, ...rest } = action
  const shown = Object.entries(rest).map(([key, value]) =>
    key === 'op' ? describeOp(value as UserOp) : `${key} ${JSON.stringify(value)}`,
  )
  return [what, ...shown].join(' ')
}

export function describeOp({ kind, ...rest }: UserOp): string {
  const shown = Object.entries(rest).map(([key, value]) => `${key} ${JSON.stringify(value)}`)
  return [kind, ...shown].join(' ')
}

export function saveScript(file: string, script: Script): void {
  const { steps, ...setting } = script
  const lines = steps.map((step) => `    ${JSON.stringify(step)}`)
  const head = JSON.stringify(setting, undefined, 2).replace(/\n\}$/, ',')
  writeFileSync(file, `${head}\n  "steps": [\n${lines.join(',\n')}\n  ]\n}\n`)
}

/** throws ShoalError 'usage' for a file that holds no script. */
export function loadScript(file: string): Script {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Script
  } catch (cause) {
    throw new ShoalError('usage', `${file} holds no script of a simulation`, { cause })
  }
}
