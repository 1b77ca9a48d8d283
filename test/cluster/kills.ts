// kill -9 at any moment during a put, on a real process with a real store: nothing acknowledged is
// missing afterwards, nothing torn is served, and the node starts again.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { hasCode } from '../../protocol/errors.ts'
import { TestCluster } from './cluster.ts'

/** Paths are written again and again, so that old and new versions meet. */
const PATHS = 24
/** One path in so many is a file of several chunks. */
const BIG_EVERY = 6
const BIG_BYTES = 3_000_000
/** Moments of death are spread over this span after the first put. */
const SPAN_MS = 250

/** Per path the version acknowledged last, and the ones that were begun after it. */
interface Written {
  acknowledged: number | undefined
  begun: number[]
}

/** Kill a node of its own so many times while files are put, and check what it has each time. */
export async function killDuringPuts(rounds: number): Promise<void> {
  await using cluster = await TestCluster.create()
  const node = cluster.node('n1')
  const written = new Map<string, Written>()
  let acknowledged = 0
  await node.start()
  await node.shoal('mkdir', '/before')
  await node.kill('SIGTERM')
  for (let round = 0; round < rounds; round++) {
    await node.start()
    const client = openClient({ home: node.home })
    try {
      for (const [path, versions] of written) await check(client, path, versions)
      const writing = write(client, round, written)
      // Not to synchronize: the death is meant to fall anywhere.
      await new Promise((resolve) => setTimeout(resolve, (round * 37) % SPAN_MS))
      await node.kill('SIGKILL')
      acknowledged += await writing
    } finally {
      client.close()
    }
  }
  await node.start()
  const client = openClient({ home: node.home })
  try {
    for (const [path, versions] of written) await check(client, path, versions)
  } finally {
    client.close()
  }
  // On a busy machine a node may die before its first put.
  assert(acknowledged > rounds / 4, `only ${acknowledged} puts were acknowledged`)
}

/** Put files, a few at a time, until the node is gone. returns how many were acknowledged. */
async function write(
  client: Client,
  round: number,
  written: Map<string, Written>,
): Promise<number> {
  let acknowledged = 0
  let next = 0
  const writer = async (): Promise<void> => {
    for (;;) {
      const number = round * 10_000 + next++
      const path = `/file-${number % PATHS}`
      const versions = written.get(path) ?? { acknowledged: undefined, begun: [] }
      written.set(path, versions)
      versions.begun.push(number)
      try {
        await client.writeFile(path, parts(contentOf(path, number)), {}, { ack: 'local' })
      } catch {
        return
      }
      acknowledged++
      versions.acknowledged = number
      versions.begun = versions.begun.filter((begun) => begun > number)
    }
  }
  await Promise.all([writer(), writer(), writer()])
  return acknowledged
}

/**
 * Checks that one whole version is served: the last one acknowledged, or one whose put was cut off
 * after it.
 */
async function check(
  client: Client,
  path: string,
  { acknowledged, begun }: Written,
): Promise<void> {
  let content: Buffer
  try {
    content = await readAll(client, path)
  } catch (error) {
    assert(hasCode(error, 'ENOENT'), `${path}: ${String(error)}`)
    assert.equal(acknowledged, undefined, `${path} was acknowledged and is gone`)
    return
  }
  const allowed = [...begun, ...(acknowledged === undefined ? [] : [acknowledged])]
  const isWhole = allowed.some((number) => contentOf(path, number).equals(content))
  assert(
    isWhole,
    `${path} holds ${content.length} bytes that are none of the versions ${allowed.join(', ')}`,
  )
}

async function readAll(client: Client, path: string): Promise<Buffer> {
  const { content } = await client.readFile(path)
  const read: Uint8Array[] = []
  for await (const part of content) read.push(part)
  return Buffer.concat(read)
}

/**
 * The content of a version, the same for the same number: random bytes, from inline to several
 * chunks long.
 */
function contentOf(path: string, number: number): Buffer {
  const isBig = Number(path.split('-')[1]) % BIG_EVERY === 0
  const length = isBig ? BIG_BYTES : (number * 997) % 20_000
  const block = createHash('shake256', { outputLength: 4096 }).update(`${number}`).digest()
  const content = Buffer.alloc(length, block)
  content.write(`${number}`.slice(0, length))
  return content
}

async function* parts(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 262_144) yield content.subarray(at, at + 262_144)
}
