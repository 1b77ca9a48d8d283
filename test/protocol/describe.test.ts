// Ops in words: what the history tests (test/node/tree/history.test.ts) do not come by.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { describeOps } from '../../protocol/tree/describe.ts'
import type { BackupHeadId, NodeId, PackId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { Change, HistoryNames } from '../../protocol/tree/describe.ts'
import type { Name, XattrName } from '../../protocol/op/names.ts'
import type { Op, ShardChange } from '../../protocol/op/op.ts'

const FILE = 'f1' as NodeId
const FOLDER = 'd1' as NodeId
const GONE = 'gone' as NodeId
const LINK = 'l1' as NodeId
const PEER = 'peer' as PeerId
const OTHER = 'other' as PeerId
const STRIPE = 'stripe' as StripeId
const PACK = 'ca'.repeat(16) as PackId

/** A tree of one folder /docs with a file a; whatever else an op names is gone. */
const NAMES: HistoryNames = {
  folder: (id) => (id === FOLDER ? '/docs' : '…'),
  place: (id) => (id === LINK ? '/docs/a' : undefined),
  before: () => undefined,
  ofCopy: () => false,
  object: (id) => (id === FILE ? '/docs/a' : id === FOLDER ? '/docs' : undefined),
  member: (peer) => (peer === OTHER ? 'ann' : 'ben'),
  isBy: (peer) => peer === PEER,
  inConflict: () => false,
}

const held = (index: number): ShardChange => ({ index, peer: PEER, isHeld: true })
const lost = (index: number): ShardChange => ({ index, peer: PEER, isHeld: false })
const content = { kind: 'inline', bytes: new Uint8Array() } as const
const version = { kind: 'version', base: [], size: 3, content, modifiedNs: 0n, touch: [] } as const

const xattr = { kind: 'xattr', id: FILE, name: 'user.color' as XattrName } as const
const made = {
  kind: 'create',
  inode: FILE,
  link: LINK,
  parent: FOLDER,
  name: 'n' as Name,
  attributes: {},
  target: undefined,
} as const

/** An op, or ops of one entry, and their words. */
const WORDS: readonly (readonly [Op | readonly (Op | undefined)[], ...string[]])[] = [
  [{ kind: 'attributes', id: FILE, attributes: { mode: 0o644 } }, 'set mode 0644 of /docs/a'],
  [{ kind: 'attributes', id: FOLDER, attributes: { uid: 1, gid: 2 } }, 'set owner 1:2 of /docs'],
  [
    { kind: 'attributes', id: GONE, attributes: { gid: 2, modifiedNs: 5n } },
    'set owner :2, times of a file that is gone',
  ],
  [{ ...xattr, value: new Uint8Array(3) }, 'set extended attribute user.color of /docs/a'],
  [{ ...xattr, value: undefined }, 'removed extended attribute user.color of /docs/a'],
  [
    { ...xattr, id: GONE, value: undefined },
    'removed extended attribute user.color of a file that is gone',
  ],
  [
    [
      { ...made, special: { kind: 'character-device', rdev: 0x103 } },
      { ...xattr, value: new Uint8Array() },
    ],
    'made character device /docs/n',
  ],
  [{ ...version, inode: GONE }, 'wrote a file that is gone'],
  [{ ...version, inode: GONE, touch: [{ link: LINK, saw: [] }] }, 'wrote /docs/a'],
  [
    { kind: 'unlink', link: GONE, inode: GONE, from: FOLDER, saw: [] },
    'removed something in /docs',
  ],
  [
    {
      kind: 'move',
      link: LINK,
      inode: GONE,
      from: FOLDER,
      parent: GONE,
      name: 'b' as Name,
      saw: [],
    },
    'moved something in /docs to …/b',
  ],
  [
    [
      made,
      { ...version, inode: FILE },
      { kind: 'attributes', id: FILE, attributes: { mode: 0o600 } },
    ],
    'added /docs/n',
  ],
  [{ kind: 'policy', key: 'ack', value: 'placed' }, 'set ack=placed'],
  [{ kind: 'policy', key: 'voters', value: `${PEER},${PEER}` }, 'set voters=ben,ben'],
  [{ kind: 'policy', key: `drain:${PEER}`, value: '1' }, 'asked ben to give its shards away'],
  [{ kind: 'policy', key: `drain:${PEER}`, value: '' }, 'let ben keep its shards'],
  [[undefined], 'did something that says nothing to this node'],
  [{ kind: 'member', peer: PEER, role: 'reader', keys: [] }, 'admitted ben as reader'],
  [
    { kind: 'member-info', peer: OTHER, name: 'bell', zone: 'attic', capacityBytes: 5 },
    'gave the member other the name bell',
  ],
  [
    { kind: 'member-info', peer: PEER, name: 'shelf', zone: 'attic', capacityBytes: 5 },
    'introduced itself as shelf, in zone attic',
  ],
  [
    { kind: 'stripe', header: new Uint8Array(), holders: [held(0), held(1)] },
    'placed a stripe on 1 node',
  ],
  [{ kind: 'shards', stripe: STRIPE, changes: [held(0)] }, 'placed a shard of a stripe on ben'],
  [
    { kind: 'shards', stripe: STRIPE, changes: [lost(0), lost(1)] },
    'let go of 2 shards of a stripe on ben',
  ],
  [
    { kind: 'shards', stripe: STRIPE, changes: [held(0), { ...lost(0), peer: OTHER }] },
    'moved a shard of a stripe from ann to ben',
  ],
  [
    { kind: 'doubt', stripe: STRIPE, shards: [{ index: 2, peer: PEER }] },
    'found 1 shard of a stripe missing on ben',
  ],
  [{ kind: 'condemn', stripes: [STRIPE, STRIPE] }, 'gave notice that 2 stripes will be removed'],
  [{ kind: 'sweep', condemned: HLC_ZERO, stripes: [STRIPE] }, 'gave up 1 stripe'],
  [
    { kind: 'cold', tier: 'attic', pack: PACK, stripes: [{ stripe: STRIPE, offset: 9 }] },
    'put 1 stripe into attic',
  ],
  [
    { kind: 'cold', tier: 'attic', pack: undefined, stripes: [{ stripe: STRIPE, offset: 0 }] },
    'gave up the cold copy of 1 stripe in attic',
  ],
  [{ kind: 'read', stripes: [STRIPE, STRIPE] }, 'read of 2 stripes'],
  [{ kind: 'pin', id: FILE, class: 'rs6+3' }, 'pinned /docs/a to class rs6+3'],
  [{ kind: 'pin', id: FILE, class: '' }, 'unpinned /docs/a'],
  [{ kind: 'pin-cold', id: FILE, tier: 'attic' }, 'pinned /docs/a to cold tier attic'],
  [{ kind: 'pin-cold', id: FILE, tier: '' }, 'unpinned /docs/a from its cold tier'],
  [
    { kind: 'backup', peer: PEER, tier: 'attic', number: 7, head: 'b1'.repeat(32) as BackupHeadId },
    'put backup 7 of the namespace into attic',
  ],
  [
    { kind: 'mass-loss', peer: PEER, at: (1_700_000_000_000n << 16n) as Hlc },
    'saw ben replace or remove much after 2023-11-14T22:13:20.000Z',
  ],
  [
    { kind: 'purge-versions', inode: FILE, versions: ['a:1:0' as Dot, 'a:2:0' as Dot] },
    'purged 2 former versions of /docs/a',
  ],
  [{ kind: 'dismiss-loss', losses: ['a:1:0' as Dot] }, 'dismissed 1 mass loss'],
]

describe('ops in words', () => {
  for (const [ops, ...words] of WORDS) {
    test(words.join(', '), () => {
      assert.deepEqual(
        changes(ops).map(({ text }) => text),
        words,
      )
    })
  }

  test('the contents of a file that one entry gives it are one change, with the size of the last', () => {
    const first = { ...version, inode: FILE }
    const [change, ...others] = changes([first, { ...first, size: 9 }])
    assert.deepEqual([change?.text, change?.sizeBytes, others], ['wrote /docs/a', 9, []])
  })

  test('a content in place of several says so', () => {
    const base = ['x:1:0', 'y:1:0'] as unknown as readonly Dot[]
    assert.equal(changes({ ...version, inode: FILE, base })[0]?.note, 'in place of 2 versions')
  })
})

function changes(ops: Op | readonly (Op | undefined)[]): Change[] {
  const all = Array.isArray(ops) ? (ops as readonly (Op | undefined)[]) : [ops as Op]
  return describeOps(
    all.map((op, index) => ({ op, dot: `x:1:${index}` as Dot })),
    NAMES,
  )
}
