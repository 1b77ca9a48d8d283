// The events of a volume, and their listeners.
import type { ActorId, EntryHash, NodeId } from '../../protocol/ids.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import type { SecurityEvent } from '../observe/security.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { MapEvent } from '../shard-map/stripe-map.ts'
import type { LogEvent } from '../observe/log-events.ts'

/** A checkpoint that a member announces. */
export type CheckpointOp = Extract<Op, { kind: 'checkpoint' }>

/** Ops after which members, or a policy, may be others. */
export const MEMBER_OPS: ReadonlySet<Op['kind']> = new Set([
  'member',
  'member-info',
  'remove-member',
  'epoch',
  'policy',
])

/** Listeners for one kind of event. */
export class Listeners<Args extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Args) => void>()
  readonly #onFailure: ((error: unknown) => void) | undefined

  /**
   * onFailure: told of a listener that throws, in place of whoever tells: what that does goes on,
   * and the others hear.
   */
  constructor(onFailure?: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  /** returns what takes the listener away again. */
  add(listener: (...args: Args) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(...args: Args): void {
    for (const listener of this.#listeners) {
      try {
        listener(...args)
      } catch (error) {
        if (this.#onFailure === undefined) throw error
        this.#onFailure(error)
      }
    }
  }
}

/** The events of a volume. */
export class VolumeEvents {
  /** Events of the log that people should know of, with details. */
  readonly note: Listeners<[event: LogEvent, fields: Record<string, unknown>]> = new Listeners()
  readonly #failed = (error: unknown): void =>
    this.note.tell('log.listener-failed', { error: String(error) })
  /**
   * Each op made on this node (`local`) and each entry from elsewhere, at once when it is applied.
   */
  readonly change: Listeners<[changes: ChangeSet, local: boolean]> = new Listeners(this.#failed)
  /** Members came, went or changed, or a policy was set. */
  readonly members: Listeners<[]> = new Listeners(this.#failed)
  /** An op about members or policies was taken, and by whom it is. */
  readonly governed: Listeners<[op: Op, by: ActorId]> = new Listeners(this.#failed)
  /** Somebody has said what a folder or a file is pinned to. */
  readonly pins: Listeners<[id: NodeId]> = new Listeners(this.#failed)
  /** Somebody told of a mass loss, or dismissed some. */
  readonly losses: Listeners<[]> = new Listeners(this.#failed)
  /** Somebody has made, held or removed a snapshot; or the tree of one is here. */
  readonly snapshots: Listeners<[]> = new Listeners(this.#failed)
  /** The shard map has changed. */
  readonly stripes: Listeners<[event: MapEvent]> = new Listeners(this.#failed)
  /** A member announces a cut, by an entry with this hash; or what it held is known better. */
  readonly cut: Listeners<[id: EntryHash]> = new Listeners(this.#failed)
  /** A member has said what is durable there. */
  readonly confirmed: Listeners<[]> = new Listeners(this.#failed)
  /** Somebody has attested a checkpoint. */
  readonly attested: Listeners<[attestation: Attestation]> = new Listeners(this.#failed)
  /**
   * Events that concern the security of the volume, as its log and its checkpoints show it, or its
   * life.
   */
  readonly security: Listeners<[event: Omit<SecurityEvent, 'volume'>]> = new Listeners(this.#failed)
  readonly #resets = new Set<() => () => void>()

  /**
   * `before` is called before the state is replaced by another, and what it returns after: anything
   * may change.
   */
  onReset(before: () => () => void): () => void {
    this.#resets.add(before)
    return () => this.#resets.delete(before)
  }

  /** The state is about to be replaced. returns what to call when it is. */
  beginReset(): () => void {
    const after = [...this.#resets].map((before) => before())
    return () => {
      for (const tell of after) tell()
    }
  }
}
