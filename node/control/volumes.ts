// The calls of a node's owner about volumes and their policies.
import { call } from './route.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'
import type { VolumeStatus } from './status.ts'

export interface VolumesApi {
  /** throws 'EEXIST', 'usage'. */
  createVolume(request: CreateVolumeRequest, options?: CallOptions): Promise<VolumeInfo>
  listVolumes(options?: CallOptions): Promise<readonly VolumeStatus[]>
  /**
   * Try the entry again that a volume stopped at. throws 'no-such-volume', 'EIO' where the node
   * must start anew first.
   */
  retryVolume(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /** throws 'no-such-volume'. */
  volumeInfo(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /**
   * Set policies by name (class, ack, grace, ...), all or none. throws 'usage' naming the key and
   * its values.
   */
  setVolume(volume: string, settings: Settings, options?: CallOptions): Promise<VolumeInfo>
  /**
   * Call a volume otherwise on this node: names of volumes are those of a node. throws
   * 'no-such-volume', 'EEXIST', 'usage' for what is no name.
   */
  renameVolume(volume: string, name: string, options?: CallOptions): Promise<VolumeInfo>
  /**
   * Start from the checkpoint of a peer, though too few members attest it: the owner of this node
   * vouches for it.
   * throws 'no-such-volume', 'no-such-peer', 'EEXIST' if there is no need to, 'unreachable',
   * 'unsupported' (it has none).
   */
  acceptCheckpoint(peer: string, options?: VolumeCallOptions): Promise<VolumeInfo>
}

export const volumesRoutes: RoutesOf<VolumesApi> = {
  createVolume: call(['*'], ({ label, settings }) => ({
    name: label,
    chunk: label.optional(),
    hash: label.optional(),
    settings: settings.optional(),
  })),
  listVolumes: call([], () => ({})),
  retryVolume: call(['volume'], ({ label }) => ({ volume: label })),
  volumeInfo: call(['volume'], ({ label }) => ({ volume: label })),
  setVolume: call(['volume', 'settings'], ({ label, settings }) => ({ volume: label, settings })),
  renameVolume: call(['volume', 'name'], ({ label }) => ({ volume: label, name: label })),
  acceptCheckpoint: call(['peer'], ({ label, volume }) => ({ peer: label, volume })),
}

export interface CreateVolumeRequest {
  readonly name: string
  /** Average chunk: '64k', '256k' or '1m'. For ever. */
  readonly chunk?: string | undefined
  /** 'blake3' or 'sha2-256'. For ever. */
  readonly hash?: string | undefined
  readonly settings?: Settings | undefined
}

/**
 * Policies of a volume by name, as `shoal volume set` takes them: class=rs4+2, ack=placed,
 * grace=30m, ...
 */
export type Settings = Readonly<Record<string, string>>

export interface VolumeInfo extends VolumeStatus {
  readonly members: readonly { readonly peer: PeerId; readonly name: string; readonly role: Role }[]
  readonly settings: Settings
  readonly chunk: string
  readonly hash: string
  readonly createdMs: WallTime
  /** Entries of the log held. */
  readonly entries: number
  /**
   * Former versions and removed files that are kept, and their bytes as they were written. Only
   * told by volumeInfo().
   */
  readonly kept?:
    { readonly versions: number; readonly removedFiles: number; readonly bytes: number } | undefined
}
