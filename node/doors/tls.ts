// The certificates of doors that speak TLS. Files are looked at again when somebody connects, a
// while after the last time: a new certificate needs no restart, and idle doors do nothing.
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { DAY_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { TlsConfig } from '../door-config.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Kv } from '../store/kv.ts'
import { endOf, fingerprintOf, readCertificate, stateOfFiles } from '../world/certificates.ts'
import type { Certificate } from '../world/certificates.ts'
import type { Clock } from '../world/world.ts'

const KEY: string = `${STORE_PREFIXES.door}certificate`
/** A new one is made at a start so long before the end. */
const RENEW_MS: number = 30 * DAY_MS
const LOOK_MS: number = 10 * SECOND_MS

export interface TlsComponents {
  readonly kv: Kv
  readonly clock: Clock
  /** Hears of files that cannot be used any more: the certificate before stays. */
  readonly onError: (error: ShoalError) => void
}

/** The certificate of one door. */
export class DoorTls {
  readonly #c: TlsComponents
  readonly #files: Certificate | undefined
  #current: Certificate
  #state: string
  #lookedAt: Instant

  private constructor(
    components: TlsComponents,
    {
      files,
      current,
      state,
    }: { files: Certificate | undefined; current: Certificate; state: string },
  ) {
    this.#c = components
    this.#files = files
    this.#current = current
    this.#state = state
    this.#lookedAt = components.clock.now()
  }

  /** throws ShoalError 'usage' naming the file that is at fault. */
  static async open(components: TlsComponents, config: TlsConfig): Promise<DoorTls> {
    if (config === 'self-signed') {
      const current = await ownCertificate(components)
      return new DoorTls(components, { files: undefined, current, state: '' })
    }
    const current = await readCertificate(config)
    return new DoorTls(components, { files: config, current, state: await stateOfFiles(config) })
  }

  get current(): Certificate {
    return this.#current
  }

  get fingerprint(): string {
    return fingerprintOf(this.#current)
  }

  /** The certificate that is to be used from now on, if it is another. Never rejects. */
  async renewed(): Promise<Certificate | undefined> {
    const { clock, onError } = this.#c
    if (this.#files === undefined || clock.now() - this.#lookedAt < LOOK_MS) return undefined
    this.#lookedAt = clock.now()
    try {
      const state = await stateOfFiles(this.#files)
      if (state === this.#state) return undefined
      this.#current = await readCertificate(this.#files)
      this.#state = state
      return this.#current
    } catch (error) {
      onError(asShoalError(error))
      return undefined
    }
  }
}

/** The one in the index of the home, which is sealed where the home is. */
async function ownCertificate({ kv, clock }: TlsComponents): Promise<Certificate> {
  const kept = decode(kv.get(KEY))
  if (kept !== undefined && endOf(kept) - clock.wall() > RENEW_MS) return kept
  const { makeCertificate } = await import('../world/make-certificate.ts')
  const made = await makeCertificate(clock.wall())
  await kv.write([{ kind: 'put', key: KEY, value: utf8(JSON.stringify(made)) }], { sync: true })
  return made
}

function decode(bytes: Uint8Array | undefined): Certificate | undefined {
  if (bytes === undefined) return undefined
  // Written by the above alone.
  const { cert, key } = JSON.parse(Buffer.from(bytes).toString()) as Certificate
  return { cert, key }
}
