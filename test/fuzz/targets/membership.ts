// Decoders of a volume's beginning, and of what people hand to each other: tickets, sessions and
// recovery keys.
import { utf8 } from '../../../protocol/bytes.ts'
import { parseSession } from '../../../protocol/clock/session.ts'
import { toBase32 } from '../../../protocol/ids.ts'
import { decodeGenesis } from '../../../protocol/membership/genesis.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../../protocol/membership/recovery-key.ts'
import { parseTicket } from '../../../protocol/membership/ticket.ts'
import { KEY, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

const read = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

const recoveryKey = (): Uint8Array[] => {
  const [genesis = KEY] = vectors('genesis', 'bytes')
  return [utf8(formatRecoveryKey({ name: 'paper', genesis, seed: KEY, secrets: [[1, KEY]] }))]
}

export const membershipTargets: readonly Target[] = [
  { name: 'genesis', run: decodeGenesis, honest: () => vectors('genesis', 'bytes') },
  {
    name: 'ticket',
    run: (input) => parseTicket(`shoal1${toBase32(input)}`),
    honest: () => vectors('ticket', 'cbor'),
    codes: ['ticket-malformed', 'unsupported'],
  },
  {
    name: 'session',
    run: (input) => parseSession(`shoals1${toBase32(input)}`),
    honest: () => vectors('session', 'cbor'),
    codes: ['usage', 'unsupported'],
  },
  { name: 'recovery-key', run: (input) => parseRecoveryKey(read(input)), honest: recoveryKey },
]
