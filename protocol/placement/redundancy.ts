// Redundancy classes: how a user says what may be lost, and the code (k data, m parity shards) that
// follows.
import { ShoalError, assertNever } from '../errors.ts'
import { STRIPE_COPIES_BELOW, STRIPE_K_MAX, STRIPE_M_MAX } from '../limits.ts'

/**
 * auto: what the number of peers allows; local: this node only; copies: whole ones, `count` in all;
 * rs: Reed-Solomon.
 */
export type RedundancyClass =
  | { readonly kind: 'auto' }
  | { readonly kind: 'local' }
  | { readonly kind: 'copies'; readonly count: number }
  | { readonly kind: 'rs'; readonly k: number; readonly m: number }

/** Any k of the k+m shards give the data back. */
export interface Code {
  readonly k: number
  readonly m: number
}

/** The class that `auto` means from so many peers on (docs/durability.md), most peers first. */
const AUTO: readonly { readonly peers: number; readonly code: Code }[] = [
  { peers: 9, code: { k: 6, m: 3 } },
  { peers: 6, code: { k: 4, m: 2 } },
  { peers: 5, code: { k: 3, m: 2 } },
  { peers: 4, code: { k: 2, m: 2 } },
  { peers: 3, code: { k: 2, m: 1 } },
  { peers: 2, code: { k: 1, m: 1 } },
  { peers: 1, code: { k: 1, m: 0 } },
]

/** The class of its text form. throws ShoalError 'usage' that names the forms. */
export function parseClass(text: string): RedundancyClass {
  if (text === 'auto' || text === 'local') return { kind: text }
  const [, copies, k, m] = /^(?:copies(\d{1,2})|rs(\d{1,2})\+(\d{1,2}))$/.exec(text) ?? []
  if (copies !== undefined) {
    const count = Number(copies)
    if (count >= 1 && count <= STRIPE_M_MAX + 1) return { kind: 'copies', count }
  }
  if (k !== undefined && m !== undefined) {
    const code = { k: Number(k), m: Number(m) }
    if (code.k >= 1 && code.k <= STRIPE_K_MAX && code.m <= STRIPE_M_MAX)
      return { kind: 'rs', ...code }
  }
  throw new ShoalError(
    'usage',
    `"${text}" is no redundancy class; use auto, local, copiesN (copies3: three copies, ` +
      `N at most ${STRIPE_M_MAX + 1}) ` +
      `or rsK+M (rs4+2: any 4 of 6 shards suffice, K at most ${STRIPE_K_MAX}, M at most ${STRIPE_M_MAX})`,
  )
}

/** Inverse of parseClass. */
export function formatClass(cls: RedundancyClass): string {
  switch (cls.kind) {
    case 'auto':
    case 'local':
      return cls.kind
    case 'copies':
      return `copies${cls.count}`
    case 'rs':
      return `rs${cls.k}+${cls.m}`
    default:
      return assertNever(cls)
  }
}

/**
 * The code for a stripe of `dataBytes`; undefined means to keep the data on this node, in no
 * stripe.
 *
 * eligiblePeers: how many may hold shards, this node included. Explicit classes give their code
 * however few there are. Less than STRIPE_COPIES_BELOW is copied, not split, and survives as many
 * losses.
 */
export function codeFor(
  cls: RedundancyClass,
  eligiblePeers: number,
  dataBytes: number,
): Code | undefined {
  const code = codeOf(cls, eligiblePeers)
  return code !== undefined && dataBytes < STRIPE_COPIES_BELOW ? { k: 1, m: code.m } : code
}

function codeOf(cls: RedundancyClass, eligiblePeers: number): Code | undefined {
  switch (cls.kind) {
    case 'auto':
      return AUTO.find(({ peers }) => eligiblePeers >= peers)?.code
    case 'local':
      return undefined
    case 'copies':
      return { k: 1, m: cls.count - 1 }
    case 'rs':
      return { k: cls.k, m: cls.m }
    default:
      return assertNever(cls)
  }
}
