// The recovery key of a volume: all that is needed to rebuild it from a cold tier, on paper or in a
// file. It is the seed of a member that no node runs as, so keys of later epochs are given to it in
// the log. As text: lines of base32, each with its number and a check of its own, so that who types
// it in from paper is told which line is wrong.
import { Fields, decodeCanonicalCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { formatKeyLines, parseKeyLines } from '../key-lines.ts'
import type { KeyKind } from '../key-lines.ts'
import { EPOCHS_MAX, RECOVERY_KEY_TEXT_MAX } from '../limits.ts'
import { GENESIS_BYTES_MAX, decodeGenesis } from './genesis.ts'

const KEY_VERSION = 1
const KIND: KeyKind = {
  heading: 'shoal-recovery-key-1',
  what: 'recovery key',
  origin: 'one comes of "shoal volume key export"',
  textMax: RECOVERY_KEY_TEXT_MAX,
}
const SECRET_BYTES = 32
const NAME_MAX = 64
/** Each secret is a pair. */
const ITEMS_MAX: number = 4 * EPOCHS_MAX
export interface RecoveryKey {
  /** As the volume calls it. */
  readonly name: string
  readonly genesis: Uint8Array
  /** The seed of the identity that is a member of the volume. */
  readonly seed: Uint8Array
  /** Every secret of the volume when it was made, oldest epoch first. */
  readonly secrets: readonly (readonly [epoch: number, secret: Uint8Array])[]
}

/** The text of a key, with a word for whoever finds it. */
export function formatRecoveryKey(key: RecoveryKey): string {
  const { name: volume } = decodeGenesis(key.genesis)
  const bytes = encodeCbor({
    v: KEY_VERSION,
    n: key.name,
    g: key.genesis,
    s: key.seed,
    k: key.secrets.map(([epoch, secret]) => [epoch, secret]),
  })
  return [
    `# Recovery key ${key.name} of the Shoal volume "${volume}".`,
    '# WHOEVER HAS THIS CAN READ AND CHANGE THE WHOLE VOLUME. Keep it where the machines are not: on paper in a safe.',
    '# To use it on an empty machine: shoal recover --from URL-OF-THE-TIER --key THIS-FILE',
    ...formatKeyLines(KIND, bytes),
    '',
  ].join('\n')
}

/** throws ShoalError 'malformed' that names the line, 'unsupported' for a newer one. */
export function parseRecoveryKey(text: string): RecoveryKey {
  const bytes = parseKeyLines(KIND, text)
  try {
    const f = new Fields(decodeCanonicalCbor(bytes, 'recovery key', ITEMS_MAX), 'recovery key')
    if (f.integer('v') !== KEY_VERSION)
      throw new ShoalError('unsupported', 'this recovery key is newer than this program')
    return {
      name: f.text('n', NAME_MAX),
      genesis: f.bytes('g', GENESIS_BYTES_MAX),
      seed: f.bytes('s', SECRET_BYTES, SECRET_BYTES),
      secrets: f.list('k', EPOCHS_MAX).map(parseSecret),
    }
  } catch (cause) {
    if (hasCode(cause, 'unsupported')) throw cause
    throw new ShoalError('malformed', 'this recovery key is damaged', { cause })
  }
}

function parseSecret(value: unknown): readonly [number, Uint8Array] {
  const [epoch, secret] = Array.isArray(value) ? (value as readonly unknown[]) : []
  const isRight =
    Number.isSafeInteger(epoch) && secret instanceof Uint8Array && secret.length === SECRET_BYTES
  if (isRight) return [epoch as number, secret]
  throw new ShoalError('malformed', 'a recovery key has a bad secret')
}
