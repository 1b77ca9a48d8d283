// Arbitrary values of the namespace's formats, within their bounds, for properties.
import fc from 'fast-check'
import { fromByteString, toByteString, toHex } from '../../protocol/bytes.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import {
  CODEC_DAG_CBOR,
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdFromCid,
  encodeCid,
  packIdFromBytes,
  peerIdFromPublicKey,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import { BACKUP_NUMBER_MAX } from '../../protocol/limits.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import { nameFromBytes } from '../../protocol/op/names.ts'
import { ROLES } from '../../protocol/roles.ts'
import { encodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type {
  ActorId,
  BackupHeadId,
  EntryHash,
  NodeId,
  PeerId,
  StripeId,
} from '../../protocol/ids.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import type { AttributeValues, ContentRef, Op } from '../../protocol/op/op.ts'
import type { SnapshotId } from '../../protocol/op/snapshot-op.ts'
import type { Name, XattrName } from '../../protocol/op/names.ts'

export const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

export const anyActor: fc.Arbitrary<ActorId> = bytes(16).map((id) => toHex(id) as ActorId)
const anyNode: fc.Arbitrary<NodeId> = bytes(16).map((id) => toHex(id) as NodeId)
export const anyPeer: fc.Arbitrary<PeerId> = bytes(32).map(peerIdFromPublicKey)
const anyStripe: fc.Arbitrary<StripeId> = bytes(32).map((digest) =>
  stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, digest)),
)
export const anySeq: fc.Arbitrary<number> = fc.integer({ min: 1, max: 2 ** 48 - 1 })
export const anyHlc: fc.Arbitrary<Hlc> = fc
  .bigInt({ min: 0n, max: HLC_MAX })
  .map((hlc) => hlc as Hlc)
export const anyVector: fc.Arbitrary<Map<ActorId, number>> = fc
  .array(fc.tuple(anyActor, anySeq), { maxLength: 12 })
  .map((items) => new Map(items))
/** With its actors in order, as it comes back from its bytes. */
const anySortedVector = anyVector.map(
  (vector) => new Map([...vector].sort(([a], [b]) => (a < b ? -1 : 1))),
)
const anyEntryHash = bytes(32).map((hash) => toHex(hash) as EntryHash)
const anySnapshotId = bytes(16).map((id) => toHex(id) as SnapshotId)
const anyNodeHash = bytes(32).map((hash) => toHex(hash) as NodeHash)

export const anyDot: fc.Arbitrary<Dot> = fc
  .tuple(anyActor, anySeq, fc.nat(65_535))
  .map(([actor, seq, index]) => makeDot(actor, seq, index))
const anyDots = fc.array(anyDot, { maxLength: 5 })

/** Names as bytes: text in several alphabets and forms, and bytes that are no text. */
export const anyName: fc.Arbitrary<Name> = fc
  .oneof(
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
      .map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ minLength: 1, maxLength: 255 }),
    fc
      .constantFrom('é.txt', 'e\u0301.txt', 'archive.tar.gz', '.hidden', 'Å', '\u212b')
      .map((text) => new TextEncoder().encode(text)),
  )
  .map((raw) => fromByteString(toByteString(raw).replace(/[/\0]/g, '_').slice(0, 255)))
  .filter((raw) => raw.length > 0 && !/^\.{1,2}$/.test(toByteString(raw)))
  .map(nameFromBytes)

const anyTime = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const anyId32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const anyEpoch = fc.integer({ min: 1, max: 2 ** 32 })

const anyAttributes: fc.Arbitrary<AttributeValues> = fc.record(
  {
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: anyId32,
    gid: anyId32,
    accessedNs: anyTime,
    modifiedNs: anyTime,
  },
  { requiredKeys: [], noNullPrototype: true },
)

const anyChunkId = bytes(32).map((digest) =>
  chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, digest)),
)

