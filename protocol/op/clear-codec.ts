// Wire form of the ops in clear bodies (protocol/op/op.ts), which keepers read too.
// Decoding throws ShoalError 'malformed', or 'unsupported' for what is newer than this node.
import { fromHex, toHex } from '../bytes.ts'
import type { Fields } from '../cbor.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import { ShoalError, assertNever } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import {
  CID_BYTES,
  PACK_ID_BYTES,
  hexIdBytes,
  packIdFromBytes,
  peerIdFromPublicKey,
  publicKeyOf,
  stripeIdBytes,
  stripeIdFromCid,
} from '../ids.ts'
import type { EntryHash, PeerId, StripeId } from '../ids.ts'
import {
  ENTRY_BODY_MAX,
  GOVERNED_MAX,
  MEMBERS_MAX,
  OP_SHARDS_MAX,
  OP_STRIPES_MAX,
  STRIPE_K_MAX,
  STRIPE_M_MAX,
  TIER_NAME_MAX,
} from '../limits.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import { parseRole } from '../roles.ts'
import { decodeReceipt, encodeReceipt } from '../stripe/receipt.ts'
import { decodeStripeHeader } from '../stripe/stripe.ts'
import type { ClearOp, ColdPlace, HeldShard, Holding, Op, ShardChange } from './op.ts'
import { EPOCH_MAX, bytes, integer, list } from '../cbor-values.ts'

/** Elements of a shard in an op, and what later versions may add. */
const LIST_MAX = 8
const KEYS_MAX = 1024
const SEALED_KEY_MAX = 256

/** One op as a CBOR value. */
export function encodeClearOp(op: ClearOp): Record<string, unknown> {
  const o = op.kind
  switch (op.kind) {
    case 'member': {
      const k = op.keys.map(({ epoch, sealed }) => [epoch, sealed])
      return { o, p: publicKeyOf(op.peer), r: op.role, k }
    }
    case 'member-info':
      return { o, p: publicKeyOf(op.peer), n: op.name, z: op.zone, c: op.capacityBytes }
    case 'remove-member':
      return { o, p: publicKeyOf(op.peer) }
    case 'epoch':
      return { o, e: op.epoch, k: op.keys.map(({ peer, sealed }) => [publicKeyOf(peer), sealed]) }
    case 'stripe':
      return {
        o,
        h: op.header,
        at: op.holders.map(({ index, peer, receipt }) => [
          index,
          publicKeyOf(peer),
          ...(receipt === undefined ? [] : [encodeReceipt(receipt)]),
        ]),
      }
    case 'shards':
      return {
        o,
        s: stripeIdBytes(op.stripe),
        c: op.changes.map(({ index, peer, isHeld, receipt }) => [
          index,
          publicKeyOf(peer),
          isHeld,
          ...(receipt === undefined ? [] : [encodeReceipt(receipt)]),
        ]),
      }
    case 'doubt':
      return {
        o,
        s: stripeIdBytes(op.stripe),
        d: op.shards.map(({ index, peer }) => [index, publicKeyOf(peer)]),
      }
    case 'condemn':
      return { o, s: op.stripes.map(stripeIdBytes) }
    case 'sweep':
      return { o, c: op.condemned, s: op.stripes.map(stripeIdBytes) }
    case 'cold':
      return {
        o,
        t: op.tier,
        p: op.pack === undefined ? null : hexIdBytes(op.pack),
        s: op.stripes.map((place) => [stripeIdBytes(place.stripe), place.offset]),
      }
    case 'read':
      return { o, s: op.stripes.map(stripeIdBytes) }
    case 'checkpoint':
      return {
        o,
        c: op.hlc,
        vv: encodeVector(op.vector),
        a: encodeVector(op.held),
        b: op.before === undefined ? null : fromHex(op.before),
        g: op.governed.map(fromHex),
        ...(op.clear === undefined ? {} : { k: fromHex(op.clear) }),
        ...(op.sealed === undefined ? {} : { s: fromHex(op.sealed) }),
      }
    default:
      return assertNever(op)
  }
}

