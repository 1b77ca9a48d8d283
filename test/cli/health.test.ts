// The health of data in words: a healthy volume is reported shortly, every fault with its reason.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { careRows, contentRows, stripesText, toleranceText } from '../../cli/health.ts'
import type { UpkeepReport, VolumeStatus } from '../../node/control/status.ts'

const STRIPES = { full: 0, degraded: 0, atRisk: 0, lost: 0 }
const IDLE: UpkeepReport = {
  repairing: 0,
  queued: 0,
  moving: 0,
  outdated: 0,
  brake: false,
  repairedBytes: 0,
  movedBytes: 0,
}

function volume(
  stripes: Partial<VolumeStatus['stripes']>,
  rest: Partial<VolumeStatus> = {},
  upkeep: Partial<UpkeepReport> = {},
): VolumeStatus {
  const well = {
    tiersToTrust: [],
    degradedPlacement: 0,
    reclaimableBytes: 0,
    waiting: { forPeers: 0, forRoom: 0, gone: [] },
    tolerates: 1,
    unplacedBytes: 0,
    files: 12,
    bytes: 3_400_000,
    isEmpty: false,
    logCopies: { nodes: 3, behind: [] },
    falseFiles: [],
    massLosses: [],
    garbageFault: undefined,
    log: {
      stoppedAt: undefined,
      isHalted: false,
      isFull: false,
      heldBack: [],
      heldBackBy: [],
      checkpointMs: undefined,
      proposed: undefined,
      late: [],
      stalled: [],
      stranded: undefined,
    },
  }
  return {
    ...({} as VolumeStatus),
    ...well,
    stripes: { ...STRIPES, ...stripes },
    cold: { copied: 0, only: 0, bytes: 0 },
    ...rest,
    upkeep: { ...IDLE, ...upkeep },
  }
}

