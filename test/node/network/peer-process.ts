// A node's network in a process of its own, serving echo. Argument: its name, folder and listen
// address as JSON. It sends its addresses once it listens, stops its network at any message, and
// then has nothing left to keep it alive.
import { Libp2pNetwork } from '../../../node/world/libp2p/network.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { echo, PROTOCOL } from './started.ts'

const { name, folder, listen } = JSON.parse(process.argv[2] ?? '') as Record<string, string>
const network = await Libp2pNetwork.create({
  seed: blake3(utf8(`test network ${name}`)),
  folder: folder ?? '',
  listen: [listen ?? ''],
  mdns: true,
})
await network.start()
await network.handle(PROTOCOL, echo)
process.send?.(network.addresses())
process.once('message', () => {
  void network.stop().then(() => process.disconnect())
})
