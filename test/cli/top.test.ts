// `shoal top`: one screen of it, as wide and as long as there is room, whatever names others have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { topFrame } from '../../cli/observe/top-frame.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Seen } from '../../node/control/observe/watch.ts'
import { MemoryNode } from './memory-node.ts'
import { NODE, PEER } from './memory-status.ts'
import { withNode } from './shoal.ts'

const NOW = NODE.startedMs + 3 * MINUTE_MS

async function seenOf(more: Partial<Seen> = {}): Promise<Seen> {
  for await (const [seen] of new MemoryNode().watch())
    if (seen !== undefined) return { ...seen, ...more }
  assert.fail('nothing is seen')
}

function linesOf(seen: Seen, columns: number, rows: number = Infinity): string[] {
  return topFrame(seen, NOW, { columns, rows }).map(stripVTControlCharacters)
}

test('shows rates, the minutes of the last hour, volumes and peers', async () => {
  const seen = await seenOf()
  const minutes = [0, 59].map((ago, at) => ({
    atMs: (NOW - ago * MINUTE_MS) as WallTime,
    inBytes: at === 0 ? 8e6 : 4e6,
    outBytes: 0,
    repairedBytes: 0,
    coldBytes: 0,
  }))
  const lines = linesOf({ ...seen, traffic: { ...seen.traffic, minutes } }, 100)
  assert.match(lines[0] ?? '', /^memory {2}.* up 3 min {2}in 2\.00 MB\/s {2}out 0 B\/s /)
  assert.equal(lines[1], 'No alerts.')
  const drawn = lines.find((line) => line.startsWith('in '))
  assert.match(drawn ?? '', /^in +▅ {58}█ {2}at most 8\.00 MB\/min$/)
  assert.ok(lines.some((line) => /^main +rs1\+1 +1 +3 +0 +0 +0 /.test(line)))
  assert.ok(
    lines.some((line) =>
      /^shelf +online +never +7 +1\.3 ms +2\.00 MB\/s +0 B\/s +75 % +12$/.test(line),
    ),
  )
})

test('fits any terminal, and names of others do nothing to it', async () => {
  const seen = await seenOf()
  const name = '\u001b[2J\n\u202eevil'
  const peers = Array.from({ length: 40 }, () => ({ ...PEER, name, state: 'gone' as const }))
  const alert = {
    name: 'peer-gone',
    severity: 'critical' as const,
    subject: name,
    message: `${name} is gone`,
    next: '',
    sinceMs: (NOW - SECOND_MS) as WallTime,
  }
  const busy = {
    ...seen,
    status: { ...seen.status, peers },
    alerts: Array.from({ length: 9 }, () => alert),
    alertCount: 9,
  }
  for (const [columns, rows] of [
    [200, 60],
    [80, 24],
    [40, 10],
    [5, 2],
  ] as const) {
    const lines = linesOf(busy, columns, rows)
    assert.ok(lines.length <= rows)
    for (const line of lines) {
      assert.ok(line.length <= columns, line)
      // eslint-disable-next-line no-control-regex -- what must not be there
      assert.doesNotMatch(line, /[\u0000-\u001f\u202e]/)
    }
  }
  assert.ok(linesOf(busy, 80).includes('and 4 more alerts: "shoal alerts"'))
})

test('is printed once where no terminal shows it', async () => {
  await withNode(async ({ shoal, json }) => {
    const { code, stdout } = await shoal('top')
    assert.equal(code, 0)
    assert.match(stdout, /^memory .*\nNo alerts\.\n[^]*\nshelf +online/)
    assert.equal(((await json('top')) as Seen).status.node.name, 'memory')
  })
})
