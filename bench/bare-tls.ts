// The baseline of shards to a peer: the same bytes over one bare TLS 1.3 connection to another
// process, which reads them into one buffer and drops them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { generateCertificate } from '@libp2p/tls/utils'
import { processorSeconds } from './processor-time.ts'

/** Seconds, and those of the processor at both ends. */
export interface Cost {
  readonly seconds: number
  readonly sender: number
  readonly holder: number
}

export async function measureBareTls(shards: readonly Uint8Array[]): Promise<Cost> {
  const certificate = await generateCertificate(await generateKeyPair('Ed25519'))
  const server = createServer({ ...certificate, minVersion: 'TLSv1.3' })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const bytes = shards.reduce((sum, shard) => sum + shard.length, 0)
  const receiver = fork(new URL('./bare-tls-receiver.ts', import.meta.url), [
    String(port),
    String(bytes),
  ])
  const [socket] = await once(server, 'secureConnection')
  const ends = (): Promise<[number, number]> =>
    Promise.all([processorSeconds(process.pid), processorSeconds(receiver.pid ?? 0)])
  const [senderBefore, holderBefore] = await ends()
  const startedAt = performance.now()
  for (const shard of shards) if (socket.write(shard) === false) await once(socket, 'drain')
  await once(receiver, 'message')
  const seconds = (performance.now() - startedAt) / 1000
  const [senderAfter, holderAfter] = await ends()
  socket.destroy()
  server.close()
  receiver.disconnect()
  await once(receiver, 'exit')
  return { seconds, sender: senderAfter - senderBefore, holder: holderAfter - holderBefore }
}
