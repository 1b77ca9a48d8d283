// Ops that the role of their author does not allow.
import { FLAG_CLEAR_BODY, FLAG_GOVERNS } from '../../../protocol/log/entry.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { EntryHash } from '../../../protocol/ids.ts'
import type { Op } from '../../../protocol/op/op.ts'
import { ROOT, readLink, seenOf } from '../../../protocol/tree/records.ts'
import { Namespace } from '../../../node/tree/namespace.ts'
import { statusOf } from '../../checkers.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'

/** Give entries to all who are honest. Who refuses them has heard them. */
export async function giveAll({ honest, liar }: Stage, entries: readonly Entry[]): Promise<void> {
  for (const { peer } of honest)
    await liar.exchange(peer, [{ kind: 'entries', entries }]).catch(() => undefined)
}

/**
 * An op of its own under every grant that there may be, as a governing entry and as a plain one.
 */
async function giveUnderAll(stage: Stage, op: Op): Promise<void> {
  const { liar } = stage
  const { membership, id } = liar.volume
  const governed = membership.governance.headsIn(() => true)
  const origin = { publicKey: liar.identity.publicKey, nonce: liar.nonce }
  const flags = FLAG_CLEAR_BODY | FLAG_GOVERNS
  const [founder] = membership.members().filter(({ role }) => role === 'admin')
  for (const grant of [undefined, founder?.grant, id as string as EntryHash]) {
    const under = grant === undefined ? {} : { grant }
    await giveAll(stage, [liar.entry([op], { flags, origin, governed, ...under })])
    await giveAll(stage, [liar.entry([op], under)])
  }
}

export const OP_ATTACKS: readonly Attack[] = [
  {
    name: 'it grants itself the role of an admin',
    rule: 'op-by-role',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { peer } = stage.liar.identity
      await giveUnderAll(stage, { kind: 'member', peer, role: 'admin', keys: [] })
      return undefined
    },
  },
  {
    name: 'it sets a policy',
    rule: 'op-by-role',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage): Promise<Look> {
      const before = await settingsOf(stage)
      await giveUnderAll(stage, { kind: 'policy', key: 'conflicts', value: 'lww' })
      return async () => disbelieved((await settingsOf(stage)) === before, 'a policy was set')
    },
  },
  {
    name: 'it removes what others have written, as who may only read',
    rule: 'op-by-role',
    kind: 'lie',
    roles: ['reader'],
    async run(stage) {
      const ops = await unlinksOf(stage)
      await giveAll(stage, [stage.liar.entry(ops, { sealed: true })])
      return undefined
    },
  },
]

/** Ops that remove the files in folders of the root. */
export async function unlinksOf({ liar: { volume, random } }: Stage): Promise<Op[]> {
  const names = new Namespace({ volume, random })
  const ops: Op[] = []
  for await (const { target: folder } of names.list(ROOT)) {
    if (folder.kind !== 'dir') continue
    for await (const { target } of names.list(folder.id)) {
      if (target.kind !== 'inode') continue
      const link = readLink(volume.view, target.link)
      const saw = link === undefined ? [] : seenOf(volume.view, 'link', target.link, link)
      ops.push({ kind: 'unlink', link: target.link, inode: target.id, from: folder.id, saw })
    }
  }
  return ops
}

async function settingsOf({ victim }: Stage): Promise<string> {
  return JSON.stringify((await statusOf(victim)).settings)
}
