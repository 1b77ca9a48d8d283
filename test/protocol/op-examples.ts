// One op of every kind, and of every form that a kind has: what the golden vectors of ops are made
// of.
import { toHex } from '../../protocol/bytes.ts'
import { sealOnce } from '../../protocol/cipher.ts'
import {
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdFromCid,
  encodeCid,
  packIdFromBytes,
} from '../../protocol/ids.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import { signReceipts } from '../../protocol/stripe/receipt.ts'
import { encodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { nameFromBytes, nameFromText, parseXattrName } from '../../protocol/op/names.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { BackupHeadId, EntryHash } from '../../protocol/ids.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { SnapshotId } from '../../protocol/op/snapshot-op.ts'
import {
  ALICE,
  ALICE_ACTOR,
  BOB,
  BOB_ACTOR,
  CAROL,
  VOLUME,
  filled,
  hlcAt,
  nodeId,
} from './fixtures.ts'

const ROOT = nodeId(0)
const [DIR, FILE, LINK, OTHER] = [nodeId(0xd1), nodeId(0xf1), nodeId(0x11), nodeId(0xd2)]
const SNAPSHOT = toHex(filled(0x5a, 16)) as SnapshotId
const NAME = nameFromText('report.txt')
const SAW = [makeDot(ALICE_ACTOR, 7, 0), makeDot(BOB_ACTOR, 300, 255)]
const CHUNK = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, filled(0xc1, 32)))
const SEALED = sealOnce(filled(1, 32), filled(2, 64), filled(3, 1))
const BACKUP_HEAD = toHex(filled(0xb1, 32)) as BackupHeadId
export const HEADER: Uint8Array = encodeStripeHeader({
  k: 2,
  m: 1,
  shardBytes: 512,
  chunks: [{ id: CHUNK, length: 1000 }],
  shardRoots: [filled(1, 32), filled(2, 32), filled(3, 32)],
})

/** Bob's, for two shards at once; of the second. */
const [, BOBS] = signReceipts(BOB, { volume: VOLUME, hlc: hlcAt(1_800_000_000_000, 7) }, [
  { stripe: stripeIdOf(HEADER), index: 0 },
  { stripe: stripeIdOf(HEADER), index: 1 },
])

