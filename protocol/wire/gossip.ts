// The gossip of a volume's members: new entries of the sender, and beacons. Each message is sealed
// with the epoch's swarm key, which all members have and nobody else: DAG-CBOR [epoch, salt (32),
// AES-256-GCM(derive-key(swarm key, salt), message)]. The topic is made of that key, too: who is no
// member can neither tell which volume it is of, nor find it.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import { concatBytes, fromHex, toHex, utf8 } from '../bytes.ts'
import { decodeVector, encodeVector, sortedActors } from '../clock/vector-clock.ts'
import { ATTESTATION_BYTES_MAX, decodeAttestation } from '../log/attestation.ts'
import type { Attestation } from '../log/attestation.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import type { Hlc } from '../clock/hlc.ts'
import { ShoalError, assert, assertNever, hasCode } from '../errors.ts'
import { HASH_BYTES, blake3, deriveKey } from '../hash.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId, VolumeId } from '../ids.ts'
import { decodeHead } from '../log/entry.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Entry, EntryHead } from '../log/entry.ts'
import type { HashAt } from '../log/fork.ts'
import { BEACON_ACTORS_MAX, GOSSIP_BODY_MAX, GOSSIP_MAX, TICKET_ADDRESSES_MAX } from '../limits.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'
import { readSecurityHead, securityHeadValue } from './security.ts'
import type { SecurityHead } from './security.ts'

const SALT_BYTES = 32
const ADDRESS_BYTES_MAX = 256
/** An accident costs a beacon that some hear ten seconds later. */
const NEIGHBOUR_DIGEST_BYTES = 8
/** Items of what is around a head or a beacon, and of a beacon with all its actors. */
const SMALL_ITEMS_MAX = 32
const BEACON_ITEMS_MAX: number = 4 * BEACON_ACTORS_MAX
/**
 * A header, with its body if that is there, up to this size leaves room for signature and envelope.
 */
const HEAD_MAX: number = GOSSIP_MAX - 256

/**
 * A node's signed latest: heartbeat, what it holds durably, where it can be reached. The last one
 * wins.
 */
export interface Beacon {
  readonly peer: PeerId
  /** Grows with each beacon of a peer: its wall clock in ms. */
  readonly sentMs: number
  /** The durable part of the log there, at least: for at most BEACON_ACTORS_MAX actors. */
  readonly vector: VersionVector
  /** The digest of the vector's entries (logDigest); undefined: it cannot be computed. */
  readonly digest: Uint8Array | undefined
  /** The greatest clock of an entry that is durable there: the next one's will be greater. */
  readonly hlc: Hlc
  /** Clock of the newest checkpoint that is durable there; 0 without one. */
  readonly cut: Hlc
  /** Root of its clear tree: whether two speak of the same state at that clock. */
  readonly root: NodeHash | undefined
  readonly freeBytes: number
  /** The bytes that its home takes on its disk, of all volumes; undefined: it does not say. */
  readonly usedBytes?: number | undefined
  readonly addresses: readonly string[]
  /** The head of its security log; undefined: nothing was recorded yet. */
  readonly security?: SecurityHead | undefined
  /** The digest of the sender and the members that it is connected to (neighbourDigest). */
  readonly neighbours?: Uint8Array | undefined
}

export type GossipMessage =
  /** A new entry of the sender. The body is there if it is small. */
  | { readonly kind: 'head'; readonly head: EntryHead; readonly body: Uint8Array | undefined }
  | { readonly kind: 'beacon'; readonly beacon: Beacon }
  /** A member's attestation of a checkpoint, which carries its own signature. */
  | { readonly kind: 'attestation'; readonly attestation: Attestation }

/**
 * The announcement of a new entry; undefined if its header alone is too large, in which case a
 * beacon announces it.
 */
export function headOf({ body, ...head }: Entry): GossipMessage | undefined {
  const bytes = head.headerBytes.length
  if (bytes > HEAD_MAX) return undefined
  const isWhole = body.length <= GOSSIP_BODY_MAX && bytes + body.length <= HEAD_MAX
  return { kind: 'head', head, body: isWhole ? body : undefined }
}

