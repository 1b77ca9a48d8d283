// The calls about leaving volumes, of the node in memory.
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { LeaveRequest, LeavingApi, LeftStatus } from '../../node/control/leaving.ts'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import { MemoryExchange } from './memory-exchange.ts'
import { VOLUME } from './memory-status.ts'

export abstract class MemoryLeaving extends MemoryExchange implements LeavingApi {
  left: readonly LeftStatus[] = []

  abstract volumeInfo(volume: string): Promise<VolumeInfo>

  async listLeftVolumes(): Promise<readonly LeftStatus[]> {
    return this.left
  }

  async leaveVolume(volume: string, { now = false }: LeaveRequest = {}): Promise<LeftStatus> {
    const { id, name } = this.left.find((left) => left.name === volume) ?? VOLUME
    const leftMs = 1_700_000_000_000 as WallTime
    const untilMs = (leftMs + 7 * 86_400 * SECOND_MS) as WallTime
    const left = { id, name, leftMs, untilMs, state: now ? 'deleted' : 'kept' } as const
    this.left = now ? [] : [left]
    return left
  }

  async removeVolume(volume: string, request: LeaveRequest = {}): Promise<LeftStatus> {
    return this.leaveVolume(volume, request)
  }

  async rejoinVolume(volume: string): Promise<VolumeInfo> {
    this.left = []
    return this.volumeInfo(volume)
  }
}