const anyContent: fc.Arbitrary<ContentRef> = fc.oneof(
  fc.record(
    { kind: fc.constant('inline' as const), bytes: fc.uint8Array({ maxLength: 2048 }) },
    { noNullPrototype: true },
  ),
  fc.record(
    {
      kind: fc.constant('chunks' as const),
      root: fc.record(
        {
          id: anyChunkId,
          plainHash: bytes(32),
          length: fc.integer({ min: 0, max: 4 * 1024 * 1024 }),
          codec: fc.constantFrom(0 as const, 1 as const),
          epoch: anyEpoch,
        },
        { noNullPrototype: true },
      ),
      depth: fc.nat(8),
      allocated: fc.maxSafeNat(),
    },
    { noNullPrototype: true, requiredKeys: ['kind', 'root', 'depth'] },
  ),
)

const anyStripeHeader = fc
  .tuple(anyChunkId, fc.integer({ min: 1, max: 4096 }), bytes(32))
  .map(([id, length, root]) =>
    encodeStripeHeader({
      k: 1,
      m: 1,
      shardBytes: 4096,
      chunks: [{ id, length }],
      shardRoots: [root, root],
    }),
  )

const anyReceipt: fc.Arbitrary<Receipt> = fc.record(
  {
    hlc: anyHlc,
    signature: bytes(64),
    position: fc.nat(7),
    count: fc.integer({ min: 8, max: 256 }),
    path: fc.array(bytes(32), { maxLength: 8 }),
  },
  { noNullPrototype: true },
)

const anySealed = fc.uint8Array({ maxLength: 256 })
const link = { link: anyNode, parent: anyNode, name: anyName }