/**
 * Distinguishes logs with the same vector that hold other branches of a chain, or use other labels.
 * hashAt: of the entries (actor, seq). Undefined if one of them is not known.
 */
export function logDigest(vector: VersionVector, hashAt: HashAt): Uint8Array | undefined {
  let hex = ''
  for (const actor of sortedActors(vector)) {
    const hash = hashAt(actor, vector.get(actor) ?? 0)
    if (hash === undefined) return undefined
    hex += actor + hash
  }
  return blake3(fromHex(hex))
}

/** Distinguishes sets of peers, given in the order of their ids as text. */
export function neighbourDigest(peers: readonly PeerId[]): Uint8Array {
  return blake3(concatBytes(peers.map(publicKeyOf))).subarray(0, NEIGHBOUR_DIGEST_BYTES)
}

/** Topic of a volume for those who have a key of it. */
export function headsTopic(volume: VolumeId, swarmKey: Uint8Array): string {
  const key = concatBytes([swarmKey, fromHex(volume)])
  return `/shoal/${toHex(deriveKey('shoal 2026 heads topic v1', key))}/heads/1`
}

/** The sender and volume of gossip, and the key that seals it. */
export interface GossipSender {
  readonly identity: Identity
  readonly volume: VolumeId
  readonly epoch: number
  readonly swarmKey: Uint8Array
}

/**
 * Seal a message; `salt` is 32 fresh random bytes. A beacon is signed by the sender. The result is
 * at most GOSSIP_MAX.
 */
export function sealGossip(
  message: GossipMessage,
  sender: GossipSender,
  salt: Uint8Array,
): Uint8Array {
  const plain = encodeMessage(message, sender)
  const key = gossipKey(sender.swarmKey, salt)
  const sealed = encodeCbor([sender.epoch, salt, sealOnce(key, plain, salt)])
  assert(sealed.length <= GOSSIP_MAX, 'gossip fits')
  return sealed
}

/**
 * Open a message of a volume. `keysOf` gives the swarm keys of an epoch.
 * throws ShoalError 'malformed', 'corrupt' (not sealed by a member), 'bad-signature', 'unsupported'
 * (a newer kind).
 */
export function openGossip(
  bytes: Uint8Array,
  volume: VolumeId,
  keysOf: (epoch: number) => readonly Uint8Array[],
): GossipMessage {
  const value = bytes.length > GOSSIP_MAX ? undefined : decodeCbor(bytes, 'gossip', SMALL_ITEMS_MAX)
  const [epoch, salt, sealed] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (
    typeof epoch !== 'number' ||
    !(salt instanceof Uint8Array) ||
    salt.length !== SALT_BYTES ||
    !(sealed instanceof Uint8Array)
  ) {
    throw new ShoalError('malformed', 'gossip is not [epoch, salt, sealed]')
  }
  const plain = openWithAny(keysOf(epoch), salt, sealed)
  const f = new Fields(decodeCbor(plain, 'gossip', SMALL_ITEMS_MAX), 'gossip')
  const kind = f.text('t', 16)
  if (kind === 'head') return decodeHeadMessage(f)
  if (kind === 'beacon') return { kind, beacon: decodeBeacon(f, volume) }
  if (kind === 'attestation')
    return { kind, attestation: decodeAttestation(f.bytes('a', ATTESTATION_BYTES_MAX), volume) }
  throw new ShoalError('unsupported', `gossip of kind "${kind}" is not known to this node`)
}

function openWithAny(
  keys: readonly Uint8Array[],
  salt: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  for (const key of keys) {
    try {
      return openOnce(gossipKey(key, salt), sealed, salt)
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
    }
  }
  throw new ShoalError('corrupt', 'gossip is not sealed with a key of its epoch')
}

function gossipKey(swarmKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return deriveKey('shoal 2026 gossip v1', concatBytes([swarmKey, salt]))
}

function encodeMessage(message: GossipMessage, sender: GossipSender): Uint8Array {
  switch (message.kind) {
    case 'head':
      return encodeHead(message)
    case 'beacon':
      return encodeBeacon(message.beacon, sender)
    case 'attestation':
      return encodeCbor({ t: message.kind, a: message.attestation.bytes })
    default:
      return assertNever(message)
  }
}

