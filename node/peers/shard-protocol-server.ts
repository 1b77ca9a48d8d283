// Serves /shoal/shard/1: members get what this node holds, and those who may store hand it shards to keep. A shard is
// kept only if it hashes to what its header says, and acknowledged only once it is durable. Bytes in memory for puts
// are bounded; a peer beyond the bound waits, by backpressure of its channel.
import { ShoalError, asShoalError, assertNever } from '../../protocol/errors.ts'
import { stripeIdBytes } from '../../protocol/ids.ts'
import {
  SHARD_PROTOCOL,
  SHARD_MAX,
  decodeShardRequest,
  encodeShardReply,
} from '../../protocol/wire/shard.ts'
import { decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { proveShardRange, shardRoot } from '../../protocol/stripe/shard-tree.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { discardPayload, receivePayload, sendPayload } from './shard-protocol-frames.ts'
import type { PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ShardReply, ShardRequest } from '../../protocol/wire/shard.ts'
import type { Store } from '../store/store.ts'
import type { Channel, Clock, Network } from '../world/world.ts'
import type { FrameDeadline } from './shard-protocol-frames.ts'
