// A large file out of a node in an archive and into it again, with memory that does not grow with
// it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GIB, MIB } from '../../protocol/units.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { Exported } from '../../node/control/exchange.ts'
import type { TestNode } from '../cluster/cluster.ts'

const SHOAL = fileURLToPath(new URL('../../cli/shoal.mjs', import.meta.url))
const SIZE_BYTES: number = Number(process.env['SHOAL_LONG_GIB'] ?? '1') * GIB
const RSS_BYTES_MAX: number = 600 * MIB

test('a file of many GiB is exported and imported in bounded memory, plain and sealed', async (t) => {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const written = await put(node, '/large')
  const atPut = await node.peakBytes()
  for (const options of [[], ['--sealed']]) {
    const file = join(cluster.folder, 'large.car')
    const startedMs = performance.now()
    const { bytes } = await node.json<Exported>('export', ...options, '/large', file)
    const exportedMs = performance.now()
    assert.equal(bytes, SIZE_BYTES)
    await node.shoal('import', file, '/again')
    const importedMs = performance.now()
    assert.equal(await digestOf(node, '/again'), written)
    const peak = await node.peakBytes()
    const rate = (fromMs: number, toMs: number): string =>
      `${Math.round(SIZE_BYTES / MIB / ((toMs - fromMs) / 1000))} MiB/s`
    t.diagnostic(
      `${options[0] ?? 'plain'}: ${SIZE_BYTES / GIB} GiB, archive ${(await stat(file)).size} bytes, ` +
        `out ${rate(startedMs, exportedMs)}, in ${rate(exportedMs, importedMs)}, ` +
        `peak RSS ${Math.round(peak / MIB)} MiB (${Math.round(atPut / MIB)} after put)`,
    )
    assert(peak < RSS_BYTES_MAX, `${peak} bytes`)
    await node.shoal('rm', '/again')
    await rm(file)
  }
})

/** Bytes that do not repeat. returns their hash. */
async function put(node: TestNode, path: string): Promise<string> {
  const child = spawn(process.execPath, [SHOAL, '--home', node.home, 'put', '-', path], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const hash = createHash('sha256')
  const block = xorshiftBytes(7, MIB)
  for (let at = 0; at < SIZE_BYTES; at += MIB) {
    const part = Buffer.from(block)
    part.writeDoubleBE(at)
    for (let mark = 16; mark < MIB; mark += 4096) part.writeUInt32BE((at / MIB) >>> 0, mark)
    hash.update(part)
    if (!child.stdin.write(part)) await once(child.stdin, 'drain')
  }
  child.stdin.end()
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 0)
  return hash.digest('hex')
}

async function digestOf(node: TestNode, path: string): Promise<string> {
  const child = spawn(process.execPath, [SHOAL, '--home', node.home, 'cat', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const hash = createHash('sha256')
  for await (const part of child.stdout as AsyncIterable<Uint8Array>) hash.update(part)
  return hash.digest('hex')
}
