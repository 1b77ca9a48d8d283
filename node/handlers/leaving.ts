// The owner's calls by which this node leaves a volume: what must not be lost is seen to first,
// then the others are told, then nothing of it is at work here any more.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { stampActor } from '../../protocol/clock/dot.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { aRole, mayAdminister, mayLeave, mayWrite } from '../../protocol/roles.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { LeaveRequest, LeavingApi, LeftStatus } from '../control/leaving.ts'
import type { LeftVolume } from '../log/left-volumes.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { stateOf } from '../peers/tickets.ts'
import { describeVolumeInfo } from './describe.ts'
import { drain, markDraining } from './draining.ts'
import type { NodeParts } from './parts.ts'

/** Members that are connected but do not answer are not waited for. */
const TELL_MS: number = 5 * SECOND_MS
const FORCE = 'with --force it is left all the same'

/** A volume, and how this node is in it. */
interface Leaver {
  readonly named: NamedVolume
  /** Undefined: it is no member any more. */
  readonly self: Member | undefined
  readonly others: readonly Member[]
}

export function leavingApi(parts: NodeParts): LeavingApi {
  const { volumes, hosted, until } = parts
  const leave = async (
    text: string,
    { force = false, now = false }: LeaveRequest,
    prepare: (leaver: Leaver) => Promise<void>,
  ): Promise<LeftStatus> => {
    const named = findNamed(parts, text)
    if (named === undefined) return deleteLeft(parts, volumes.left.find(text), now)
    if (force) await unmountAll(parts, named)
    else await prepare(leaverOf(parts, named))
    return letGo(parts, named, now)
  }
  return {
    leaveVolume: (text, { signal, ...request } = {}) =>
      leave(text, request, (leaver) => depart(parts, leaver, until(signal))),

    removeVolume: (text, { signal: _signal, ...request } = {}) =>
      leave(text, request, async ({ named, others }) => {
        if (others.length > 0)
          throw new ShoalError(
            'usage',
            `volume "${named.name}" has other members (${namesOf(others)}), who keep it: ` +
              `shoal volume leave ${named.name}; to remove it from this machine without telling them, use --force`,
          )
        await unmountAll(parts, named)
      }),

    rejoinVolume: async (text) => {
      const named = await hosted.rejoin(text)
      const message = `this node came back to ${named.name}`
      parts.security.record({ kind: 'joined', volume: named.volume.id, message })
      return describeVolumeInfo(parts, named)
    },

    listLeftVolumes: async () => volumes.left.all().map((left) => describeLeft(left)),
  }
}

/** See to it that nothing is lost by the departure, and say so to the others. */
async function depart(parts: NodeParts, leaver: Leaver, signal: AbortSignal): Promise<void> {
  const { named, self, others } = leaver
  if (others.length === 0)
    throw new ShoalError(
      'usage',
      `this machine is the only member of volume "${named.name}": to leave it is to delete it; ` +
        `use shoal volume rm ${named.name}`,
    )
  if (self === undefined) {
    checkNothingHere(named, others)
    return unmountAll(parts, named)
  }
  const admins = others.filter(({ role }) => mayAdminister(role))
  const here = parts.hosted.of(named)
  checkMayResign(named, self, { admins, voters: here.strong.voters() })
  if (mayWrite(self.role)) await here.acknowledge('placed', signal)
  await drain(parts, named, self.peer, signal)
  try {
    await unmountAll(parts, named)
    // What was written until then, and where the shards are now.
    if (mayWrite(self.role)) await here.acknowledge('placed', signal)
    if (here.strong.voters().includes(self.peer)) {
      const rest = here.strong.voters().filter((peer) => peer !== self.peer)
      const next = rest.length > 0 ? rest : admins.map(({ peer }) => peer)
      await here.strong.changeVoters(next, signal)
    }
  } finally {
    await markDraining(parts, named, self.peer, false)
  }
  await parts.volumes.resign(named.volume)
  await tellOthers(parts, named)
}

/** Any role may go; but others must be able to do without it what it alone may, or decides. */
function checkMayResign(
  { name }: NamedVolume,
  { peer, role }: Member,
  { admins, voters }: { readonly admins: readonly Member[]; readonly voters: readonly PeerId[] },
): void {
  if (!mayLeave(role))
    throw new ShoalError(
      'EPERM',
      `this machine is ${aRole(role)} of volume "${name}", which only an admin removes: run ` +
        `"shoal peer rm" on ${namesOf(admins) || 'an admin'}; ${FORCE}`,
    )
  if (!mayAdminister(role)) {
    if (!voters.includes(peer)) return
    throw new ShoalError(
      'EPERM',
      `this machine is a voter of volume "${name}", and only an admin can name others: run ` +
        `"shoal volume set ${name} voters=..." on ${namesOf(admins) || 'an admin'}, then this again; ` +
        `${FORCE}, and strong writes go on waiting for it`,
    )
  }
  if (admins.length === 0)
    throw new ShoalError(
      'EPERM',
      `this machine is the only admin of volume "${name}": without it nobody could invite or remove ` +
        `members; make another first (shoal invite --role admin --volume ${name}); ${FORCE}`,
    )
}