function encodeHead({ head, body }: Extract<GossipMessage, { kind: 'head' }>): Uint8Array {
  return encodeCbor({ t: 'head', h: head.headerBytes, g: head.signature, b: body ?? null })
}

function decodeHeadMessage(f: Fields): GossipMessage {
  const signature = f.bytes('g', SIGNATURE_BYTES, SIGNATURE_BYTES)
  const head = decodeHead(f.bytes('h', GOSSIP_MAX), signature)
  return { kind: 'head', head, body: f.has('b') ? f.bytes('b', GOSSIP_MAX) : undefined }
}

function encodeBeacon(beacon: Beacon, { identity, volume }: GossipSender): Uint8Array {
  const body = beaconBytes(beacon)
  const signature = identity.sign('shoal/beacon/1', signedPart(volume, body))
  return encodeCbor({ t: 'beacon', b: body, s: signature })
}

/**
 * With the volume: a member of two volumes must not be able to pass a beacon of one off in the
 * other.
 */
function signedPart(volume: VolumeId, body: Uint8Array): Uint8Array {
  return concatBytes([fromHex(volume), body])
}

function beaconBytes(beacon: Beacon): Uint8Array {
  assert(beacon.vector.size <= BEACON_ACTORS_MAX, 'actors of a beacon')
  return encodeCbor({
    p: publicKeyOf(beacon.peer),
    at: beacon.sentMs,
    vv: encodeVector(beacon.vector),
    d: beacon.digest ?? null,
    h: beacon.hlc,
    c: beacon.cut,
    k: beacon.root === undefined ? null : fromHex(beacon.root),
    f: beacon.freeBytes,
    ...(beacon.usedBytes === undefined ? {} : { u: beacon.usedBytes }),
    a: beacon.addresses.filter(isAddress).slice(0, TICKET_ADDRESSES_MAX),
    ...(beacon.security && { e: securityHeadValue(beacon.security) }),
    ...(beacon.neighbours && { n: beacon.neighbours }),
  })
}

function decodeBeacon(f: Fields, volume: VolumeId): Beacon {
  const body = f.bytes('b', GOSSIP_MAX)
  const signature = f.bytes('s', SIGNATURE_BYTES, SIGNATURE_BYTES)
  const b = new Fields(decodeCbor(body, 'beacon', BEACON_ITEMS_MAX), 'beacon')
  const publicKey = b.bytes('p', 32, 32)
  if (!verifySignature(publicKey, 'shoal/beacon/1', signedPart(volume, body), signature)) {
    throw new ShoalError('bad-signature', `a beacon is not signed by ${toHex(publicKey)}`)
  }
  return {
    peer: peerIdFromPublicKey(publicKey),
    sentMs: b.integer('at'),
    vector: decodeBeaconVector(b.raw('vv')),
    digest: b.has('d') ? b.bytes('d', HASH_BYTES, HASH_BYTES) : undefined,
    hlc: decodeHlc(b.raw('h')),
    cut: decodeHlc(b.raw('c')),
    root: b.has('k') ? (toHex(b.bytes('k', HASH_BYTES, HASH_BYTES)) as NodeHash) : undefined,
    freeBytes: b.integer('f'),
    usedBytes: b.has('u') ? b.integer('u') : undefined,
    addresses: b.list('a', TICKET_ADDRESSES_MAX).filter(isAddress),
    security: b.has('e') ? readSecurityHead(b.fields('e')) : undefined,
    neighbours: b.has('n')
      ? b.bytes('n', NEIGHBOUR_DIGEST_BYTES, NEIGHBOUR_DIGEST_BYTES)
      : undefined,
  }
}

function decodeBeaconVector(value: unknown): VersionVector {
  const vector = decodeVector(value)
  if (vector.size <= BEACON_ACTORS_MAX) return vector
  throw new ShoalError('malformed', `a beacon tells of more than ${BEACON_ACTORS_MAX} actors`)
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && utf8(value).length <= ADDRESS_BYTES_MAX
}
