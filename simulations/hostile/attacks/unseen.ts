// Ops about what their writer cannot have seen: some hold it by then, others do not.
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { SHORT_ID_BYTES } from '../../../protocol/ids.ts'
import type { NodeId, PeerId } from '../../../protocol/ids.ts'
import { makeDot } from '../../../protocol/clock/dot.ts'
import { actorIdOf } from '../../../protocol/log/entry.ts'
import type { Entry, EntryHeader } from '../../../protocol/log/entry.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import type { Op } from '../../../protocol/op/op.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import type { ClusterNode } from '../../cluster.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import type { Liar } from '../liar.ts'

const FILE = nameFromText('file')
const NONCE_BYTES = 16

export const UNSEEN_ATTACKS: readonly Attack[] = [
  {
    name: 'it names what it has not seen, to some who have seen it and some who have not',
    rule: 'ids-seen',
    kind: 'lie',
    roles: ['writer'],
    async run(stage): Promise<Look> {
      const { honest, liar, random } = stage
      const folder = `unseen-${random.word()}`
      const [made, named] = entriesOf(liar, folder)
      const orders = honest.map((_, index) => (index % 2 === 0 ? [made, named] : [named, made]))
      await Promise.all(honest.map(({ peer }, index) => give(stage, peer, orders[index] ?? [])))
      return async () => {
        const first = await namesIn(stage.founder, `/${folder}`)
        for (const node of honest) {
          const shown = await namesIn(node, `/${folder}`)
          const isSame = shown === first && (shown === 'file' || shown === undefined)
          disbelieved(isSame, `${node.name} shows "${shown}" in a folder with one file`)
        }
      }
    },
  },
]

/**
 * One that makes a folder with a file, and one of another incarnation that puts something into that
 * and moves the file out.
 */
function entriesOf(liar: Liar, folderName: string): [Entry, Entry] {
  const folder = freshDirId(liar.volume.view, ROOT, nameFromText(folderName))
  const [inode, link, other, otherLink] = ['a', 'b', 'c', 'd'].map((part) => idOf(folder + part))
  if (!inode || !link || !other || !otherLink) throw new RangeError('four ids')
  const file = { parent: folder, attributes: {}, target: undefined }
  const made = alone(liar, [
    { kind: 'mkdir', id: folder, parent: ROOT, name: nameFromText(folderName), attributes: {} },
    { kind: 'create', inode, link, name: FILE, ...file },
  ])
  const saw = [makeDot(made.header.actor, made.header.seq, 1)]
  const named = alone(liar, [
    { kind: 'create', inode: other, link: otherLink, name: nameFromText('inner'), ...file },
    { kind: 'unlink', link, inode, from: folder, saw },
  ])
  return [made, named]
}

/** The id that stands for a text. */
export function idOf(text: string): NodeId {
  return toHex(blake3(utf8(text)).subarray(0, SHORT_ID_BYTES)) as NodeId
}

/**
 * The first entry of an incarnation: it has seen what the liar's node had, and nothing since but
 * `seen`, entries of other incarnations.
 */
export function alone(
  liar: Liar,
  ops: readonly Op[],
  {
    seen = [],
    ...fields
  }: { readonly seen?: readonly Entry[] } & Partial<Pick<EntryHeader, 'hlc'>> = {},
): Entry {
  const { identity, random, volume } = liar
  const origin = { publicKey: identity.publicKey, nonce: random.bytes(NONCE_BYTES) }
  const actor = actorIdOf(volume.id, origin)
  const more = seen.map(({ header, hash }) => ({ actor: header.actor, seq: header.seq, hash }))
  const deps = [...volume.actors.dependenciesFor(actor), ...more].sort((a, b) =>
    a.actor < b.actor ? -1 : 1,
  )
  const position = { actor, origin, seq: 1, prev: undefined, deps, ...fields }
  return liar.entry(ops, { ...position, sealed: true })
}

/** One after the other, in this order. Who refuses them has heard them. */
async function give({ liar }: Stage, peer: PeerId, entries: readonly Entry[]): Promise<void> {
  const messages = entries.map((entry) => ({ kind: 'entries', entries: [entry] }) as const)
  await liar.exchange(peer, messages).catch(() => undefined)
}

/**
 * undefined: there is no such folder, as where all that a liar writes comes too late since it went
 * back in time.
 */
async function namesIn(node: ClusterNode, path: string): Promise<string | undefined> {
  return await node.ask(async (api) => {
    const names: string[] = []
    try {
      for await (const page of api.list(path)) names.push(...page.map(({ name }) => name))
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
    return names.sort().join(' ')
  })
}
