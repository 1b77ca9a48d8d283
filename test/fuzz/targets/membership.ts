// Decoders of a volume's beginning, of its accounts, and of what people and programs hand to each
// other: tickets, sessions and recovery keys.
import { accountFact } from '../../../protocol/accounts/record.ts'
import { decodeSession } from '../../../protocol/accounts/session.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { parseSession } from '../../../protocol/clock/session.ts'
import { toBase32 } from '../../../protocol/ids.ts'
import { decodeGenesis } from '../../../protocol/membership/genesis.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../../protocol/membership/recovery-key.ts'
import { parseTicket } from '../../../protocol/membership/ticket.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { KEY, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

const read = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** As a token has it: whatever is no JSON is no claims. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(read(bytes))
  } catch {
    return undefined
  }
}

const PEER = identityFromSeed(KEY).peer
const IDS = `"iss":"${PEER}","vol":"${'ab'.repeat(32)}","jti":"${'0'.repeat(32)}"`
const TIMES = `"sid":"${'1'.repeat(32)}","auth_time":1,"iat":2,"exp":3,"path":"/","verbs":["read"]`
const CLAIMS = [
  `{${IDS},${TIMES},"aud":"${PEER}","sub":"anna","gen":"0123456789abcdef","rnd":"0123456789abcdef"}`,
  `{${IDS},${TIMES},"aud":"${'ab'.repeat(32)}","sub":"u","idp":"https://id","groups":["family"]}`,
]
const POLICIES = [
  '{"kind":"user","generation":"0123456789abcdef","round":"0123456789abcdef","groups":["family"]}',
  `{"generation":"0123456789abcdef","url":"https://id.example","value":"home","on":["${PEER}"]}`,
  '0123456789abcdef 00ff',
]

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
  {
    name: 'session-claims',
    run: (input) => decodeSession(jsonOf(input)),
    honest: () => CLAIMS.map(utf8),
  },
  {
    name: 'account-policy',
    run: (input) => {
      for (const key of ['account:anna', 'account-secret:anna:x', 'account-provider:family'])
        accountFact(key, read(input))
    },
    honest: () => POLICIES.map(utf8),
  },
  { name: 'recovery-key', run: (input) => parseRecoveryKey(read(input)), honest: recoveryKey },
]
