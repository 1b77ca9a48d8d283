// The recovery key of a volume: all that is needed to rebuild it from a cold tier, on paper or in a
// file. It is the seed of a member that no node runs as, so keys of later epochs are given to it in
// the log. As text: lines of base32, each with its number and a check of its own, so that who types
// it in from paper is told which line is wrong.
import { utf8 } from '../bytes.ts'
import { Fields, decodeCanonicalCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { blake3Concat } from '../hash.ts'
import { fromBase32, toBase32 } from '../ids.ts'
import { EPOCHS_MAX, RECOVERY_KEY_TEXT_MAX } from '../limits.ts'
import { GENESIS_BYTES_MAX, decodeGenesis } from './genesis.ts'

const KEY_VERSION = 1
const HEADING = 'shoal-recovery-key-1'
const SECRET_BYTES = 32
const NAME_MAX = 64
/** Each secret is a pair. */
const ITEMS_MAX: number = 4 * EPOCHS_MAX
/** Chars of base32 in a line, in groups, and of its check. */
const LINE_CHARS = 40
const GROUP_CHARS = 8
const CHECK_CHARS = 4
const LINES_MAX: number = RECOVERY_KEY_TEXT_MAX / LINE_CHARS

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
  const text = toBase32(
    encodeCbor({
      v: KEY_VERSION,
      n: key.name,
      g: key.genesis,
      s: key.seed,
      k: key.secrets.map(([epoch, secret]) => [epoch, secret]),
    }),
  )
  const count = Math.ceil(text.length / LINE_CHARS)
  const lines = Array.from({ length: count }, (_, at) => {
    const chars = text.slice(at * LINE_CHARS, (at + 1) * LINE_CHARS)
    const groups = chars.match(new RegExp(`.{1,${GROUP_CHARS}}`, 'g')) ?? []
    return `${at + 1}/${count} ${groups.join(' ')} ${checkOf(at + 1, count, chars)}`
  })
  return [
    `# Recovery key ${key.name} of the Shoal volume "${volume}".`,
    '# WHOEVER HAS THIS CAN READ AND CHANGE THE WHOLE VOLUME. Keep it where the machines are not: on paper in a safe.',
    '# To use it on an empty machine: shoal recover --from URL-OF-THE-TIER --key THIS-FILE',
    HEADING,
    ...lines,
    '',
  ].join('\n')
}

/** throws ShoalError 'malformed' that names the line, 'unsupported' for a newer one. */
export function parseRecoveryKey(text: string): RecoveryKey {
  if (text.length > RECOVERY_KEY_TEXT_MAX) throw noKey()
  const [heading, ...lines] = text
    .split('\n')
    .map((line) => line.trim().toLowerCase())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (heading !== HEADING) throw noKey()
  const base32 = joinLines(lines)
  try {
    const f = new Fields(
      decodeCanonicalCbor(fromBase32(base32), 'recovery key', ITEMS_MAX),
      'recovery key',
    )
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

function joinLines(lines: readonly string[]): string {
  const total = Number(/^\d+\/(\d+) /.exec(lines[0] ?? '')?.[1] ?? 0)
  if (total > LINES_MAX) throw noKey()
  const parts = Array.from({ length: Math.max(total, 1) }, (_, at) => {
    const line = lines[at] ?? ''
    const [, number, count, rest = ''] = /^(\d+)\/(\d+) +([a-z2-7 ]+)$/.exec(line) ?? []
    const all = rest.replaceAll(' ', '')
    const chars = all.slice(0, -CHECK_CHARS)
    const isRight =
      Number(number) === at + 1 &&
      Number(count) === total &&
      all.slice(-CHECK_CHARS) === checkOf(at + 1, total, chars)
    if (isRight) return chars
    const message = `line ${at + 1} of the recovery key is wrong or missing: compare it with the original`
    throw new ShoalError('malformed', message)
  })
  if (lines.length > total)
    throw new ShoalError('malformed', 'there is more after the recovery key than its lines')
  return parts.join('')
}

function parseSecret(value: unknown): readonly [number, Uint8Array] {
  const [epoch, secret] = Array.isArray(value) ? (value as readonly unknown[]) : []
  const isRight =
    Number.isSafeInteger(epoch) && secret instanceof Uint8Array && secret.length === SECRET_BYTES
  if (isRight) return [epoch as number, secret]
  throw new ShoalError('malformed', 'a recovery key has a bad secret')
}

/** So short that it is no burden to type, and finds all but one of a million slips. */
function checkOf(line: number, count: number, chars: string): string {
  const hash = blake3Concat(utf8(`${HEADING} ${line}/${count} `), utf8(chars))
  return toBase32(hash).slice(0, CHECK_CHARS)
}

function noKey(): ShoalError {
  return new ShoalError(
    'malformed',
    'this is no recovery key: one comes of "shoal volume key export" and begins with ' + HEADING,
  )
}
