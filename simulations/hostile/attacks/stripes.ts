// False claims of a member on who holds which shard and where chunks are stored, and false shards
// handed to holders.
import { toHex } from '../../../protocol/bytes.ts'
import { encodeManifestNode } from '../../../protocol/chunk/manifest.ts'
import { sealChunk } from '../../../protocol/chunk/seal.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import type { Op, TreeOp } from '../../../protocol/op/op.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { statusOf } from '../../checkers.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import { beat } from './gossip.ts'
import {
  copiesOf,
  hear,
  heldShards,
  nothingGone,
  placed,
  shownOf,
  stripesOf,
  tell,
} from '../stripes.ts'

/** In which a holder lets go of what another has, too. */
const LET_GO_MS: number = 70 * MINUTE_MS
const BEAT_MS: number = 10 * SECOND_MS
const ROOM: number = 2 ** 50
/**
 * More than a holder takes of one that tells nobody of them; and how many it hands over at once.
 */
const SHARDS = 4200
const HANDS = 16
const PIECE = 4000

/** No stripe is taken for lost. */
function noneLost({ honest }: Stage): Look {
  return async () => {
    for (const node of honest) {
      const { lost } = (await statusOf(node)).stripes
      disbelieved(lost === 0, `${node.name} takes ${lost} stripes for lost`)
    }
  }
}

/** A file of which the list of chunks ends before the file does. */
async function shortFile(stage: Stage, name: string): Promise<readonly TreeOp[]> {
  const { liar, random } = stage
  const keys = liar.map.keys()
  const piece = sealChunk(keys, random.bytes(PIECE))
  const leaf = { level: 0, extents: [{ kind: 'chunk', ref: piece.ref }] } as const
  const { ref, bytes } = sealChunk(keys, encodeManifestNode(leaf))
  const chunks = [
    { id: piece.ref.id, bytes: piece.bytes },
    { id: ref.id, bytes },
  ]
  await tell(stage, [await placed(stage, copiesOf(chunks))])
  const [inode, link] = [random.bytes(16), random.bytes(16)].map((id) => toHex(id) as NodeId)
  if (inode === undefined || link === undefined) return []
  const place = { parent: ROOT, name: nameFromText(name) }
  const content = { kind: 'chunks', root: ref, depth: 0 } as const
  const size = 2 * PIECE
  return [
    { kind: 'create', inode, link, ...place, attributes: {}, target: undefined },
    { kind: 'version', inode, base: [], size, content, modifiedNs: 0n, touch: [] },
  ]
}

export const STRIPE_ATTACKS: readonly Attack[] = [
  {
    name: 'it writes a file of which there is less than its size says',
    rule: 'manifest-node',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { liar, victim, random } = stage
      const name = `short-${random.word()}`
      await tell(stage, await shortFile(stage, name), { sealed: true })
      await liar.clock.sleep(MINUTE_MS)
      const path = `/${name}`
      return async () => {
        let [sizeBytes, readBytes] = [0, 0]
        try {
          // It may wait there, as all of a member that wrote too much.
          ;({ sizeBytes } = await victim.ask((api) => api.stat(path)))
          const { content } = await victim.ask((api) => api.readFile(path))
          for await (const part of content) readBytes += part.length
        } catch (error) {
          if (error instanceof ShoalError) return
          throw error
        }
        disbelieved(
          readBytes === sizeBytes,
          `${victim.name} reads ${readBytes} of ${sizeBytes} bytes of a file, and takes them for the whole`,
        )
      }
    },
  },
  {
    name: 'it says of every shard that nobody holds it',
    rule: 'holders-speak',
    kind: 'lie',
    roles: ['writer', 'keeper'],
    async run(stage) {
      const denials: Op[] = []
      for (const [stripe, shards] of await heldShards(stage)) {
        const changes = shards.map((shard) => ({ ...shard, isHeld: false }))
        denials.push({ kind: 'shards', stripe, changes })
      }
      await tell(stage, denials)
      return noneLost(stage)
    },
  },
  {
    name: 'it says that it doubts every shard of others',
    rule: 'doubt-checked',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      // Who has a copy lacks nothing, whatever it believes of others.
      await stage.user.write('placed', stage.user.next('split').size)
      await hear(stage)
      const doubts: Op[] = []
      for (const [stripe, shards] of await heldShards(stage))
        doubts.push({ kind: 'doubt', stripe, shards })
      await tell(stage, doubts)
      return noneLost(stage)
    },
  },
  {
    name: 'it places garbage as the chunk that somebody is about to write',
    rule: 'dedup-verified',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { liar, user, random } = stage
      const { size, bytes } = user.next('chunk')
      const chunk = sealChunk(liar.map.keys(), bytes)
      const garbage = random.bytes(chunk.bytes.length)
      const op = await placed(stage, copiesOf([{ id: chunk.ref.id, bytes: garbage }]))
      await tell(stage, [op])
      // Whoever reads it in the end finds out.
      await user.write('placed', size)
      return undefined
    },
  },
  {
    name: 'it says that it has more room than all others, and a shard of every stripe',
    rule: 'trim-challenged',
    kind: 'lie',
    // What a writer says waits for its own word that the log is stable.
    roles: ['keeper'],
    async run(stage) {
      const { liar, random } = stage
      const { peer } = liar.identity
      const stripes = await stripesOf(stage)
      const others = [...stripes].filter(([, { holders }]) => !holders.flat().includes(peer))
      const before = await shownOf(stage, new Map(others).keys())
      const claims = others.map(([stripe, { holders }]): Op => {
        const index = random.below(holders.length)
        return { kind: 'shards', stripe, changes: [{ index, peer, isHeld: true }] }
      })
      const info = { name: 'liar', zone: '', capacityBytes: ROOM }
      await tell(stage, [{ kind: 'member-info', peer, ...info }, ...claims])
      for (let ms = 0; ms < LET_GO_MS; ms += BEAT_MS) {
        await beat(liar, { freeBytes: ROOM })
        await stage.wait(BEAT_MS)
      }
      await hear(stage)
      const inUse = await stripesOf(stage)
      const after = await shownOf(stage, new Map(others).keys())
      return async () => nothingGone(before, after, inUse)
    },
  },
  {
    name: 'it hands over shards of stripes that it tells nobody of',
    rule: 'unlogged-bounded',
    kind: 'bomb',
    roles: ['writer', 'keeper'],
    async run({ liar, victim, random }) {
      const bytes = new Uint8Array(1)
      const { signal } = new AbortController()
      let asked = 0
      let taken = 0
      const hand = async (): Promise<void> => {
        while (asked++ < SHARDS) {
          const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, random.bytes(32)))
          const { headerBytes: header, shards } = codeStripe([{ id, bytes }], 1, 0)
          const [shard = bytes] = shards
          await liar.shards.put(victim.peer, { header, index: 0, shard }, { signal })
          taken++
        }
      }
      try {
        await Promise.all(Array.from({ length: HANDS }, hand))
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
      }
      return async () =>
        disbelieved(taken < SHARDS, `${victim.name} keeps ${taken} shards of unknown stripes`)
    },
  },
]
