// Each condition is found in a node of which it is true, and none in a node that is well.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONDITIONS } from '../../../node/alerts/conditions.ts'
import { look } from '../../../node/alerts/raising.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import { NOW, factsWith } from './facts.ts'
import type { Changed } from './facts.ts'
import type { BackupJobStatus } from '../../../node/control/backups.ts'
import type { TicketStatus } from '../../../node/control/tickets.ts'
import type { EntryHash } from '../../../protocol/ids.ts'
import type { WallTime } from '../../../protocol/units.ts'

const BACKUP: BackupJobStatus = {
  name: 'nightly',
  volume: 'main',
  path: 'main:/',
  url: 'dir:/backups',
  mode: 'incremental',
  everyMs: DAY_MS,
  keep: {},
  isRunning: false,
}
const TICKET: TicketStatus = {
  id: 'abcd',
  volume: 'main',
  role: 'writer',
  state: 'open',
  uses: 2,
  usesLeft: 1,
  madeMs: (NOW - DAY_MS) as WallTime,
  expiresMs: (NOW + HOUR_MS / 2) as WallTime,
  usedBy: [],
}
const UPKEEP = {
  repairing: 0,
  queued: 0,
  moving: 0,
  outdated: 0,
  brake: true,
  repairedBytes: 0,
  movedBytes: 0,
}
const stripes = { full: 1, degraded: 0, atRisk: 0, lost: 0 }
const fault = { path: '/plan', author: 'ben', message: 'is not what it claims' }
const stoppedAt = {
  entry: 'b' as EntryHash,
  author: 'ben',
  reason: 'too large',
  sinceMs: NOW,
}

/** A node of which just this condition is true. */
const EXAMPLES: Readonly<Record<string, Changed>> = {
  'stripes-lost': { volume: { stripes: { ...stripes, lost: 1 } } },
  'stripes-at-risk': { volume: { stripes: { ...stripes, atRisk: 2 } } },
  'stripes-degraded': { volume: { stripes: { ...stripes, degraded: 1 } } },
  'not-placed': { volume: { unplacedBytes: 5 } },
  'same-zone': { volume: { degradedPlacement: 3 } },
  'repair-throttled': { volume: { upkeep: UPKEEP } },
  'mass-loss': {
    volume: {
      massLosses: [{ volume: 'main', member: 'ben', toldBy: 'anna', atMs: NOW, toldMs: NOW }],
    },
  },
  'corruption-found': { node: { damage: { found: 1, lastMs: (NOW - DAY_MS) as WallTime } } },
  'false-files': { volume: { falseFiles: [fault, fault] } },
  conflicts: { volume: { conflicts: 2 } },
  'disk-low': { node: { freeBytes: 9, capacityBytes: 100 } },
  'disk-full': { node: { freeBytes: 4, capacityBytes: 100 } },
  'old-versions-dropped': { volume: { relief: { endedUpToMs: NOW, setMs: NOW } } },
  'versions-shortened': {
    volume: { shortening: { versions: '1h:all', until: [], fromMs: NOW + DAY_MS } },
  },
  'garbage-stuck': { volume: { garbageFault: 'a node of the tree is missing.' } },
  'peer-late': { peer: { state: 'late', lastSeenMs: NOW } },
  'peer-gone': { peer: { state: 'gone' } },
  'peer-limited': { peer: { limited: { words: 'too many requests', forMs: 1000 } } },
  'peer-behind': { volume: { logCopies: { nodes: 2, behind: ['shelf'] } } },
  'peer-stalled': { log: { stalled: ['shelf'] } },
  'log-stopped': { log: { stoppedAt } },
  'log-halted': { log: { isHalted: true } },
  'log-full': { log: { isFull: true } },
  'log-held-back': { log: { heldBack: [{ member: 'ben', untilMs: NOW, isFull: false }] } },
  'node-stranded': { log: { stranded: { peer: 'anna', missing: ['ben'] } } },
  'state-differs': { volume: { differsMs: NOW } },
  'clock-off': { notice: { kind: 'clock', aheadMs: -90_000 } },
  'home-copied': { notice: { kind: 'copies', isSelf: true } },
  'node-removed': { notice: { kind: 'removed' } },
  'voter-lied': { notice: { kind: 'voter-lied' } },
  'vote-lost': { notice: { kind: 'vote-lost', isSelf: true } },
  'cold-failing': { volume: { tierFailures: [{ tier: 'attic', message: 'no answer.' }] } },
  'cold-untrusted': { volume: { tiersToTrust: ['attic'] } },
  'backup-failed': {
    backup: { ...BACKUP, failure: { code: 'ENOSPC', message: 'the place is full.' } },
  },
  'backup-late': { backup: { ...BACKUP, dueMs: (NOW - 2 * DAY_MS) as WallTime } },
  'config-broken': { facts: { configFault: 'config.yaml is not YAML.' } },
  'ticket-ending': { facts: { tickets: [TICKET] } },
}

describe('conditions of alerts', () => {
  test('nothing is found in a node that is well', () => {
    assert.deepEqual(look(CONDITIONS, factsWith({})), [])
  })

  test('each has an example, and a name of its own', () => {
    const names = CONDITIONS.map(({ name }) => name)
    assert.deepEqual(Object.keys(EXAMPLES).toSorted(), names.toSorted())
    assert.equal(new Set(names).size, names.length)
  })

  for (const [name, changed] of Object.entries(EXAMPLES)) {
    test(`${name}: it alone is found where it is true`, () => {
      const found = look(CONDITIONS, factsWith(changed))
      assert.deepEqual(
        found.map((alert) => alert.name),
        [name],
      )
      for (const { message, next, sinceMs } of found) {
        assert.match(message, /^\S.*[^.]$/)
        assert.match(next, /^\S.*[^.]$/)
        assert.doesNotMatch(`${message} ${next}`, /undefined|NaN|\[object/)
        assert.equal(sinceMs, NOW)
      }
    })
  }
})
