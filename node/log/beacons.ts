// The newest beacon of each member of a volume: what it says is durable there, and which checkpoint
// it has. They decide what is stable (protocol/log/stability.ts), so they outlive a restart. Cost:
// a record a member, rewritten when it says something new.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import {
  decodeVector,
  dominates,
  encodeVector,
  equalVectors,
  mergeVectors,
} from '../../protocol/clock/vector-clock.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../protocol/limits.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Claim, Cut } from '../../protocol/log/stability.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { enforces } from '../../protocol/trust.ts'
import { HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { Roots } from '../state/checkpoint-view.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { StateView } from '../state/state-view.ts'

const CLAIM: ByteString = STATE_PREFIXES.beacon
/**
 * A member that is heard of and has not confirmed in this time what all held before is not waited
 * for.
 */
const STALL_MS: number = 3 * HOUR_MS
/** Some beacons. */
const HEARD_MS: number = 5 * MINUTE_MS

export interface HeardBeacon extends Claim {
  /** By its own wall clock, and when it came by this node's. */
  readonly sentMs: number
  readonly heardMs: WallTime
  /** Clock of the newest checkpoint it has. */
  readonly cut: Hlc
  /** Root of its clear tree. */
  readonly root: NodeHash | undefined
}

export class Beacons {
  readonly #view: StateView
  readonly #claims = new Map<PeerId, HeardBeacon>()
  /** The vector of the last beacon heard: most say the same, so that it takes memory once. */
  #vector: VersionVector = new Map()
  /** The claim that was durable here, and since when others could confirm it. */
  #watched: { readonly held: Claim; readonly sinceMs: WallTime } | undefined
  readonly #stalled = new Set<PeerId>()
  /** Made once: to read a peer id takes longer than all else that is done with a claim. */
  readonly #keys = new Map<PeerId, ByteString>()

  private constructor(view: StateView) {
    this.#view = view
  }

  static async open(view: StateView): Promise<Beacons> {
    const claims = new Beacons(view)
    for await (const [key, value] of view.scan(CLAIM, prefixEnd(CLAIM))) {
      claims.#claims.set(peerIdFromPublicKey(fromByteString(key.slice(1))), decodeClaim(value))
    }
    return claims
  }

  of(peer: PeerId): HeardBeacon | undefined {
    return this.#claims.get(peer)
  }

  /** Is a member heard of that has confirmed nothing new for long? */
  isStalled(peer: PeerId): boolean {
    return this.#stalled.has(peer)
  }

  /** Look who confirms what is durable here: now and then. */
  watch(held: Claim, nowMs: WallTime): void {
    const { sinceMs } = (this.#watched ??= { held, sinceMs: nowMs })
    const isOver = enforces('beacons-advance') && nowMs - sinceMs >= STALL_MS
    for (const [peer, claim] of this.#claims) {
      if (confirms(claim, this.#watched.held)) this.#stalled.delete(peer)
      else if (isOver && claim.heardMs >= nowMs - HEARD_MS) this.#stalled.add(peer)
    }
    if (isOver) this.#watched = { held, sinceMs: nowMs }
  }

  /**
   * A member's beacon has come. checkpoint: the newest here; who has the same holds all up to it,
   * also where its beacon leaves actors out. False for one that is older than what was heard, or
   * from the future. agreedMs: by the time of the volume.
   */
  hear(
    beacon: Beacon,
    checkpoint: (Cut & Roots) | undefined,
    nowMs: WallTime,
    agreedMs: WallTime = nowMs,
  ): boolean {
    const known = this.#claims.get(beacon.peer)
    const latestMs = agreedMs + CLOCK_AHEAD_MS
    if (enforces('beacons-advance') && beacon.sentMs > latestMs) return false
    // One clock or the other was wrong then.
    const isTimely = known !== undefined && known.sentMs <= latestMs
    if (isTimely && beacon.sentMs <= known.sentMs) return false
    const isSame = checkpoint !== undefined && isOf(checkpoint, beacon)
    const said = isSame ? mergeVectors(checkpoint.vector, beacon.vector) : beacon.vector
    const vector =
      [known?.vector, this.#vector].find((one) => one && equalVectors(one, said)) ?? said
    this.#vector = vector
    const claim = {
      vector,
      hlc: beacon.hlc,
      sentMs: beacon.sentMs,
      cut: beacon.cut,
      root: beacon.root,
      heardMs: nowMs,
    }
    this.#claims.set(beacon.peer, claim)
    if (known === undefined || saysMore(claim, known)) {
      this.#view.put(this.#keyOf(beacon.peer), encodeClaim(claim))
    }
    return true
  }

  /** Some labels are others by now. */
  rename(renames: readonly Rename[]): void {
    if (renames.length === 0) return
    for (const [peer, claim] of this.#claims) {
      const renamed = { ...claim, vector: renamedBy(claim.vector, renames) }
      this.#claims.set(peer, renamed)
      this.#view.put(this.#keyOf(peer), encodeClaim(renamed))
    }
  }

  #keyOf(peer: PeerId): ByteString {
    const known = this.#keys.get(peer)
    if (known !== undefined) return known
    const key = CLAIM + toByteString(publicKeyOf(peer))
    this.#keys.set(peer, key)
    return key
  }
}

function confirms(claim: Claim, held: Claim): boolean {
  return claim.hlc >= held.hlc && dominates(claim.vector, held.vector)
}

/** Does a claim tell of this checkpoint? */
export function isOf(
  { hlc, clear }: Pick<Cut & Roots, 'hlc' | 'clear'>,
  { cut, root }: Pick<HeardBeacon, 'cut' | 'root'>,
): boolean {
  return cut === hlc && root === clear
}

/** More, or something else: a machine that was restored from a backup may hold less than it did. */
function saysMore(claim: HeardBeacon, known: HeardBeacon): boolean {
  return (
    claim.hlc !== known.hlc ||
    claim.cut !== known.cut ||
    claim.root !== known.root ||
    !equalVectors(claim.vector, known.vector)
  )
}

function encodeClaim({ vector, hlc, sentMs, cut, root, heardMs }: HeardBeacon): Uint8Array {
  const state = root === undefined ? null : fromHex(root)
  return encodeCbor([encodeVector(vector), hlc, sentMs, cut, heardMs, state])
}

function decodeClaim(bytes: Uint8Array): HeardBeacon {
  const [vector, hlc, sentMs, cut, heardMs, root] = decodeCbor(
    bytes,
    'claim record',
  ) as readonly unknown[]
  return {
    vector: decodeVector(vector),
    hlc: decodeHlc(hlc),
    sentMs: sentMs as number,
    cut: decodeHlc(cut),
    root: root === null ? undefined : (toHex(root as Uint8Array) as NodeHash),
    heardMs: heardMs as WallTime,
  }
}
