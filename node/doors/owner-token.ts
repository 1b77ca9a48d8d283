// The token of the owner of a node: whoever shows it may do all that the owner may. It is in the
// index of the home, which is for its owner alone and sealed where the home is.
import { timingSafeEqual } from 'node:crypto'
import { utf8 } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/hash.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Kv } from '../store/kv.ts'
import type { Random } from '../world/world.ts'

const TOKEN_BYTES = 32
const KEY: string = `${STORE_PREFIXES.door}owner`

export class OwnerToken {
  readonly #kv: Kv
  readonly #random: Pick<Random, 'bytes'>

  constructor(kv: Kv, random: Pick<Random, 'bytes'>) {
    this.#kv = kv
    this.#random = random
  }

  /** The one that opens; made if there is none yet. */
  async current(): Promise<string> {
    const kept = this.#kv.get(KEY)
    return kept === undefined ? this.renew() : Buffer.from(kept).toString()
  }

  /** Another, from now on the only one that opens. */
  async renew(): Promise<string> {
    const token = `shoal_${Buffer.from(this.#random.bytes(TOKEN_BYTES)).toString('base64url')}`
    await this.#kv.write([{ kind: 'put', key: KEY, value: utf8(token) }], { sync: true })
    return token
  }

  /** In the same time whatever differs. */
  async opensWith(shown: string): Promise<boolean> {
    return timingSafeEqual(sha256(utf8(shown)), sha256(utf8(await this.current())))
  }
}
