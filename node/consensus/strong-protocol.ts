// The messages to voters about strong writes: /shoal/strong/1.
import type { StrongReply, StrongRequest } from '../../protocol/strong/acceptor.ts'
import {
  STRONG_FRAME_MAX,
  STRONG_PROTOCOL,
  decodeStrongAnswer,
  decodeStrongRequest,
  encodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'
import { VoterProtocol } from './voter-protocol.ts'
import type { VoterProtocolComponents } from './voter-protocol.ts'

export class StrongProtocol extends VoterProtocol<StrongRequest, StrongReply> {
  constructor(components: VoterProtocolComponents<StrongRequest, StrongReply>) {
    super(components, {
      protocol: STRONG_PROTOCOL,
      requestMax: STRONG_FRAME_MAX,
      answerMax: STRONG_FRAME_MAX,
      encodeRequest: encodeStrongRequest,
      decodeRequest: decodeStrongRequest,
      encodeAnswer: encodeStrongAnswer,
      decodeAnswer: decodeStrongAnswer,
    })
  }
}
