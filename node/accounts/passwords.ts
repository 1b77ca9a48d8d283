// Verifiers of passwords: argon2id (RFC 9106) with the parameters that OWASP names as its least, so
// that a small machine serves many. Never more than a few at a time, for each takes its memory.
import { timingSafeEqual } from 'node:crypto'
import type { Argon2Parameters } from 'node:crypto'
import { utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import PQueue from 'p-queue'
import type { Random } from '../world/world.ts'

const MEMORY_KIB = 19_456
const PASSES = 2
const SALT_BYTES = 16
const HASH_BYTES = 32
const AT_ONCE = 2
/** More wait in vain. */
const WAITING_MAX = 64
export const PASSWORD_MIN = 8
const PASSWORD_MAX = 1024

/** Salt and hash. */
export const VERIFIER_BYTES: number = SALT_BYTES + HASH_BYTES

export class Passwords {
  readonly #queue = new PQueue({ concurrency: AT_ONCE })

  /** salt: SALT_BYTES of chance. throws ShoalError 'usage' for a password that is too short. */
  async verifierOf(password: string, random: Pick<Random, 'bytes'>): Promise<Uint8Array> {
    const { length } = password
    if (length < PASSWORD_MIN || length > PASSWORD_MAX)
      throw new ShoalError('usage', `a password has ${PASSWORD_MIN} to ${PASSWORD_MAX} characters`)
    const salt = random.bytes(SALT_BYTES)
    return Buffer.concat([salt, await this.#hash(password, salt)])
  }

  /** In the same time whatever differs. throws ShoalError 'EBUSY'. */
  async isRight(password: string, verifier: Uint8Array): Promise<boolean> {
    if (password.length > PASSWORD_MAX || verifier.length !== VERIFIER_BYTES) return false
    const hash = await this.#hash(password, verifier.subarray(0, SALT_BYTES))
    return timingSafeEqual(hash, verifier.subarray(SALT_BYTES))
  }

  async #hash(password: string, salt: Uint8Array): Promise<Uint8Array> {
    if (this.#queue.size >= WAITING_MAX)
      throw new ShoalError('EBUSY', 'too many passwords are being checked; try again later')
    const parameters: Argon2Parameters = {
      message: utf8(password.normalize('NFKC')),
      nonce: salt,
      parallelism: 1,
      tagLength: HASH_BYTES,
      memory: MEMORY_KIB,
      passes: PASSES,
    }
    return this.#queue.add(() => argon2id(parameters))
  }
}

function argon2id(parameters: Argon2Parameters): Promise<Uint8Array> {
  const { argon2 } = process.getBuiltinModule('node:crypto')
  if (argon2 === undefined)
    throw new ShoalError(
      'unsupported',
      'passwords need Node 24.7 or later; start Shoal by "npm start"',
    )
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  argon2('argon2id', parameters, (error, hash) => (error === null ? resolve(hash) : reject(error)))
  return promise
}
