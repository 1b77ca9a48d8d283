// The messages to voters about locks: /shoal/lock/1.
import {
  LOCK_ANSWER_MAX,
  LOCK_PROTOCOL,
  LOCK_REQUEST_MAX,
  decodeLockAnswer,
  decodeLockRequest,
  encodeLockAnswer,
  encodeLockRequest,
} from '../../protocol/wire/lock.ts'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'
import { VoterProtocol } from './voter-protocol.ts'
import type { VoterProtocolComponents } from './voter-protocol.ts'

export class LockProtocol extends VoterProtocol<LockRequest, LockReply> {
  constructor(components: VoterProtocolComponents<LockRequest, LockReply>) {
    super(components, {
      protocol: LOCK_PROTOCOL,
      requestMax: LOCK_REQUEST_MAX,
      answerMax: LOCK_ANSWER_MAX,
      encodeRequest: encodeLockRequest,
      decodeRequest: decodeLockRequest,
      encodeAnswer: encodeLockAnswer,
      decodeAnswer: decodeLockAnswer,
    })
  }
}
