// The sentence at the head of the console: what it says of a node's state, and that it promises
// nothing that is not so.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { safetyOf } from '../../console/safety.ts'
import { costText } from '../../console/parts/class-cost.ts'
import { shown } from '../../console/format.ts'
import type { Safety } from '../../console/safety.ts'
import { PEER, VOLUME } from '../cli/memory-status.ts'

type Status = Parameters<typeof safetyOf>[0]
type Volume = Status['volumes'][number]

const PLAIN = JSON.parse(JSON.stringify({ volume: VOLUME, peer: PEER })) as {
  readonly volume: Volume
  readonly peer: Status['peers'][number]
}
const NONE = { full: 0, degraded: 0, atRisk: 0, lost: 0 }
const WELL: Partial<Volume> = {
  tolerates: 2,
  stripes: { ...NONE, full: 10 },
  unplacedBytes: 0,
  logCopies: { nodes: 4, behind: [] },
  waiting: { forPeers: 0, forRoom: 0, gone: [] },
}

function said(changes: Partial<Volume>, peer: Partial<Status['peers'][number]> = {}): Safety {
  const volume = { ...PLAIN.volume, ...WELL, ...changes }
  return safetyOf({ volumes: [volume], peers: [{ ...PLAIN.peer, zone: undefined, ...peer }] })
}

describe('the sentence', () => {
  test('tells how many machines, or zones, may be lost', () => {
    assert.deepEqual(said({}), {
      level: 'good',
      sentence: 'Any 2 machines may be lost. Everything is readable.',
      next: [],
    })
    assert.match(said({ tolerates: 1 }).sentence, /^Any 1 machine may be lost/)
    assert.match(said({}, { zone: 'house' }).sentence, /^Any 2 zones may be lost/)
  })

  test('is of the volume that is worst off', () => {
    const volumes = [2, 0, 1].map((tolerates) => ({ ...PLAIN.volume, ...WELL, tolerates }))
    const { level, sentence } = safetyOf({ volumes, peers: [] })
    assert.deepEqual([level, sentence.slice(0, 22)], ['warning', 'No machine may be lost'])
  })

  test('never says that all is readable where something is not, and names who can help', () => {
    const { level, sentence, next } = said(
      { stripes: { ...NONE, full: 9, lost: 3 } },
      { name: 'attic', state: 'gone', isConnected: false },
    )
    assert.equal(level, 'critical')
    assert.match(sentence, /^3 parts of main cannot be read now/)
    assert.doesNotMatch(sentence, /Everything is readable/)
    assert.match(next.join(), /attic/)
  })

  test('tells of what is here only, of a machine alone, and of nothing at all', () => {
    assert.match(said({ unplacedBytes: 5_000_000 }).next.join(), /5\.00 MB written here/)
    assert.match(said({ logCopies: { nodes: 1, behind: [] } }).sentence, /^Only this machine/)
    assert.match(safetyOf({ volumes: [], peers: [] }).sentence, /^Nothing is stored/)
  })

  test('a choice of redundancy says what it costs, and what it lacks', () => {
    assert.equal(
      costText('rs4+2', 6),
      '2 machines may be lost at once; each GB takes 1.50 GB in all.',
    )
    assert.match(costText('copies3', 2), /2 machines may be lost.*3\.00 GB.*needs 3 machines/)
    assert.match(costText('local', 1), /^No machine may be lost/)
    assert.match(costText('rs0+2', 1), /^Write rsK\+M/)
  })

  test('names that hide or turn text around are shown by their codes', () => {
    assert.equal(shown('a\u202egpj.exe\n'), 'a\\u202egpj.exe\\u000a')
    assert.equal(shown('<img onerror=x> ü🐟'), '<img onerror=x> ü🐟')
  })
})
