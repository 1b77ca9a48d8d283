// Checkpoints of the liar's own making, and what it says of the log to have others drop theirs.
import { CHECKPOINT_PROTOCOL, encodeCheckpointMessage } from '../../../protocol/wire/checkpoint.ts'
import { attest } from '../../../protocol/log/attestation.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import type { Attack } from '../attack.ts'
import type { Liar } from '../liar.ts'

interface Roots {
  readonly clear: NodeHash | undefined
  readonly sealed: NodeHash | undefined
}

/** A state in which there is nothing. */
const NOTHING: Roots = { clear: undefined, sealed: undefined }

/**
 * An entry of its own, and one that announces a cut after it, with a state that it would have
 * others take.
 */
function announced(liar: Liar, roots: Roots): readonly [own: Entry, announcement: Entry] {
  const { volume, identity } = liar
  const { peer } = identity
  const own = liar.entry([
    {
      kind: 'member-info',
      peer,
      name: 'liar',
      zone: '',
      capacityBytes: liar.random.bytes(1)[0] ?? 0,
    },
  ])
  const { actor, seq, hlc } = own.header
  const held = volume.actors.vector().set(actor, seq)
  const governed = volume.membership.governance.headsIn(() => true)
  const op = {
    kind: 'checkpoint',
    hlc,
    vector: held,
    held,
    before: undefined,
    governed,
    ...roots,
  } as const
  const next = {
    actor,
    seq: seq + 1,
    prev: own.hash,
    deps: [],
    hlc: (hlc + 1n) as typeof hlc,
    origin: undefined,
  }
  return [own, liar.entry([op], next)]
}

export const CHECKPOINT_ATTACKS: readonly Attack[] = [
  {
    name: 'it serves a state of its own in place of a log that it says is gone',
    rule: 'checkpoint-attested',
    kind: 'lie',
    roles: ['writer'],
    async run({ liar, honest }) {
      const [, announcement] = announced(liar, NOTHING)
      const { bytes } = attest(liar.identity, liar.volume.id, {
        cut: announcement.hash,
        ...NOTHING,
      })
      await liar.network.handle(CHECKPOINT_PROTOCOL, async (channel) => {
        const signal = liar.deadline()
        await channel.receive({ signal })
        const message = { kind: 'checkpoint', announcement, attestations: [bytes] } as const
        await channel.send([encodeCheckpointMessage(message)], { signal })
        await channel.receive({ signal })
      })
      for (const { peer } of honest)
        await liar.exchange(peer, [{ kind: 'truncated' }]).catch(() => undefined)
      return undefined
    },
  },
  {
    name: 'it announces and attests a cut at which nothing was',
    rule: 'checkpoint-attested',
    kind: 'lie',
    roles: ['writer'],
    async run({ liar, honest }) {
      const entries = announced(liar, NOTHING)
      const cut = entries[1].hash
      const { bytes } = attest(liar.identity, liar.volume.id, { cut, ...NOTHING })
      for (const { peer } of honest) {
        await liar.exchange(peer, [{ kind: 'entries', entries }]).catch(() => undefined)
        await liar
          .exchange(peer, [{ kind: 'attestations', attestations: [bytes] }])
          .catch(() => undefined)
      }
      return undefined
    },
  },
]