/** One op of every kind, and of every form that a kind has. */
export const EXAMPLES: Readonly<Record<string, Op>> = {
  mkdir: {
    kind: 'mkdir',
    id: DIR,
    parent: ROOT,
    name: nameFromText('docs'),
    attributes: { mode: 0o755, uid: 1000, gid: 1000 },
  },
  create: {
    kind: 'create',
    inode: FILE,
    link: LINK,
    parent: DIR,
    name: NAME,
    attributes: {
      mode: 0o644,
      accessedNs: 1_800_000_000_000_000_000n,
      modifiedNs: -1_000_000_000n,
    },
    target: undefined,
  },
  symlink: {
    kind: 'create',
    inode: FILE,
    link: LINK,
    parent: DIR,
    name: nameFromBytes(Uint8Array.of(0xff, 0x78)),
    attributes: {},
    target: Uint8Array.of(0x2e, 0x2e, 0x2f, 0x61),
  },
  'block-device': {
    kind: 'create',
    inode: FILE,
    link: LINK,
    parent: ROOT,
    name: nameFromText('sda1'),
    attributes: { mode: 0o660 },
    target: undefined,
    special: { kind: 'block-device', rdev: 0x801 },
  },
  link: { kind: 'link', link: LINK, inode: FILE, parent: ROOT, name: NAME },
  move: {
    kind: 'move',
    link: LINK,
    inode: FILE,
    from: DIR,
    parent: ROOT,
    name: nameFromText('é'),
    saw: SAW,
  },
  'move-dir': {
    kind: 'move-dir',
    id: DIR,
    from: ROOT,
    parent: OTHER,
    name: nameFromText('docs'),
    saw: SAW.slice(0, 1),
  },
  unlink: { kind: 'unlink', link: LINK, inode: FILE, from: DIR, saw: SAW },
  'unlink-last': {
    kind: 'unlink',
    link: LINK,
    inode: FILE,
    from: DIR,
    saw: SAW.slice(0, 1),
    versions: SAW.slice(0, 1),
  },
  rmdir: { kind: 'rmdir', id: DIR, from: ROOT, saw: [] },
  attributes: { kind: 'attributes', id: FILE, attributes: { mode: 0o600 } },
  xattr: {
    kind: 'xattr',
    id: FILE,
    name: parseXattrName('user.color'),
    value: new TextEncoder().encode('red'),
  },
  'xattr-removed': {
    kind: 'xattr',
    id: FILE,
    name: parseXattrName('user.color'),
    value: undefined,
  },
  'version-inline': {
    kind: 'version',
    inode: FILE,
    base: [],
    size: 5,
    content: { kind: 'inline', bytes: new TextEncoder().encode('hello') },
    modifiedNs: 1_800_000_000_123_456_789n,
    touch: [{ link: LINK, saw: SAW.slice(0, 1) }],
  },
  'version-goes-on': {
    kind: 'version',
    inode: FILE,
    base: SAW.slice(0, 1),
    size: 5,
    content: { kind: 'inline', bytes: new TextEncoder().encode('hello') },
    modifiedNs: 0n,
    goesOn: true,
    touch: [],
  },
  'version-chunks': {
    kind: 'version',
    inode: FILE,
    base: SAW,
    size: 5_000_000_000,
    content: {
      kind: 'chunks',
      root: { id: CHUNK, plainHash: filled(0xab, 32), length: 4096, codec: 1, epoch: 1 },
      depth: 2,
    },
    modifiedNs: 0n,
    touch: [],
  },
  'version-sparse': {
    kind: 'version',
    inode: FILE,
    base: [],
    size: 5_000_000_000,
    content: {
      kind: 'chunks',
      root: { id: CHUNK, plainHash: filled(0xab, 32), length: 4096, codec: 1, epoch: 1 },
      depth: 0,
      allocated: 70_000,
    },
    modifiedNs: 0n,
    touch: [],
  },
  'drop-version': { kind: 'drop-version', inode: FILE, saw: SAW },
  policy: { kind: 'policy', key: 'class', value: 'rs4+2' },
  member: { kind: 'member', peer: BOB.peer, role: 'writer', keys: [{ epoch: 1, sealed: SEALED }] },
  'member-info': {
    kind: 'member-info',
    peer: BOB.peer,
    name: 'laptop',
    zone: 'home',
    capacityBytes: 500_000_000_000,
  },
  'remove-member': { kind: 'remove-member', peer: CAROL.peer },
  epoch: { kind: 'epoch', epoch: 2, keys: [{ peer: ALICE.peer, sealed: SEALED }] },
  stripe: {
    kind: 'stripe',
    header: HEADER,
    holders: [
      { index: 0, peer: ALICE.peer },
      { index: 1, peer: BOB.peer, receipt: BOBS },
    ],
  },
  shards: {
    kind: 'shards',
    stripe: stripeIdOf(HEADER),
    changes: [
      { index: 1, peer: BOB.peer, isHeld: true, receipt: BOBS },
      { index: 2, peer: CAROL.peer, isHeld: false },
    ],
  },
  doubt: {
    kind: 'doubt',
    stripe: stripeIdOf(HEADER),
    shards: [{ index: 2, peer: CAROL.peer }],
  },
  condemn: { kind: 'condemn', stripes: [stripeIdOf(HEADER)] },
  sweep: {
    kind: 'sweep',
    condemned: ((1_800_000_000_000n << 16n) + 7n) as Hlc,
    stripes: [stripeIdOf(HEADER)],
  },
  cold: {
    kind: 'cold',
    tier: 'glacier',
    pack: packIdFromBytes(filled(0xca, 16)),
    stripes: [{ stripe: stripeIdOf(HEADER), offset: 96 }],
  },
  'cold-no-more': {
    kind: 'cold',
    tier: 'glacier',
    pack: undefined,
    stripes: [{ stripe: stripeIdOf(HEADER), offset: 0 }],
  },
  read: { kind: 'read', stripes: [stripeIdOf(HEADER)] },
  pin: { kind: 'pin', id: DIR, class: 'rs6+3' },
  'pin-cold': { kind: 'pin-cold', id: DIR, tier: 'attic' },
  checkpoint: {
    kind: 'checkpoint',
    hlc: hlcAt(0),
    vector: new Map([[ALICE_ACTOR, 12]]),
    held: new Map([
      [BOB_ACTOR, 1000],
      [ALICE_ACTOR, 14],
    ]),
    before: toHex(filled(0xbe, 32)) as EntryHash,
    governed: [toHex(filled(0x90, 32)) as EntryHash],
    clear: toHex(filled(0xc1, 32)) as NodeHash,
    sealed: toHex(filled(0x5e, 32)) as NodeHash,
  },
  'checkpoint-first': {
    kind: 'checkpoint',
    hlc: hlcAt(0),
    vector: new Map([[ALICE_ACTOR, 12]]),
    held: new Map([[ALICE_ACTOR, 14]]),
    before: undefined,
    governed: [],
    clear: undefined,
    sealed: undefined,
  },
  snapshot: {
    kind: 'snapshot',
    peer: BOB.peer,
    id: SNAPSHOT,
    name: 'before the move',
    folder: DIR,
    hlc: hlcAt(5),
    vector: new Map([
      [BOB_ACTOR, 300],
      [ALICE_ACTOR, 7],
    ]),
    base: toHex(filled(0xbe, 32)) as EntryHash,
    governed: [toHex(filled(0x90, 32)) as EntryHash],
    root: toHex(filled(0x5e, 32)) as NodeHash,
  },
  'snapshot-first': {
    kind: 'snapshot',
    peer: BOB.peer,
    id: SNAPSHOT,
    name: 'empty',
    folder: ROOT,
    hlc: hlcAt(0),
    vector: new Map(),
    base: undefined,
    governed: [],
    root: undefined,
  },
  'snapshot-rm': { kind: 'snapshot-rm', peer: BOB.peer, id: SNAPSHOT, forced: false },
  'snapshot-rm-forced': { kind: 'snapshot-rm', peer: BOB.peer, id: SNAPSHOT, forced: true },
  'snapshot-hold': { kind: 'snapshot-hold', peer: BOB.peer, id: SNAPSHOT, held: true },
  'snapshot-release': { kind: 'snapshot-hold', peer: BOB.peer, id: SNAPSHOT, held: false },
  restated: { kind: 'restated', entries: [makeDot(BOB_ACTOR, 300, 0)] },
  backup: { kind: 'backup', peer: BOB.peer, tier: 'attic', number: 300, head: BACKUP_HEAD },
  'purge-versions': {
    kind: 'purge-versions',
    inode: FILE,
    versions: [makeDot(BOB_ACTOR, 300, 2)],
  },
  'mass-loss': { kind: 'mass-loss', peer: BOB.peer, at: hlcAt(1_800_000_000_000, 7) },
  'dismiss-loss': { kind: 'dismiss-loss', losses: [makeDot(BOB_ACTOR, 300, 2)] },
}
