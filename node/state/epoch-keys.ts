// The keys of a volume's epochs that this node was given: secrets, or for a keeper the swarm keys
// made of them. Two admins who remove members at once begin one epoch twice, each with a secret of
// its own: all are kept, whoever opens tries each, and whoever seals takes the one with the least
// swarm key, so that all come to take the same.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromByteString,
  toByteString,
} from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { openFrom } from '../../protocol/cipher.ts'
import { hasCode } from '../../protocol/errors.ts'
import { OPEN_ONLY } from '../../protocol/membership/governance-state.ts'
import type { GivenKey } from '../../protocol/membership/governance-state.ts'
import { swarmKey } from '../../protocol/membership/members.ts'
import type { Identity } from '../../protocol/signed.ts'
import { prefixEnd } from './state-view.ts'
import type { StateView } from './state-view.ts'

/** Keys of one epoch, the one that seals first. */
interface EpochKey {
  /** As they were given. */
  readonly held: readonly Uint8Array[]
  readonly secrets: readonly Uint8Array[]
  /** The swarm keys of these secrets. */
  readonly swarmKeys: readonly Uint8Array[]
  /** The held keys, taken for swarm keys. */
  readonly keeperKeys: readonly Uint8Array[]
}

const HELD: ByteString = STATE_PREFIXES.epochKey
const KEY_BYTES = 32
const NONE: EpochKey = { held: [], secrets: [], swarmKeys: [], keeperKeys: [] }

export class EpochKeys {
  readonly #view: StateView
  readonly #identity: Identity
  readonly #begun: (epoch: number) => number
  /**
   * Keys that this node was told when it was admitted, durable: its log may not tell of them yet.
   */
  readonly #told = new Map<number, readonly Uint8Array[]>()
  /** By sealed key what it holds; undefined: nothing that is for this node. */
  readonly #opened = new Map<ByteString, Uint8Array | undefined>()
  #keys = new Map<number, EpochKey>()

  private constructor(view: StateView, identity: Identity, begun: (epoch: number) => number) {
    this.#view = view
    this.#identity = identity
    this.#begun = begun
  }

  /**
   * begun: how often the log says that an epoch was begun; of OPEN_ONLY, by acts that do not count.
   */
  static async open(
    view: StateView,
    identity: Identity,
    begun: (epoch: number) => number,
  ): Promise<EpochKeys> {
    const keys = new EpochKeys(view, identity, begun)
    for await (const [key, value] of view.scan(HELD, prefixEnd(HELD)))
      keys.#told.set(epochOf(key), split(value))
    keys.give([])
    return keys
  }

