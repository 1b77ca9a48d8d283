// How soon a small file that is written on one of many nodes is there on the others: real
// processes, all connected to all.
import { cpus } from 'node:os'
import { utf8 } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { TestCluster } from '../../test/cluster/cluster.ts'
import type { TestNode } from '../../test/cluster/cluster.ts'
import type { Figures } from './figures.ts'
import { quantile } from './quantile.ts'

/**
 * Nodes that are asked for the file. All would take more CPU than there is: what is measured would
 * be the asking.
 */
const WATCHED = 3
const POLL_MS = 5
const PAUSE_MS = 200

export async function measureGossip(count: number, rounds: number): Promise<Figures> {
  await using cluster = await TestCluster.start(count)
  await cluster.converged()
  const clients = cluster.nodes.map(({ home }) => openClient({ home }))
  const [acknowledged, sinceAck, sinceCall]: [number[], number[], number[]] = [[], [], []]
  const idle = idleShare()
  for (let round = 0; round < rounds; round++) {
    const [writer, ...watched] = Array.from(
      { length: 1 + Math.min(WATCHED, count - 1) },
      (_, at) => clients[(round * 7 + at * 3) % count],
    ) as [Client, ...Client[]]
    const path = `/file ${round}`
    const seen = watched.map((client) => seenAt(client, path))
    const called = performance.now()
    await writer.writeFile(path, content(`content ${round}`))
    const acked = performance.now()
    acknowledged.push(acked - called)
    for (const at of await Promise.all(seen)) {
      sinceAck.push(Math.max(0, at - acked))
      sinceCall.push(at - called)
    }
    await sleep(PAUSE_MS)
  }
  const idlePart = idle()
  for (const client of clients) client.close()
  return {
    title: `A small file written on one of ${count} nodes`,
    header: ['event', 'samples', 'p50, ms', 'p90, ms', 'p99, ms', 'max, ms'],
    rows: [
      row('acknowledged to the writer: durable there', acknowledged),
      row('from then until it shows on another node', sinceAck),
      row('from the call until it shows on another node', sinceCall),
    ],
    notes: [
      `Polled on ${WATCHED} others every ${POLL_MS} ms. Idle CPU meanwhile: ${(100 * idlePart).toFixed(0)} %.`,
      await memoryOf(cluster.nodes),
    ],
  }
}

function row(what: string, times: readonly number[]): readonly string[] {
  const cells = [0.5, 0.9, 0.99, 1].map((part) => quantile(times, part).toFixed(1))
  return [what, String(times.length), ...cells]
}

/** When the file shows. */
async function seenAt(client: Client, path: string): Promise<number> {
  for (;;) {
    try {
      await client.stat(path)
      return performance.now()
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    await sleep(POLL_MS)
  }
}

async function memoryOf(nodes: readonly TestNode[]): Promise<string> {
  const peaks = await Promise.all(nodes.map((node) => node.peakBytes()))
  return (
    `Peak RSS of a node: ${(quantile(peaks, 0.5) / 1e6).toFixed(0)} MB, ` +
    `at most ${(Math.max(...peaks) / 1e6).toFixed(0)} MB.`
  )
}

/** Starts to count; the function returned gives the share of all CPUs that was idle since. */
function idleShare(): () => number {
  const before = cpuTimes()
  return () => {
    const now = cpuTimes()
    return (now.idle - before.idle) / (now.all - before.all)
  }
}

function cpuTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((cpu) => cpu.times)
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  return {
    idle: sum(times.map(({ idle }) => idle)),
    all: sum(times.flatMap((each) => Object.values(each))),
  }
}

async function* content(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
