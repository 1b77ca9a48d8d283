// False claims of members, and of others who can write to a cold tier, about the backups there, and
// about where an admin would have others put theirs. The tier of an attack is its own, and only the
// founder uses it.
import { headIdOf, headKey, headsPrefix, sealHead } from '../../../protocol/cold/head.ts'
import type { HeadContent } from '../../../protocol/cold/head.ts'
import { parseTierLocation } from '../../../protocol/cold/location.ts'
import { ShoalError, assert, hasCode } from '../../../protocol/errors.ts'
import { publicKeyOf } from '../../../protocol/ids.ts'
import type { ActorId, BackupHeadId } from '../../../protocol/ids.ts'
import type { Identity } from '../../../protocol/signed.ts'
import { DAY_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { announcedBackups } from '../../../node/replica/backup-announcements.ts'
import type { ClusterNode } from '../../cluster.ts'
import { readVolume } from '../../inspection.ts'
import type { ColdStore } from '../../object-tier.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import { joinedBy, withTicket } from '../outsider.ts'
import { giveAll } from './ops.ts'

/** In which all have heard of what one has written. */
const TOLD_MS: number = 30 * SECOND_MS
/** The number of a forged backup; those of the founder are far below. */
const FORGED = 1_000_000
const NOBODY = 'f'.repeat(32) as ActorId

interface Place {
  readonly name: string
  readonly url: string
  readonly store: ColdStore
}

type Author = Pick<Identity, 'publicKey' | 'sign'>

function newPlace({ cluster, random }: Stage): Place {
  const name = `tier-${random.word()}`
  const url = `s3://simulated/${name}`
  return { name, url, store: cluster.cold.at(parseTierLocation(url)) }
}

/** Write something, and have it put into a tier, with a backup of all. */
async function push(node: ClusterNode, { name }: Place, { random }: Stage): Promise<void> {
  const path = `/pushed-${random.word()}`
  await node.ask((api) => api.makeFolder(path))
  await node.ask(async (api) => {
    for await (const _ of api.pushCold(path, { tier: name })) continue
  })
}

/** A tier of the founder, with a backup, for as long as what is done there has effect. */
async function atTier(stage: Stage, lie: (place: Place) => Promise<void>): Promise<Look> {
  const { founder } = stage
  const place = newPlace(stage)
  const { name, url, store } = place
  await founder.ask((api) => api.addTier({ name, url }))
  await push(founder, place, stage)
  await stage.wait(TOLD_MS)
  await lie(place)
  return async () => {
    const before = headCount(stage, store)
    await push(founder, place, stage)
    const number = await lastOf(stage, place)
    await founder.ask((api) => api.removeTier(name))
    disbelieved(headCount(stage, store) > before, 'no backup has the writes since')
    disbelieved(
      number < FORGED,
      `the founder takes a forged backup for a real one, and uploads ${number}`,
    )
  }
}

function headCount({ liar }: Stage, { objects }: ColdStore): number {
  const prefix = headsPrefix(liar.volume.id)
  return [...objects.keys()].filter((key) => key.startsWith(prefix)).length
}

/** The number of the last backup that the founder has put there. */
async function lastOf({ founder: { machine, peer } }: Stage, { name }: Place): Promise<number> {
  const stored = await readVolume(machine.kv, machine.identity)
  assert(stored !== undefined, 'the founder has a volume')
  const { view, replica } = stored
  const announced = announcedBackups({ view, membership: replica.membership }, name)
  return announced.find((one) => one.peer === peer)?.number ?? 0
}

/** Put a head there that says to tell all that there is, and more, and names nothing. */
function putHead(
  { liar, founder }: Stage,
  { name, store }: Place,
  author: Author,
  aheadMs: number = 0,
): void {
  const { volume, random, clock, identity } = liar
  const [first] = volume.membership.allSecrets()
  assert(first !== undefined, 'a member that reads has a key')
  const modifiedMs = clock.wall()
  const content: HeadContent = {
    genesis: volume.genesisBytes,
    tier: name,
    time: (modifiedMs + aheadMs) as WallTime,
    number: FORGED,
    before: undefined,
    vector: volume.actors.vector().set(NOBODY, FORGED),
    checkpoint: undefined,
    nodes: [],
    governing: [],
    governed: [],
    log: [],
    full: new Map(),
    fullMark: new Uint8Array(32),
  }
  const readers = [founder.peer, identity.peer]
  const keys = { author, secret: first[1] }
  const bytes = sealHead(volume.id, content, keys, readers, (length) => random.bytes(length))
  store.set(headKey(volume.id, headIdOf(bytes)), { content: bytes, modifiedMs, storageClass: '' })
}

/** An admin who was let in, and is gone, has told of a place that its machine alone uses. */
async function toldByAdmin(stage: Stage, { name, url }: Place): Promise<void> {
  const { founder, random, wait } = stage
  const node = stage.cluster.newNode(`guest-${random.word()}`)
  await node.start()
  try {
    await withTicket(stage, { role: 'admin' }, (ticket) => joinedBy(node, ticket))
    await wait(TOLD_MS)
    await node.ask((api) => api.addTier({ name, url }))
    await wait(TOLD_MS)
  } finally {
    node.kill('killed')
    await founder.ask((api) => api.removePeer(node.peer, { now: true }))
  }
}

export const BACKUP_ATTACKS: readonly Attack[] = [
  {
    name: 'an admin tells of a tier to which nobody else has agreed',
    rule: 'tier-agreed',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { victim, founder } = stage
      const place = newPlace(stage)
      await toldByAdmin(stage, place)
      for (const key of place.store.objects.keys()) place.store.remove(key)
      let isUsed = false
      place.store.onChange = () => (isUsed = true)
      return async () => {
        await push(victim, place, stage).catch((error: unknown) => {
          if (!(error instanceof ShoalError)) throw error
        })
        // Of an admin that was removed so soon, the founder may have heard nothing.
        await founder
          .ask((api) => api.removeTier(place.name))
          .catch((error: unknown) => {
            if (!hasCode(error, 'ENOENT')) throw error
          })
        disbelieved(!isUsed, 'a machine uploads to a location that its owner has not agreed to')
      }
    },
  },
  {
    name: 'it puts backups in the name of the founder, of the future, or as who may only read',
    rule: 'backup-head-signed',
    kind: 'lie',
    roles: ['writer', 'reader'],
    async run(stage) {
      const { identity } = stage.liar
      const isWriter = stage.liar.volume.membership.roleOf(identity.peer) === 'writer'
      return atTier(stage, async (place) => {
        putHead(stage, place, {
          publicKey: publicKeyOf(stage.founder.peer),
          sign: (domain, message) => identity.sign(domain, message),
        })
        putHead(stage, place, identity, isWriter ? DAY_MS : 0)
      })
    },
  },
  {
    name: 'it puts a backup that says to tell all, and tells nothing',
    rule: 'backup-head-true',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      return atTier(stage, async (place) => putHead(stage, place, stage.liar.identity))
    },
  },
  {
    name: 'it announces a backup as if the founder had put it',
    rule: 'backup-word-own',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { liar, founder } = stage
      return atTier(stage, async ({ name: tier }) => {
        const head = 'a'.repeat(64) as BackupHeadId
        const op = { kind: 'backup', peer: founder.peer, tier, number: FORGED, head } as const
        await giveAll(stage, [liar.entry([op], { sealed: true })])
      })
    },
  },
]
