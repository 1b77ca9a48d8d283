// Payload on a channel: pieces of at most PAYLOAD_PIECE bytes, each with a deadline of its own, so
// that a slow peer that makes progress is waited for and a hung one is not.
import { ShoalError } from '../../protocol/errors.ts'
import { PAYLOAD_PIECE } from '../../protocol/wire/shard.ts'
import type { Channel } from '../world/world.ts'

/** A fresh deadline for the next frame, by the one signal of an exchange. */
export type FrameDeadline = () => AbortSignal

/** Send `bytes` as payload frames. They must not be written to after. */
export async function sendPayload(
  channel: Channel,
  bytes: Uint8Array,
  deadline: FrameDeadline,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += PAYLOAD_PIECE) {
    await channel.send([bytes.subarray(at, at + PAYLOAD_PIECE)], { signal: deadline() })
  }
}

/**
 * Payload into `into`, all of it.
 * throws ShoalError 'malformed' when the pieces do not add up, 'unreachable' when the remote closes
 * early.
 */
export async function receivePayload(
  channel: Channel,
  into: Uint8Array,
  deadline: FrameDeadline,
): Promise<void> {
  await channel.receiveInto(into, { signal: deadline(), onFrame: () => void deadline() })
}

/** Receive `length` bytes of payload and drop them. throws as receivePayload. */
export async function discardPayload(
  channel: Channel,
  length: number,
  deadline: FrameDeadline,
): Promise<void> {
  for (let at = 0; at < length;) at += (await receivePiece(channel, length - at, deadline)).length
}

/** The next frame. throws ShoalError 'unreachable' when the remote has closed. */
export async function receiveFrame(channel: Channel, deadline: FrameDeadline): Promise<Uint8Array> {
  const frame = await channel.receive({ signal: deadline() })
  if (frame === undefined) {
    throw new ShoalError('unreachable', `${channel.peer} closed the channel before it answered`)
  }
  return frame
}

async function receivePiece(
  channel: Channel,
  lengthMax: number,
  deadline: FrameDeadline,
): Promise<Uint8Array> {
  const piece = await receiveFrame(channel, deadline)
  if (piece.length === 0 || piece.length > Math.min(lengthMax, PAYLOAD_PIECE)) {
    throw new ShoalError(
      'malformed',
      `${channel.peer} sent a payload piece of ${piece.length} bytes`,
    )
  }
  return piece
}
