// Prometheus' own checker, on what a node serves and on the rules for it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { withPlace } from '../cli/shoal.ts'
import { need } from './need.ts'
import type { LogLine } from '../../node/control/observe/logs.ts'

need('promtool')

test('what a node serves is in order', async () => {
  await withPlace(async ({ shoal }) => {
    const alone = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const
    await shoal('up', '--detach', '--metrics', '127.0.0.1:0', ...alone)
    await shoal('mkdir', '/a')
    const { stdout } = await shoal('--json', 'logs')
    const lines = stdout.trimEnd().split('\n')
    const open = lines
      .map((line) => JSON.parse(line) as LogLine)
      .findLast(({ event }) => event === 'metrics.open')
    const answer = await fetch(new URL('/metrics', String(open?.fields['url'])))
    check(['check', 'metrics'], await answer.text())
    await shoal('down')
  })
})

test('the rules are in order', () => {
  check(['check', 'rules', join(import.meta.dirname, '../../monitoring/prometheus-alerts.yml')])
})

function check(args: readonly string[], input = ''): void {
  const { status, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}