  /** The newest epoch this node has a key of, to seal with. */
  get newest(): number {
    return Math.max(0, ...[...this.#keys.keys()].filter((epoch) => this.#sealing(epoch) !== NONE))
  }

  /** The secret that seals in an epoch. Means nothing at a keeper. */
  secret(epoch: number): Uint8Array | undefined {
    return this.#sealing(epoch).secrets[0]
  }

  /** All secrets that may have sealed in an epoch. Means nothing at a keeper. */
  secrets(epoch: number): readonly Uint8Array[] {
    return [...this.#sealing(epoch).secrets, ...this.#opening().secrets]
  }

  /** The keys for gossip in an epoch, the one that seals first. */
  swarmKeys(epoch: number, isKeeper: boolean): readonly Uint8Array[] {
    const keys = [this.#sealing(epoch), this.#opening()]
    return keys.flatMap((key) => (isKeeper ? key.keeperKeys : key.swarmKeys))
  }

  /** Every secret, oldest epoch first; then those that only open. */
  allSecrets(): readonly (readonly [epoch: number, secret: Uint8Array])[] {
    const epochs = [...this.#keys.keys()].filter((epoch) => epoch !== OPEN_ONLY)
    return [...epochs.sort((a, b) => a - b), OPEN_ONLY].flatMap((epoch) => {
      const { secrets } = epoch === OPEN_ONLY ? this.#opening() : this.#sealing(epoch)
      return secrets.map((secret) => [epoch, secret] as const)
    })
  }

  /** True if the log tells of more secrets of an epoch than this node was given. */
  lacks(epoch: number): boolean {
    return (
      this.#begun(epoch) > this.#sealing(epoch).secrets.length ||
      this.#begun(OPEN_ONLY) > this.#opening().secrets.length
    )
  }

  #sealing(epoch: number): EpochKey {
    if (epoch === OPEN_ONLY) return NONE
    const key = this.#keys.get(epoch) ?? NONE
    const open = this.#opening().held
    if (open.length === 0) return key
    const held = key.held.filter((one) => !open.some((other) => equalBytes(one, other)))
    return held.length === 0 ? NONE : makeKey(held)
  }

  #opening(): EpochKey {
    return this.#keys.get(OPEN_ONLY) ?? NONE
  }

  /** Take for this node's keys what it was told, and these: all that its log gives it now. */
  give(keys: readonly GivenKey[]): void {
    const held = new Map<number, readonly Uint8Array[]>(this.#told)
    for (const { epoch, sealed } of keys) {
      const key = this.#open(sealed)
      if (key !== undefined) held.set(epoch, withKey(held.get(epoch) ?? [], key))
    }
    this.#keys = new Map([...held].map(([epoch, all]) => [epoch, makeKey(all)]))
  }

  /**
   * Keep a key that this node was told. throws ShoalError 'corrupt' if it was not sealed to this
   * node.
   */
  learn(epoch: number, sealed: Uint8Array): void {
    const opened = openFrom(this.#identity.seed, sealed)
    const known = this.#told.get(epoch) ?? []
    if (opened.length !== KEY_BYTES || withKey(known, opened) === known) return
    const told = withKey(known, opened)
    this.#told.set(epoch, told)
    this.#view.put(HELD + String(epoch), concatBytes(told))
    this.#keys.set(epoch, makeKey(withKey(this.#keys.get(epoch)?.held ?? [], opened)))
  }

  /** Opens a sealed key; a fault is that of its sealer, and the epoch stays unknown. */
  #open(sealed: Uint8Array): Uint8Array | undefined {
    const name = toByteString(sealed)
    if (this.#opened.has(name)) return this.#opened.get(name)
    let opened: Uint8Array | undefined
    try {
      opened = openFrom(this.#identity.seed, sealed)
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
    }
    const key = opened?.length === KEY_BYTES ? opened : undefined
    this.#opened.set(name, key)
    return key
  }
}

/** The same list if the key is in it. */
function withKey(keys: readonly Uint8Array[], key: Uint8Array): readonly Uint8Array[] {
  return keys.some((known) => equalBytes(known, key)) ? keys : [...keys, key]
}

function makeKey(held: readonly Uint8Array[]): EpochKey {
  const derived = held.map((key) => ({ key, swarm: swarmKey(key) }))
  // A member whose role changed between keeper and reader has been given both forms of one key: one
  // is made of the other.
  const secrets = derived
    .filter(({ key }) => !derived.some(({ swarm }) => equalBytes(swarm, key)))
    .sort((a, b) => compareBytes(a.swarm, b.swarm))
  return {
    held,
    secrets: secrets.map(({ key }) => key),
    swarmKeys: secrets.map(({ swarm }) => swarm),
    keeperKeys: derived
      .filter(({ swarm }) => !held.some((key) => equalBytes(key, swarm)))
      .map(({ key }) => key)
      .sort(compareBytes),
  }
}

function split(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / KEY_BYTES }, (_, index) =>
    bytes.slice(index * KEY_BYTES, (index + 1) * KEY_BYTES),
  )
}

function epochOf(key: ByteString): number {
  return Number(Buffer.from(fromByteString(key.slice(1))).toString('latin1'))
}