/** Inverse of encodeClearOp; undefined for a kind that this node does not know. */
export function decodeClearOp(kind: string, f: Fields): Op | undefined {
  switch (kind) {
    case 'member':
      return {
        kind,
        peer: peer(f.raw('p')),
        role: parseRole(f.text('r', 16)),
        keys: f.list('k', KEYS_MAX).map((item) => {
          const [epoch, sealed] = list(item, 2)
          return { epoch: integer(epoch, EPOCH_MAX), sealed: bytes(sealed, SEALED_KEY_MAX) }
        }),
      }
    case 'member-info':
      return {
        kind,
        peer: peer(f.raw('p')),
        name: f.text('n', 255),
        zone: f.text('z', 255),
        capacityBytes: f.integer('c'),
      }
    case 'remove-member':
      return { kind, peer: peer(f.raw('p')) }
    case 'epoch':
      return {
        kind,
        epoch: f.integer('e', 1, EPOCH_MAX),
        keys: f.list('k', MEMBERS_MAX).map((item) => {
          const [who, sealed] = list(item, 2)
          return { peer: peer(who), sealed: bytes(sealed, SEALED_KEY_MAX) }
        }),
      }
    case 'stripe': {
      const header = f.bytes('h', ENTRY_BODY_MAX, 1)
      // Applying the op reads it, which must not fail then.
      decodeStripeHeader(header)
      return { kind, header, holders: f.list('at', OP_SHARDS_MAX).map(holding) }
    }
    case 'shards':
      return { kind, stripe: stripe(f.raw('s')), changes: f.list('c', OP_SHARDS_MAX).map(change) }
    case 'doubt': {
      const shards = f.list('d', OP_SHARDS_MAX).map((item) => heldShard(list(item, LIST_MAX)))
      return { kind, stripe: stripe(f.raw('s')), shards }
    }
    case 'condemn':
      return { kind, stripes: f.list('s', OP_STRIPES_MAX).map(stripe) }
    case 'sweep':
      return {
        kind,
        condemned: decodeHlc(f.raw('c')),
        stripes: f.list('s', OP_STRIPES_MAX).map(stripe),
      }
    case 'cold': {
      const pack = f.raw('p')
      return {
        kind,
        tier: f.text('t', TIER_NAME_MAX),
        pack: pack === null ? undefined : packIdFromBytes(bytes(pack, PACK_ID_BYTES)),
        stripes: f.list('s', OP_STRIPES_MAX).map(coldPlace),
      }
    }
    case 'read':
      return { kind, stripes: f.list('s', OP_STRIPES_MAX).map(stripe) }
    case 'checkpoint':
      return decodeCheckpoint(f)
    default:
      return undefined
  }
}

function decodeCheckpoint(f: Fields): Op {
  return {
    kind: 'checkpoint',
    hlc: decodeHlc(f.raw('c')),
    vector: decodeVector(f.raw('vv')),
    held: decodeVector(f.raw('a')),
    before: f.has('b') ? entryHash(f.raw('b')) : undefined,
    governed: f.list('g', GOVERNED_MAX).map(entryHash),
    clear: f.has('k') ? root(f, 'k') : undefined,
    sealed: f.has('s') ? root(f, 's') : undefined,
  }
}

function root(f: Fields, name: string): NodeHash {
  return toHex(f.bytes(name, HASH_BYTES, HASH_BYTES)) as NodeHash
}

function entryHash(value: unknown): EntryHash {
  return toHex(bytes(value, HASH_BYTES, HASH_BYTES)) as EntryHash
}

function peer(value: unknown): PeerId {
  return peerIdFromPublicKey(bytes(value, 32))
}

function stripe(value: unknown): StripeId {
  return stripeIdFromCid(bytes(value, CID_BYTES, CID_BYTES))
}

function coldPlace(value: unknown): ColdPlace {
  const [id, offset] = list(value, 2)
  return { stripe: stripe(id), offset: integer(offset, Number.MAX_SAFE_INTEGER) }
}

function heldShard([index, who]: readonly unknown[]): HeldShard {
  return { index: integer(index, STRIPE_K_MAX + STRIPE_M_MAX - 1), peer: peer(who) }
}

function holding(value: unknown): Holding {
  const item = list(value, LIST_MAX)
  return { ...heldShard(item), ...receiptOf(item[2]) }
}

function change(value: unknown): ShardChange {
  const item = list(value, LIST_MAX)
  const isHeld = item[2]
  if (typeof isHeld !== 'boolean') throw new ShoalError('malformed', 'a shard is held or not')
  return { ...heldShard(item), isHeld, ...receiptOf(item[3]) }
}

function receiptOf(value: unknown): Pick<Holding, 'receipt'> {
  return value === undefined ? {} : { receipt: decodeReceipt(value) }
}
