// Networks and foreign peers on 127.0.0.1 for one test each: all of it ends with the test, also
// when that fails.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { SystemClock } from '../../../node/world/clock.ts'
import { Libp2pNetwork } from '../../../node/world/libp2p/network.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import type { TestContext } from 'node:test'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { Libp2pNetworkOptions } from '../../../node/world/libp2p/network.ts'
import type { Channel } from '../../../node/world/world.ts'

export const PROTOCOL = '/shoal/test/1'
export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

/** The clock that tests wait with; a test that is not done by then fails. */
export const clock: SystemClock = new SystemClock()
export function deadline(): AbortSignal {
  return clock.timeout(20_000)
}

/** Tries until `done`; throws when `signal` aborts. */
export async function until(
  signal: AbortSignal,
  done: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await done())) await clock.sleep(20, { signal })
}

/** A folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-network-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A network of the name's identity, not started. */
export async function createNetwork(
  t: TestContext,
  name: string,
  options: Partial<Libp2pNetworkOptions> = {},
): Promise<Libp2pNetwork> {
  const network = await Libp2pNetwork.create({
    seed: blake3(utf8(`test network ${name}`)),
    folder: options.folder ?? (await temporaryFolder(t)),
    listen: [LOOPBACK],
    mdns: false,
    ...options,
  })
  t.after(() => network.stop())
  return network
}

export async function startNetwork(
  t: TestContext,
  name: string,
  options: Partial<Libp2pNetworkOptions> = {},
): Promise<Libp2pNetwork> {
  const network = await createNetwork(t, name, options)
  await network.start()
  return network
}

/** The encrypters of libp2p. */
type Encrypters = NonNullable<Libp2pOptions['connectionEncrypters']>

/** A peer of another make: libp2p as it comes, with these encrypters in order of preference. */
export async function startForeign(
  t: TestContext,
  connectionEncrypters: Encrypters,
): Promise<Libp2p> {
  const foreign = await createLibp2p({
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters,
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  t.after(() => foreign.stop())
  return foreign
}

/** Sends each frame back until the remote has no more. */
export async function echo(channel: Channel): Promise<void> {
  const signal = deadline()
  for (;;) {
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    await channel.send([frame], { signal })
  }
}
