// Ops that would have former versions forgotten.
import { utf8 } from '../../../protocol/bytes.ts'
import { makeDot } from '../../../protocol/clock/dot.ts'
import { HLC_MAX, hlcMillis, nextHlc } from '../../../protocol/clock/hlc.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import type { Op } from '../../../protocol/op/op.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import type { ClusterNode } from '../../cluster.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look } from '../attack.ts'
import type { Liar } from '../liar.ts'
import { giveAll } from './ops.ts'
import { alone, idOf } from './unseen.ts'

const BEFORE = 'before'
const AFTER = 'after'

export const HISTORY_ATTACKS: readonly Attack[] = [
  {
    name: "it says that it writes on what another wrote, to have that one's version forgotten",
    rule: 'goes-on-own',
    kind: 'lie',
    roles: ['writer'],
    async run(stage): Promise<Look> {
      const { founder, liar, random } = stage
      const name = `past-${random.word()}`
      for (const entry of entriesOf(liar, name)) await giveAll(stage, [entry])
      return () => keepsBefore(founder, name, 'what was replaced')
    },
  },
  {
    name: 'as an appender it writes on what it has just written, to have that forgotten',
    rule: 'appends-only',
    kind: 'lie',
    roles: ['appender'],
    async run(stage): Promise<Look> {
      const { founder, liar, random } = stage
      const name = `added-${random.word()}`
      for (const entry of entriesOf(liar, name, { isOne: true })) await giveAll(stage, [entry])
      return () => keepsBefore(founder, name, 'what an appender replaced')
    },
  },
  {
    name: 'it tells of a loss that is yet to come, to have all kept that is ever removed',
    rule: 'loss-is-past',
    kind: 'lie',
    roles: ['writer'],
    async run(stage): Promise<Look> {
      const { founder, liar } = stage
      const { peer } = liar.identity
      const entry = alone(liar, [{ kind: 'mass-loss', peer, at: HLC_MAX }])
      await giveAll(stage, [entry])
      return async () => {
        const losses = await founder.ask((api) => api.listLosses())
        const isTold = losses.some(({ atMs }) => atMs === hlcMillis(HLC_MAX))
        disbelieved(!isTold, `${founder.name} keeps all that is ever removed`)
      }
    },
  },
]

/**
 * One that makes a file and writes to it, and one of another incarnation, or of the same, that
 * replaces what is in it with the word that it goes on.
 */
function entriesOf(liar: Liar, name: string, { isOne = false } = {}): readonly Entry[] {
  const [inode, link] = [idOf(`inode of ${name}`), idOf(`link of ${name}`)]
  const version = (text: string): Op & { readonly kind: 'version' } => ({
    kind: 'version',
    inode,
    base: [],
    size: text.length,
    content: { kind: 'inline', bytes: utf8(text) },
    modifiedNs: 0n,
    touch: [],
  })
  const place = { parent: ROOT, name: nameFromText(name), attributes: {}, target: undefined }
  const made = alone(liar, [{ kind: 'create', inode, link, ...place }, version(BEFORE)])
  const { actor, seq, hlc } = made.header
  const base = [makeDot(actor, seq, 1)]
  const ops = [{ ...version(AFTER), base, goesOn: true } as const]
  const after = { hlc: nextHlc(hlc, liar.clock.wall()) }
  if (!isOne) return [made, alone(liar, ops, { seen: [made], ...after })]
  const next = { actor, seq: seq + 1, prev: made.hash, deps: [], origin: undefined, sealed: true }
  return [made, liar.entry(ops, { ...next, ...after })]
}

/** throws CheckError where the founder has forgotten what a file held first. */
async function keepsBefore(founder: ClusterNode, name: string, what: string): Promise<void> {
  const sizes = await versionSizes(founder, `/${name}`)
  const isForgotten = sizes.includes(AFTER.length) && !sizes.includes(BEFORE.length)
  disbelieved(!isForgotten, `${founder.name} keeps nothing of ${what}`)
}

/** None where there is no such file, as all that the liar writes comes too late. */
async function versionSizes(node: ClusterNode, path: string): Promise<readonly number[]> {
  return await node.ask(async (api) => {
    const sizes: number[] = []
    try {
      for await (const page of api.listVersions(path))
        sizes.push(...page.map(({ sizeBytes }) => sizeBytes))
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    return sizes
  })
}
