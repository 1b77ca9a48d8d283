// The accounts by which people and programs come in at this node: found by login over all volumes,
// with the secrets that this machine was given. A machine that has heard of no other member for
// long lets nobody in: it may have been taken away, and cannot learn what was revoked.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { base32upper } from 'multiformats/bases/base32'
import { LRUCache } from 'lru-cache'
import { grantsOf } from '../../protocol/accounts/accounts.ts'
import type { Account } from '../../protocol/accounts/accounts.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import { isKeyId } from '../../protocol/accounts/record.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/hash.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { NamedVolume, Volumes } from '../log/volumes.ts'
import { offlineMsOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import type { Clock, Random } from '../world/world.ts'
import { Passwords, VERIFIER_BYTES } from './passwords.ts'
import { VolumeAccounts } from './volume-accounts.ts'

/** Bytes in the id of a key: those that tell its volume, and those of chance. */
const VOLUME_BYTES = 5
const CHANCE_BYTES = 9
/** Bytes of the secret of a key. */
const SECRET_BYTES = 30
/** Right passwords are known again for a while: clients show theirs with each request. */
const KNOWN_MAX = 256
const KNOWN_MS: number = 5 * MINUTE_MS

export interface NodeAccountsComponents {
  readonly volumes: Volumes
  readonly clock: Clock
  readonly random: Random
  /** When a member of a volume was last heard of; 0: never. */
  readonly heardMs: (volume: Volume, peer: PeerId) => number
}

/** An account that may come in, and what it may do. */
export interface Entrant {
  /** `NAME@VOLUME`, or the id of a key. */
  readonly login: string
  readonly named: NamedVolume
  readonly account: Account
  readonly grants: readonly Grant[]
  /** Undefined: another machine serves it. */
  readonly secret: Uint8Array | undefined
}

export class NodeAccounts {
  readonly passwords: Passwords = new Passwords()
  readonly #c: NodeAccountsComponents
  readonly #ofVolumes = new WeakMap<Volume, VolumeAccounts>()
  readonly #known: LRUCache<string, true>
  /**
   * A secret of this process, without which what is kept of right passwords is worth nothing, and
   * against which the passwords of nobody are checked; made when somebody wants to come in.
   */
  #chance: { readonly pepper: Uint8Array; readonly nobody: Uint8Array } | undefined

  constructor(components: NodeAccountsComponents) {
    const { clock } = (this.#c = components)
    this.#known = new LRUCache({
      max: KNOWN_MAX,
      ttl: KNOWN_MS,
      ttlResolution: 0,
      perf: { now: () => clock.now() },
    })
  }

  of(volume: Volume): VolumeAccounts {
    const known = this.#ofVolumes.get(volume)
    if (known !== undefined) return known
    const made = new VolumeAccounts(volume, this.#c.random)
    this.#ofVolumes.set(volume, made)
    return made
  }

  /** Undefined: there is none, or why it is closed is nobody's business who has no secret of it. */
  find(login: string): Entrant | undefined {
    const [name, volume] = splitLast(login, '@')
    const found = isKeyId(login) ? this.#ofKey(login) : this.#named(volume)
    if (found === undefined) return undefined
    const accounts = this.of(found.volume)
    const account = accounts.all().get(isKeyId(login) ? login : name)
    if (account === undefined || (account.record.kind === 'key') !== isKeyId(login))
      return undefined
    if (this.whyClosed(found.volume, account) !== undefined) return undefined
    const grants = grantsOf(accounts.all(), account)
    return { login, named: found, account, grants, secret: accounts.secretOf(account) }
  }

  /** Why nobody comes in by an account at this node now; undefined: it is good. */
  whyClosed(volume: Volume, account: Account): string | undefined {
    const { clock } = this.#c
    if (this.isCutOff(volume)) return 'no other member was heard of for long'
    return this.of(volume).whyClosed(account, clock.wall())
  }

  /** Is it too long since another member of a volume was heard of? */
  isCutOff(volume: Volume): boolean {
    const { clock, heardMs } = this.#c
    const others = volume.membership.nodes().filter(({ peer }) => peer !== volume.identity.peer)
    if (others.length === 0) return false
    const lastMs = Math.max(...others.map(({ peer }) => heardMs(volume, peer)))
    return clock.wall() - lastMs > offlineMsOf(volume)
  }

  /** Let in by a password, or by the secret of a key; in the same time for nobody. */
  async byPassword(login: string, password: string): Promise<Entrant | undefined> {
    const entrant = this.find(login)
    const { secret, account } = entrant ?? {}
    if (account?.record.kind === 'key' && secret !== undefined)
      return isSame(secret, utf8(password)) ? entrant : undefined
    const proof = this.#proofOf(login, account?.record.round, password)
    if (secret !== undefined && this.#known.has(proof)) return entrant
    const isRight = await this.passwords.isRight(password, secret ?? this.#made.nobody)
    if (!isRight || secret === undefined) return undefined
    this.#known.set(proof, true)
    return entrant
  }

  /** The id of a new key of a volume, and its secret. */
  newKey({ id }: Volume): { readonly id: string; readonly secret: string } {
    const { random } = this.#c
    const bytes = Buffer.concat([tagOf(id), random.bytes(CHANCE_BYTES)])
    return {
      id: `SHOAL${base32upper.baseEncode(bytes)}`,
      secret: Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url'),
    }
  }

  #named(name: string): NamedVolume | undefined {
    const { volumes } = this.#c
    return volumes.all().find(({ name: own, volume }) => own === name || volume.id === name)
  }

  #ofKey(id: string): NamedVolume | undefined {
    const tag = Buffer.from(base32upper.baseDecode(id.slice('SHOAL'.length))).subarray(
      0,
      VOLUME_BYTES,
    )
    return this.#c.volumes.all().find(({ volume }) => tag.equals(tagOf(volume.id)))
  }

  get #made(): { readonly pepper: Uint8Array; readonly nobody: Uint8Array } {
    const { random } = this.#c
    return (this.#chance ??= {
      pepper: random.bytes(SECRET_BYTES),
      nobody: random.bytes(VERIFIER_BYTES),
    })
  }

  #proofOf(login: string, round: string | undefined, password: string): string {
    const text = JSON.stringify([login, round, password])
    return createHmac('sha256', this.#made.pepper).update(text).digest('base64')
  }
}

/** Begins the ids of the keys of a volume. */
function tagOf(volume: VolumeId): Uint8Array {
  return sha256(utf8(volume)).subarray(0, VOLUME_BYTES)
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return timingSafeEqual(sha256(one), sha256(other))
}

function splitLast(text: string, by: string): [string, string] {
  const at = text.lastIndexOf(by)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)]
}