/** Refuses where a node that is no member any more has what no other has, and cannot give it. */
function checkNothingHere({ name, volume }: NamedVolume, others: readonly Member[]): void {
  const { actors, actor, beacons, identity, membership } = volume
  const removed = membership.state.member(identity.peer)?.removed
  // It resigned: all was placed before, and it has written nothing since.
  if (removed !== undefined && actors.get(stampActor(removed))?.peer === identity.peer) return
  const seq = actors.get(actor)?.seq ?? 0
  const confirmed = others.map(({ peer }) => beacons.of(peer)?.vector.get(actor) ?? 0)
  const entries = seq - Math.max(0, ...confirmed)
  if (entries <= 0) return
  throw new ShoalError(
    'not-placed',
    `this machine is no member of volume "${name}" any more, and no other is known to have the last ` +
      `${entries} of the changes made here; get what you need of it, ${FORCE}`,
  )
}

async function unmountAll({ mounts }: NodeParts, { name }: NamedVolume): Promise<void> {
  const own = mounts.list().filter(({ volume }) => volume === name)
  for (const { folder } of own) {
    await mounts.unmount(folder, false).catch((error: unknown) => {
      if (!hasCode(error, 'EBUSY')) throw error
      const message = `${folder} is in use: close what uses the mount of volume "${name}", then try again`
      throw new ShoalError('EBUSY', message, { cause: error })
    })
  }
}

/** Those who are connected hear of it at once; others of them. */
async function tellOthers({ swarm, world }: NodeParts, { volume }: NamedVolume): Promise<void> {
  const told = swarm.connectedMembers(volume).map((peer) => swarm.sync(volume, peer))
  await Promise.race([Promise.allSettled(told), world.clock.sleep(TELL_MS)])
}

async function letGo(parts: NodeParts, named: NamedVolume, now: boolean): Promise<LeftStatus> {
  const { hosted, tickets, security, world } = parts
  const { id } = named.volume
  const left = await hosted.leave(named)
  const message = `this node left ${named.name}`
  security.record({ kind: 'left', volume: id, message })
  for (const ticket of tickets.all()) {
    const isOpen = ticket.volume === id && stateOf(ticket, world.clock.wall()) === 'open'
    if (isOpen) await tickets.revoke(ticket.hash)
  }
  return now ? deleteLeft(parts, left, now) : describeLeft(left)
}

/** Delete for good what was left. It goes on where this is not waited for. */
async function deleteLeft(
  { upkeep, until }: NodeParts,
  left: LeftVolume,
  now: boolean,
): Promise<LeftStatus> {
  if (!now)
    throw new ShoalError(
      'EEXIST',
      `volume "${left.name}" was left already and is kept for a while (see "shoal volume ls"); ` +
        `to delete it now: shoal volume leave ${left.name} --now`,
    )
  await upkeep.deleteLeft(left, until(undefined))
  return { ...describeLeft(left), state: 'deleted' }
}

function describeLeft({ id, name, leaving: { leftMs, untilMs, stage } }: LeftVolume): LeftStatus {
  return { id, name, leftMs, untilMs, state: stage === 'kept' ? 'kept' : 'deleting' }
}

function leaverOf({ swarm, world }: NodeParts, named: NamedVolume): Leaver {
  const { membership } = named.volume
  const { self } = world.network
  const wasToldSo = swarm.heardOf(named.volume).refusedBy.length > 0
  return {
    named,
    self: wasToldSo ? undefined : membership.member(self),
    others: membership.nodes().filter(({ peer }) => peer !== self),
  }
}

function findNamed({ volumes }: NodeParts, text: string): NamedVolume | undefined {
  const isHere = volumes.all().some(({ name, volume }) => name === text || volume.id === text)
  const wasLeft = volumes.left.all().some(({ name, id }) => name === text || id === text)
  return isHere || !wasLeft ? volumes.find(text) : undefined
}

function namesOf(members: readonly Member[]): string {
  return members.map(({ name }) => name).join(', ')
}
