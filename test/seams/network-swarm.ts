// Networks of one fixture for one test each, and what the scenarios of the network suite share.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Channel, Clock, Network } from '../../node/world/world.ts'

/** A place where networks can reach each other. */
export interface NetworkFixture {
  readonly clock: Clock
  /**
   * A network, not started. The same name again, after a stop, is the same identity with what it
   * had learned.
   */
  create(name: string): Promise<Network>
  /** Runs `work` to its end; a simulation advances its time meanwhile. */
  run(work: () => Promise<void>): Promise<void>
  close(): Promise<void>
}
/** Opens a new one. */
export type Open = () => Promise<NetworkFixture>

export const PROTOCOL = '/shoal/test/1'
/** After this a test gives up. */
const DEADLINE_MS: number = 15 * SECOND_MS

/** Started networks of one fixture; all of it ends with the test. */
export class Swarm {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly #fixture: NetworkFixture
  readonly #started = new Set<Network>()

  constructor(fixture: NetworkFixture) {
    this.#fixture = fixture
    this.clock = fixture.clock
    this.signal = fixture.clock.timeout(DEADLINE_MS)
  }

  async start(name: string): Promise<Network> {
    const network = await this.#fixture.create(name)
    this.#started.add(network)
    await network.start()
    return network
  }

  async stop(network: Network): Promise<void> {
    this.#started.delete(network)
    await network.stop()
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#started].map((network) => this.stop(network)))
  }

  /** Two started networks, the first connected to the second. */
  async pair(): Promise<[Network, Network]> {
    const pair: [Network, Network] = [await this.start('a'), await this.start('b')]
    await this.connect(...pair)
    return pair
  }

  async connect(from: Network, to: Network): Promise<void> {
    await from.dial(to.addresses(), { signal: this.signal })
    await this.until(() => to.peers().includes(from.self))
  }

  /** Tries until `done`; the test's deadline ends it. */
  async until(done: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await done())) await this.clock.sleep(20, { signal: this.signal })
  }
}

/** A test with a swarm of its own. */
export function scenario(title: string, open: Open, body: (swarm: Swarm) => Promise<void>): void {
  test(title, async () => {
    const fixture = await open()
    try {
      await fixture.run(async () => {
        const swarm = new Swarm(fixture)
        try {
          await body(swarm)
        } finally {
          await swarm.stopAll()
        }
      })
    } finally {
      await fixture.close()
    }
  })
}

/** The error of work that must fail with `code`. */
export async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<Error> {
  const error: unknown = await work.then(
    () => assert.fail(`should have been rejected with '${code}'`),
    (reason: unknown) => reason,
  )
  assert.ok(hasCode(error, code), `expected '${code}', got ${String(error)}`)
  return error
}

export function bytesOf(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

/** Serves a channel: each frame goes back. */
export async function echo(channel: Channel, signal: AbortSignal): Promise<void> {
  for (;;) {
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    await channel.send([frame], { signal })
  }
}