/** Ops of every kind. */
export const anyOp: fc.Arbitrary<Op> = fc.oneof(
  op('mkdir', { id: anyNode, parent: anyNode, name: anyName, attributes: anyAttributes }),
  op('create', {
    ...link,
    inode: anyNode,
    attributes: anyAttributes,
    target: fc.option(fc.uint8Array({ minLength: 1, maxLength: 4095 }), { nil: undefined }),
  }),
  op('create', {
    ...link,
    inode: anyNode,
    attributes: anyAttributes,
    target: fc.constant(undefined),
    special: fc.record(
      {
        kind: fc.constantFrom('fifo', 'socket', 'character-device', 'block-device'),
        rdev: anyId32,
      },
      { noNullPrototype: true },
    ),
  }),
  op('link', { ...link, inode: anyNode }),
  op('move', { ...link, inode: anyNode, from: anyNode, saw: anyDots }),
  op('move-dir', { id: anyNode, from: anyNode, parent: anyNode, name: anyName, saw: anyDots }),
  op('unlink', { link: anyNode, inode: anyNode, from: anyNode, saw: anyDots }),
  op('unlink', { link: anyNode, inode: anyNode, from: anyNode, saw: anyDots, versions: anyDots }),
  op('rmdir', { id: anyNode, from: anyNode, saw: anyDots }),
  op('attributes', { id: anyNode, attributes: anyAttributes }),
  op('xattr', {
    id: anyNode,
    name: fc
      .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 255 })
      .map((codes) => String.fromCharCode(...codes) as XattrName),
    value: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
  }),
  op('version', {
    inode: anyNode,
    base: anyDots,
    size: fc.maxSafeNat(),
    content: anyContent,
    modifiedNs: anyTime,
    touch: fc.array(fc.record({ link: anyNode, saw: anyDots }, { noNullPrototype: true }), {
      maxLength: 3,
    }),
  }),
  op('drop-version', { inode: anyNode, saw: anyDots }),
  op('policy', { key: fc.string({ maxLength: 1024 }), value: fc.string({ maxLength: 1024 }) }),
  op('member', {
    peer: anyPeer,
    role: fc.constantFrom(...ROLES),
    keys: fc.array(fc.record({ epoch: anyEpoch, sealed: anySealed }, { noNullPrototype: true }), {
      maxLength: 3,
    }),
  }),
  op('member-info', {
    peer: anyPeer,
    name: fc.string({ maxLength: 255 }),
    zone: fc.string({ maxLength: 255 }),
    capacityBytes: fc.maxSafeNat(),
  }),
  op('remove-member', { peer: anyPeer }),
  op('checkpoint', {
    hlc: anyHlc,
    vector: anySortedVector,
    held: anySortedVector,
    before: fc.option(anyEntryHash, { nil: undefined }),
    governed: fc.array(anyEntryHash, { maxLength: 3 }),
    clear: fc.option(anyNodeHash, { nil: undefined }),
    sealed: fc.option(anyNodeHash, { nil: undefined }),
  }),
  op('restated', { entries: anyDots }),
  op('snapshot', {
    peer: anyPeer,
    id: anySnapshotId,
    name: fc.constantFrom('a', 'Before the move', 'snap-2026-11-24T17:30:05Z', 'é_1+2'),
    folder: anyNode,
    hlc: anyHlc,
    vector: anySortedVector,
    base: fc.option(anyEntryHash, { nil: undefined }),
    governed: fc.array(anyEntryHash, { maxLength: 3 }),
    root: fc.option(anyNodeHash, { nil: undefined }),
  }),
  op('snapshot-rm', { peer: anyPeer, id: anySnapshotId, forced: fc.boolean() }),
  op('snapshot-hold', { peer: anyPeer, id: anySnapshotId, held: fc.boolean() }),
  op('epoch', {
    epoch: anyEpoch,
    keys: fc.array(fc.record({ peer: anyPeer, sealed: anySealed }, { noNullPrototype: true }), {
      maxLength: 3,
    }),
  }),
  op('stripe', {
    header: anyStripeHeader,
    holders: fc.array(
      fc.record(
        { index: fc.nat(47), peer: anyPeer, receipt: anyReceipt },
        { noNullPrototype: true, requiredKeys: ['index', 'peer'] },
      ),
      { maxLength: 5 },
    ),
  }),
  op('shards', {
    stripe: anyStripe,
    changes: fc.array(
      fc.record(
        { index: fc.nat(47), peer: anyPeer, isHeld: fc.boolean(), receipt: anyReceipt },
        { noNullPrototype: true, requiredKeys: ['index', 'peer', 'isHeld'] },
      ),
      { maxLength: 5 },
    ),
  }),
  op('doubt', {
    stripe: anyStripe,
    shards: fc.array(fc.record({ index: fc.nat(47), peer: anyPeer }, { noNullPrototype: true }), {
      maxLength: 5,
    }),
  }),
  op('condemn', { stripes: fc.array(anyStripe, { maxLength: 5 }) }),
  op('sweep', { condemned: anyHlc, stripes: fc.array(anyStripe, { maxLength: 5 }) }),
  op('cold', {
    tier: fc.string({ maxLength: 64 }),
    pack: fc.option(bytes(16).map(packIdFromBytes), { nil: undefined }),
    stripes: fc.array(
      fc.record({ stripe: anyStripe, offset: fc.maxSafeNat() }, { noNullPrototype: true }),
      { maxLength: 5 },
    ),
  }),
  op('read', { stripes: fc.array(anyStripe, { maxLength: 5 }) }),
  op('pin', { id: anyNode, class: fc.string({ maxLength: 32 }) }),
  op('pin-cold', { id: anyNode, tier: fc.string({ maxLength: 64 }) }),
  op('backup', {
    peer: anyPeer,
    tier: fc.string({ maxLength: 64 }),
    number: fc.integer({ min: 1, max: BACKUP_NUMBER_MAX }),
    head: bytes(32).map((id) => toHex(id) as BackupHeadId),
  }),
  op('purge-versions', { inode: anyNode, versions: anyDots }),
  op('mass-loss', { peer: anyPeer, at: anyHlc }),
  op('dismiss-loss', { losses: anyDots }),
)

function op<Kind extends Op['kind']>(
  kind: Kind,
  fields: {
    [Field in keyof Omit<Extract<Op, { kind: Kind }>, 'kind'>]: fc.Arbitrary<
      Extract<Op, { kind: Kind }>[Field]
    >
  },
): fc.Arbitrary<Op> {
  const model = { kind: fc.constant(kind), ...fields } as unknown as {
    [Field in keyof Op]: fc.Arbitrary<Op[Field]>
  }
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Op>
}
