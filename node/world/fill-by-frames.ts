// Channel.receiveInto() for channels whose frames come whole.
import { asShoalError, ShoalError } from '../../protocol/errors.ts'
import type { Channel, ReceiveIntoOptions } from './world.ts'

/** See Channel.receiveInto(). */
export async function fillByFrames(
  channel: Pick<Channel, 'peer' | 'protocol' | 'receive' | 'abort'>,
  into: Uint8Array,
  { signal, onFrame }: ReceiveIntoOptions,
): Promise<void> {
  const { peer, protocol } = channel
  try {
    for (let at = 0; at < into.length;) {
      const frame = await channel.receive({ signal })
      if (frame === undefined)
        throw new ShoalError('unreachable', `${peer} ended ${protocol} before all was sent`)
      const left = into.length - at
      if (frame.length === 0 || frame.length > left)
        throw new ShoalError('malformed', `a frame of ${frame.length} bytes where ${left} are left`)
      into.set(frame, at)
      at += frame.length
      onFrame?.()
    }
  } catch (error) {
    channel.abort(asShoalError(error)) // the rest would be taken for what comes next
    throw error
  }
}
