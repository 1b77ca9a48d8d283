// Makes a session's past visible on this node, wherever the session was: monotonic reads, read your
// writes, writes follow reads (protocol/clock/session.ts). A token tells only of what is durable,
// so that others can be given it.
import { formatSession, isSessionOf, parseSession } from '../../protocol/clock/session.ts'
import { mergeVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { World } from '../world/world.ts'
import type { Swarm } from './swarm.ts'
import type { Volume } from '../log/volume.ts'

/** A call waits so long for what its session has seen. */
const WAIT_MS: number = 10 * SECOND_MS
/** Members that are asked at once. */
const ASKED_MAX = 8

export interface SessionComponents {
  readonly world: Pick<World, 'clock'>
  readonly swarm: Pick<Swarm, 'connectedMembers' | 'syncSoon'>
}

/**
 * The past of a volume that a token names. throws ShoalError 'usage' for what is no token of it.
 */
export function seenBy({ id }: Volume, token: string): VersionVector {
  const session = parseSession(token)
  if (!isSessionOf(session, id))
    throw new ShoalError('usage', 'the session token belongs to another volume')
  return session.seen
}

/**
 * The token of all that this node holds of a volume by now, and of what was `seen` elsewhere.
 * throws as a commit does.
 */
export async function sessionNow(volume: Volume, seen: VersionVector): Promise<string> {
  const committed = volume.commit()
  const held = volume.actors.headVector()
  const all = missingOf(volume, seen).length === 0 ? held : mergeVectors(held, seen)
  await committed
  return formatSession(volume.id, all)
}

/**
 * Wait until this node holds what was `seen` of a volume; connected members are asked for it at
 * once.
 * throws ShoalError 'ESTALE' naming the members whose writes are missing, and the reason of
 * `signal`.
 */
export async function waitForSeen(
  components: SessionComponents,
  volume: Volume,
  seen: VersionVector,
  signal: AbortSignal,
): Promise<void> {
  if (missingOf(volume, seen).length === 0) return
  askForIt(components, volume, seen)
  await untilHeld(components, volume, seen, signal)
}

/** Actors of whom not all is held here that a session has seen. */
function missingOf(volume: Volume, seen: VersionVector): ActorId[] {
  const held = (actor: ActorId): number => volume.actors.get(actor)?.seq ?? 0
  return [...seen].filter(([actor, seq]) => held(actor) < seq).map(([actor]) => actor)
}

/** Those first who wrote it. */
function askForIt({ swarm }: SessionComponents, volume: Volume, seen: VersionVector): void {
  const writers = new Set<PeerId | undefined>(
    missingOf(volume, seen).map((actor) => volume.actors.get(actor)?.peer),
  )
  const connected = swarm.connectedMembers(volume)
  const asked = [
    ...connected.filter((peer) => writers.has(peer)),
    ...connected.filter((peer) => !writers.has(peer)),
  ]
  for (const peer of asked.slice(0, ASKED_MAX)) swarm.syncSoon(volume, peer)
}

async function untilHeld(
  { world }: SessionComponents,
  volume: Volume,
  seen: VersionVector,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = (): void => {
    if (missingOf(volume, seen).length === 0) resolve()
  }
  const onAbort = (): void => reject(signal.reason)
  const timer = world.clock.timer(WAIT_MS, () => reject(stale(volume, seen)))
  const unlisten = volume.events.change.add(look)
  const unlistenReset = volume.events.onReset(() => look)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    await promise
  } finally {
    timer.cancel()
    unlisten()
    unlistenReset()
    signal.removeEventListener('abort', onAbort)
  }
}

function stale(volume: Volume, seen: VersionVector): ShoalError {
  const writers = missingOf(volume, seen).map((actor) => {
    const peer = volume.actors.get(actor)?.peer
    return peer === undefined
      ? 'a member that is not known here yet'
      : volume.membership.nameOf(peer)
  })
  return new ShoalError(
    'ESTALE',
    'this node lacks writes that the session has seen, ' +
      `and got them from no peer within ${WAIT_MS / SECOND_MS} s; ` +
      `missing: writes of ${[...new Set(writers)].sort().join(', ')}; ` +
      'see "shoal peer ls", or read without the session',
  )
}
