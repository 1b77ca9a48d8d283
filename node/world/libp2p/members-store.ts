// The peer records that libp2p keeps on disk: members alone, and for each not more than a few
// addresses take. Whatever else tells of a peer (mDNS, answers in the DHT, who connects) leaves
// nothing behind.
import { peerIdFromCID } from '@libp2p/peer-id'
import { LevelDatastore } from 'datastore-level'
import { CID } from 'multiformats/cid'
import { base32 } from 'multiformats/bases/base32'
import { KIB } from '../../../protocol/units.ts'

type Key = Parameters<LevelDatastore['put']>[0]

/** Addresses with their certificate, protocols and tags take about 1 KiB. */
const PEER_BYTES_MAX: number = 16 * KIB

export class MembersStore extends LevelDatastore {
  #isKept: (peer: string) => boolean = () => true

  /** isKept: is a peer, by its id text, one to remember? */
  keepOnly(isKept: (peer: string) => boolean): void {
    this.#isKept = isKept
  }

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    const peer = peerOf(key)
    const isKept = peer === undefined || (this.#isKept(peer) && value.length <= PEER_BYTES_MAX)
    return isKept ? super.put(key, value) : key
  }

  /** Drop the records of peers that are none to remember any more. */
  async sweep(): Promise<void> {
    for await (const key of this.queryKeys({ prefix: '/peers/' })) {
      const peer = peerOf(key)
      if (peer !== undefined && !this.#isKept(peer)) await this.delete(key)
    }
  }
}

/** The peer that a record is about; undefined for records of other kinds. */
function peerOf(key: Key): string | undefined {
  const [, kind, cid] = key.toString().split('/')
  return kind === 'peers' && cid !== undefined
    ? peerIdFromCID(CID.parse(cid, base32)).toString()
    : undefined
}
