// The keys of a volume's epochs that this node was given: secrets, or for a keeper the swarm keys made of them. Two
// admins who remove members at once begin one epoch twice, each with a secret of its own: all are kept, whoever opens
// tries each, and whoever seals takes the one with the least swarm key, so that all come to take the same.
import { compareBytes, concatBytes, equalBytes, fromByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { openFrom } from '../../protocol/cipher.ts'
import { swarmKey } from '../../protocol/membership/members.ts'
import type { Identity } from '../../protocol/signed.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

/** Keys of one epoch, the one that seals first. */
interface EpochKey {
  /** As they were given. */
  readonly held: readonly Uint8Array[]
  readonly secrets: readonly Uint8Array[]
  /** Of these secrets. */
  readonly swarmKeys: readonly Uint8Array[]
  /** What is held, taken for swarm keys. */
  readonly keeperKeys: readonly Uint8Array[]
}

const HELD: ByteString = 'E'
const BEGUN: ByteString = 'B'
const KEY_BYTES = 32
/**
 * In place of an epoch, for keys that were begun by an entry that does not count, of a member that had been removed: what
 * was sealed with them in whatever epoch is opened, and nothing is sealed with them.
 */
export const OPEN_ONLY = 0
const NONE: EpochKey = { held: [], secrets: [], swarmKeys: [], keeperKeys: [] }

export class EpochKeys {
  readonly #view: ReplicaView
  readonly #identity: Identity
  readonly #keys = new Map<number, EpochKey>()
  /** As the log gave them, which may come to say that the epoch counts. */
  #openOnly: readonly Uint8Array[] = []
  /** How often an epoch was begun. The first begins with the volume, without an op. */
  readonly #begun = new Map<number, number>([[1, 1]])

  private constructor(view: ReplicaView, identity: Identity) {
    this.#view = view
    this.#identity = identity
  }

  static async open(view: ReplicaView, identity: Identity): Promise<EpochKeys> {
    const keys = new EpochKeys(view, identity)
    for await (const [key, value] of view.scan(HELD, prefixEnd(HELD)))
      keys.#keys.set(epochOf(key), makeKey(split(value)))
    for await (const [key, value] of view.scan(BEGUN, prefixEnd(BEGUN)))
      keys.#begun.set(epochOf(key), decodeCbor(value, 'epoch record') as number)
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
    const count = (at: number): number => this.#begun.get(at) ?? 0
    return (
      count(epoch) > this.#sealing(epoch).secrets.length ||
      count(OPEN_ONLY) > this.#opening().secrets.length
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
    const { held } = this.#keys.get(OPEN_ONLY) ?? NONE
    const all = [...held, ...this.#openOnly]
    return all.length === 0 ? NONE : makeKey(all)
  }

  /** The log tells that an epoch begins. */
  begin(epoch: number): void {
    const count = (this.#begun.get(epoch) ?? 0) + 1
    this.#begun.set(epoch, count)
    this.#view.put(BEGUN + String(epoch), encodeCbor(count))
  }

  /**
   * Keep a key that was sealed to this node. isLogged: the log says so, and its records will.
   * throws ShoalError 'corrupt' if it was not sealed to this node.
   */
  learn(epoch: number, sealed: Uint8Array, isLogged = false): void {
    const opened = openFrom(this.#identity.seed, sealed)
    const { held } = this.#keys.get(epoch) ?? NONE
    if (opened.length !== KEY_BYTES || held.some((known) => equalBytes(known, opened))) return
    if (epoch === OPEN_ONLY && isLogged) {
      const isKnown = this.#openOnly.some((known) => equalBytes(known, opened))
      if (!isKnown) this.#openOnly = [...this.#openOnly, opened]
      return
    }
    const key = makeKey([...held, opened])
    this.#keys.set(epoch, key)
    this.#view.put(HELD + String(epoch), concatBytes(key.held))
  }
}

function makeKey(held: readonly Uint8Array[]): EpochKey {
  const derived = held.map((key) => ({ key, swarm: swarmKey(key) }))
  // A member whose role changed between keeper and reader has been given both forms of one key: one is made of the other.
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
