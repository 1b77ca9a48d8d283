// The status of the node of memory-node.ts, its one peer and its one volume.
import { publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import type { Seen } from '../../node/control/observe/watch.ts'
import type { NodeStatus, PeerStatus } from '../../node/control/status.ts'

const SELF = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN' as PeerId
const OTHER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId

export const NODE: NodeStatus['node'] = {
  id: SELF,
  name: 'memory',
  zone: undefined,
  addresses: [`/ip4/127.0.0.1/tcp/4100/p2p/${SELF}`],
  version: '0.1.0',
  home: '/nowhere',
  pid: process.pid,
  startedMs: 1_700_000_000_000 as WallTime,
  usedBytes: 0,
  holds: { shardBytes: 0, wholeBytes: 0, copyBytes: 0, unplacedBytes: 0, ownBytes: 0 },
  indexBytes: 0,
  freeBytes: 1_000_000_000,
  capacityBytes: 4_000_000_000,
  trashBytes: 0,
  reclaimableBytes: 0,
  cache: {
    usedBytes: 0,
    limitBytes: 1_000_000_000,
    foundBytes: 0,
    fetchedBytes: 0,
  },
  scrub: undefined,
}

export const PEER: PeerStatus = {
  id: OTHER,
  name: 'shelf',
  state: 'online',
  isConnected: true,
  addresses: [`/ip4/192.168.1.7/tcp/4100/p2p/${OTHER}`],
  volumes: [{ name: 'main', role: 'writer' }],
  roundTripMs: 1.25,
  capacityBytes: 4_000_000_000,
  freeBytes: 1_000_000_000,
  shards: 12,
  shardBytes: 3_000_000,
}

export const VOLUME: Omit<VolumeInfo, 'conflicts' | 'settings'> = {
  id: Buffer.from(publicKeyOf(SELF)).toString('hex') as VolumeId,
  name: 'main',
  isDefault: true,
  role: 'admin',
  class: 'rs1+1',
  stripes: { full: 3, degraded: 0, atRisk: 0, lost: 0 },
  cold: { copied: 0, only: 0, bytes: 0 },
  tiersToTrust: [],
  degradedPlacement: 0,
  files: 12,
  bytes: 3_400_000,
  isEmpty: false,
  logCopies: { nodes: 2, behind: [] },
  lags: [{ peer: OTHER, name: 'shelf', entries: 7, ms: 1500 }],
  reclaimableBytes: 0,
  waiting: { forPeers: 0, forRoom: 0, gone: [] },
  upkeep: {
    repairing: 0,
    queued: 0,
    moving: 0,
    brake: false,
    outdated: 0,
    repairedBytes: 0,
    movedBytes: 0,
  },
  tolerates: 1,
  unplacedBytes: 0,
  space: { dataBytes: 0, shardBytes: 0 },
  falseFiles: [],
  massLosses: [],
  garbageFault: undefined,
  differsMs: undefined,
  log: {
    stoppedAt: undefined,
    isHalted: false,
    isFull: false,
    heldBack: [],
    heldBackBy: [],
    checkpointMs: undefined,
    proposed: undefined,
    late: [],
    stalled: [],
    stranded: undefined,
  },
  heads: [],
  members: [{ peer: SELF, name: 'memory', role: 'admin' }],
  chunk: '64k',
  hash: 'blake3',
  createdMs: 1_700_000_000_000 as WallTime,
  entries: 7,
}

/** One look at a node of this status, at which its peer sends. */
export async function* seenOnce(
  statusOf: () => Promise<NodeStatus>,
): AsyncGenerator<readonly Seen[], void> {
  const traffic = { minutes: [], peers: [{ id: PEER.id, inPerSecond: 2e6, outPerSecond: 0 }] }
  yield [{ kind: 'seen', status: await statusOf(), alerts: [], alertCount: 0, traffic }]
}
