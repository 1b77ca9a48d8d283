// Are former versions and removed names kept as the log and the rule of the volume say? What is
// kept at the greatest clock of a log no cut of it can have forgotten: so stores with equal logs
// must tell the same of it, as text; and what is told of can be read, byte by byte.
import { stampActor, stampHlc, stampMs } from '../protocol/clock/dot.ts'
import { HLC_ZERO } from '../protocol/clock/hlc.ts'
import type { Stamp } from '../protocol/clock/dot.ts'
import { DAY_MS } from '../protocol/units.ts'
import { SUPERSEDED_PREFIX, decodeSuperseded } from '../protocol/tree/superseded.ts'
import { erasAt, isKeptThrough, isPastAll } from '../protocol/tree/retention.ts'
import { isAppender } from '../protocol/roles.ts'
import type { ActorTable } from '../node/replica/actors.ts'
import type { Membership } from '../node/replica/membership.ts'
import { heldMoments } from '../node/state/mass-losses.ts'
import { prefixEnd } from '../node/state/state-view.ts'
import type { ReplicaView } from '../node/state/state-view.ts'
import { goneFrom } from '../node/tree/past.ts'
import { toHex, fromByteString } from '../protocol/bytes.ts'
import { hexId } from '../protocol/ids.ts'
import type { NodeId } from '../protocol/ids.ts'
import { readAll } from './checkers.ts'
import { CheckError } from './check-error.ts'
import type { ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { SeededRandom } from './random.ts'
import { contentsBelow } from './shown.ts'
import type { Clock } from '../node/world/world.ts'

/** Versions that are read of each node. */
const READ_MAX = 24
const ID_BYTES = 16

interface Log {
  readonly view: ReplicaView
  readonly actors: ActorTable
  readonly membership: Membership
}

/** A line for each that is kept, in one order. */
export async function pastLines({ view, actors, membership }: Log): Promise<readonly string[]> {
  const latest = [...actors.all()].reduce((last, { hlc }) => (hlc > last ? hlc : last), HLC_ZERO)
  const eras = erasAt(membership.state.retention, latest, DAY_MS)
  const isOff = eras.at(-1)?.rule.length === 0
  // With history off, a cut may have forgotten what a mass loss that is told of later would hold.
  const moments = isOff ? [] : await heldMoments(view)
  const isHeld = (began: Stamp, ended: Stamp): boolean =>
    moments.some((moment) => stampHlc(began) <= moment && moment < stampHlc(ended))
  const isKept = (began: Stamp, ended: Stamp): boolean =>
    isHeld(began, ended) || isKeptThrough(eras, stampMs(began), stampMs(ended))
  // What these end is kept for longer than any run.
  const { hadAppender } = membership.state
  const isByAppender = (removed: Stamp): boolean => {
    const peer = actors.get(stampActor(removed))?.peer
    return peer !== undefined && isAppender(membership.member(peer)?.role)
  }
  const lines: string[] = []
  for await (const [key, value] of view.scan(SUPERSEDED_PREFIX, prefixEnd(SUPERSEDED_PREFIX))) {
    const { version, ended, isSpared } = decodeSuperseded(value)
    if (isSpared || isKept(version.stamp, ended)) lines.push(`former ${hexOf(key)} ${toHex(value)}`)
  }
  for await (const [key] of view.scan('d', prefixEnd('d'))) {
    const dir = hexId<NodeId>(fromByteString(key.slice(1)), ID_BYTES, 'node id')
    for await (const { kind, id, began, removed } of goneFrom(view, dir)) {
      const ofFolder =
        !isPastAll(eras, stampMs(removed)) || moments.some((moment) => moment < stampHlc(removed))
      const isDue = kind === 'dir' ? !ofFolder : !isKept(began, removed)
      const isThere = !isDue || (kind === 'dir' ? hadAppender : isByAppender(removed))
      if (isThere) lines.push(`gone ${dir} ${kind} ${id} ${hexOf(removed)}`)
    }
  }
  return lines.sort()
}

/**
 * Read some of what a node says is kept. returns how many versions that were. throws CheckError if
 * one cannot be read, or holds something else.
 */
export async function checkPast(
  node: ClusterNode,
  contents: Contents,
  isReadable: (size: number) => boolean,
  { clock, random }: { readonly clock: Clock; readonly random: SeededRandom },
): Promise<number> {
  const found = await node.ask(async (api) => {
    const paths = [...(await contentsBelow(api, '/')).values()].flat()
    for await (const page of api.listRemoved('/'))
      paths.push(...page.flatMap(({ path, kind }) => (kind === 'file' ? [path] : [])))
    const versions: { path: string; id: string; size: number }[] = []
    for (const path of paths)
      for await (const page of api.listVersions(path))
        for (const { id, sizeBytes: size, end } of page)
          if (end !== 'current' && end !== 'conflict' && size > 0) versions.push({ path, id, size })
    return versions
  })
  const order = found.map((one) => ({ one, key: random.word() })).sort((a, b) => a.key - b.key)
  let count = 0
  for (const { path, id, size } of order.slice(0, READ_MAX).map(({ one }) => one)) {
    if (!isReadable(size)) continue
    const parts = await node.ask((api) => readAll(api, path, clock, id))
    count++
    if (contents.isContent(size, parts)) continue
    const what = `${node.name} reads other bytes as version ${id} of ${path}`
    throw new CheckError('what is kept of the past can be read', what)
  }
  return count
}

function hexOf(bytes: string): string {
  return toHex(fromByteString(bytes))
}
