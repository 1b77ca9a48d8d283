// How the members of a volume describe themselves: name, zone, capacity. Part of the state that a
// log makes; who is a member at all is told by the governing entries alone. One record a member,
// all in memory: 'M' public key -> the newest.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { MemberInfo } from '../../protocol/membership/members.ts'
import type { ClearOp } from '../../protocol/op/op.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const INFO: ByteString = STATE_PREFIXES.memberInfo

export class MemberInfos {
  readonly #view: ReplicaView
  readonly #infos = new Map<PeerId, MemberInfo>()
  /** Counts changes. */
  version = 0

  private constructor(view: ReplicaView) {
    this.#view = view
  }

  static async open(view: ReplicaView): Promise<MemberInfos> {
    const infos = new MemberInfos(view)
    for await (const [key, value] of view.scan(INFO, prefixEnd(INFO)))
      infos.#infos.set(peerIdFromPublicKey(fromByteString(key.slice(1))), decodeInfo(value))
    return infos
  }

  of(peer: PeerId): MemberInfo | undefined {
    return this.#infos.get(peer)
  }

  apply(op: Extract<ClearOp, { kind: 'member-info' }>, stamp: Stamp): void {
    const known = this.#infos.get(op.peer)
    if (known !== undefined && stamp <= known.described) return
    const { name, zone, capacityBytes } = op
    const info = { name, zone, capacityBytes, described: stamp }
    this.#infos.set(op.peer, info)
    this.version++
    this.#view.put(INFO + toByteString(publicKeyOf(op.peer)), encodeInfo(info))
  }
}

function encodeInfo({ name, zone, capacityBytes, described }: MemberInfo): Uint8Array {
  return encodeCbor([name, zone, capacityBytes, fromByteString(described)])
}

function decodeInfo(bytes: Uint8Array): MemberInfo {
  const [name, zone, capacityBytes, described] = decodeCbor(bytes, 'member record') as readonly [
    string,
    string,
    number,
    Uint8Array,
  ]
  return { name, zone, capacityBytes, described: toByteString(described) as Stamp }
}