describe('health texts', () => {
  test('stripes are counted by state, and only the first count has the noun', () => {
    const texts = [
      volume({}),
      volume({ full: 1 }),
      volume({ full: 3, degraded: 2, atRisk: 1, lost: 4 }),
      volume({}, { cold: { copied: 1, only: 0, bytes: 9 } }),
      volume({ full: 1 }, { cold: { copied: 3, only: 2, bytes: 9 } }),
    ].map(stripesText)
    assert.deepEqual(texts, [
      'no stripes',
      '1 stripe full',
      '3 stripes full, 2 degraded, 1 at risk, 4 out of reach',
      '1 stripe in a cold tier',
      '1 stripe full, 5 stripes in a cold tier (2 nowhere else)',
    ])
  })

  test('tolerated losses are given for placed data only', () => {
    const logCopies = { nodes: 3, behind: ['ben'] }
    const alone = { nodes: 1, behind: [] }
    const texts = [
      volume({}, { isEmpty: true }),
      volume({}, { isEmpty: true, logCopies: alone }),
      volume({}),
      volume({}, { logCopies }),
      volume({}, { logCopies: alone }),
      volume({}, { unplacedBytes: 1 }),
      ...[0, 1, 2].map((tolerates) => volume({ full: 1 }, { tolerates })),
      volume({ full: 1 }, { tolerates: 0, logCopies: alone }),
    ]
    assert.deepEqual(texts.map(toleranceText), [
      'empty',
      'empty, on this node alone',
      'small files only, on 3 of 3 nodes',
      'small files only, on 2 of 3 nodes',
      'small files only, on this node alone',
      'no data placed yet',
      'no peer may be lost',
      'any 1 peer may be lost',
      'any 2 peers may be lost',
      'on this node alone',
    ])
  })

  test('what is in a volume is shown, where it is, and what is not safe yet', () => {
    const behind = { nodes: 3, behind: ['ben'] }
    const rows = [
      volume({ full: 1 }),
      volume({ full: 1 }, { logCopies: behind, unplacedBytes: 4_040_000, files: 1 }),
      volume({}),
      volume({ full: 1 }, { logCopies: { nodes: 1, behind: [] } }),
      volume({}, { isEmpty: true }),
      volume({}, { files: 0, bytes: 0 }),
      volume({ full: 1 }, { role: 'keeper', files: 0, bytes: 0 }),
    ].map(contentRows)
    assert.deepEqual(rows, [
      [['Holds', '12 files, 3.40 MB; names and small files on 3 of 3 nodes']],
      [
        ['Holds', '1 file, 3.40 MB; names and small files on 2 of 3 nodes'],
        ['Not safe yet', '4.04 MB written here, on this node only until it is placed'],
      ],
      [['Holds', '12 files, 3.40 MB']],
      [['Holds', '12 files, 3.40 MB']],
      [],
      [['Holds', 'no files']],
      [],
    ])
  })

  test('no upkeep is shown for a healthy volume', () => {
    assert.deepEqual(careRows(volume({ full: 9 })), [])
  })

  test('nodes that may lack changes are named', () => {
    const one = { nodes: 3, behind: ['ben'] }
    const many = { nodes: 9, behind: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }
    assert.deepEqual(
      [one, many].map((logCopies) => careRows(volume({ full: 9 }, { logCopies }))),
      [
        [['Not yet everywhere', 'ben has not confirmed the latest changes']],
        [['Not yet everywhere', 'a, b, c, d, e and 2 more have not confirmed the latest changes']],
      ],
    )
  })

  test('each stripe that lacks shards is repaired here, waiting, or left to other nodes', () => {
    const all = volume(
      { degraded: 20, atRisk: 10 },
      { waiting: { forPeers: 1, forRoom: 2, gone: [] } },
      { repairing: 3, queued: 4, repairedBytes: 5_000_000 },
    )
    assert.deepEqual(careRows(all), [
      [
        'Upkeep',
        '1 stripe waiting for peers to come back, 2 stripes waiting for another peer to hold shards, ' +
          '20 stripes left for other nodes to repair, repairing 3 stripes, ' +
          '4 stripes to be repaired, 5.00 MB rebuilt so far',
      ],
    ])
  })

  test('waiting stripes are shown as to be recoded, or with gone members to remove', () => {
    const waiting = { forPeers: 0, forRoom: 16, gone: ['dora'] }
    const gone = ['Gone', 'dora: if gone for good, remove them with "shoal peer rm --now"']
    assert.deepEqual(careRows(volume({ full: 2, atRisk: 16 }, { waiting })), [
      ['Upkeep', '16 stripes waiting for another peer to hold shards'],
      gone,
    ])
    const soon = { waiting: { ...waiting, gone: [] } }
    assert.deepEqual(careRows(volume({ full: 2, atRisk: 16 }, soon, { outdated: 16 })), [
      ['Upkeep', '16 stripes to be recoded soon'],
    ])
    assert.deepEqual(careRows(volume({ full: 2 }, { waiting: { ...waiting, forRoom: 0 } })), [])
  })

  test('unreadable files are named, and so is the file that keeps space from being freed', () => {
    const falseFiles = [{ path: '/a\x1b', author: 'ben', message: 'a node lies' }]
    const told = volume({ full: 1 }, { falseFiles, garbageFault: '/b: chunk 5 is nowhere' })
    assert.deepEqual(careRows(told), [
      ['No space back', '/b: chunk 5 is nowhere'],
      [
        'False file',
        '/a\\x1b by ben: its content is not what it claims to be and cannot be read; remove it (a node lies)',
      ],
    ])
  })

  test('degraded placement, throttling, moves and space to be freed are shown', () => {
    const told = volume(
      { full: 5 },
      { degradedPlacement: 1, reclaimableBytes: 2_000_000_000 },
      { brake: true, moving: 2, movedBytes: 1000 },
    )
    assert.deepEqual(careRows(told), [
      ['Placement', 'degraded for 1 stripe: more shards in one zone than may be lost'],
      [
        'Upkeep',
        'throttled, because many peers went offline at once: ' +
          'only stripes at risk are repaired, 2 stripes to be moved or recoded, ' +
          '1.00 KB moved so far',
      ],
      ['To be freed', '2.00 GB on all peers, once all of them have confirmed it'],
    ])
  })
})
