// The calls that a running node offers its owner: the command, the doors (S3, WebDAV, ...) and
// programs that embed a node all speak through this interface and nothing else. Every failure is a
// ShoalError.
//
// Paths are '/folder/file' in the node's default volume, or 'volume:/folder/file'; names are UTF-8
// text. Where `volume` is optional it is a name or an id, and the default volume if left out. A
// `peer` is a name, an id, or the unique beginning or end of an id. Times of files are nanoseconds
// since the Unix epoch, as bigint (decimal text in JSON).
import type { AccountsApi } from './accounts.ts'
import type { AlertsApi } from './observe/alerts.ts'
import type { BackupsApi } from './backups.ts'
import type { ClonesApi } from './clones.ts'
import type { ColdApi } from './cold.ts'
import type { ConflictsApi } from './conflicts.ts'
import type { DoorsApi } from './doors.ts'
import type { ExchangeApi } from './exchange.ts'
import type { FilesApi } from './files.ts'
import type { GarbageApi } from './garbage.ts'
import type { HoldersApi } from './holders.ts'
import type { HistoryApi } from './history.ts'
import type { LogsApi } from './observe/logs.ts'
import type { LossesApi } from './losses.ts'
import type { MountsApi } from './mounts.ts'
import type { PeersApi } from './peers.ts'
import type { PinsApi } from './pins.ts'
import type { RecoveryApi } from './recovery.ts'
import type { SecurityApi } from './observe/security.ts'
import type { NodeStatus } from './status.ts'
import type { SnapshotsApi } from './snapshots.ts'
import type { TicketsApi } from './tickets.ts'
import type { UpkeepApi } from './upkeep.ts'
import type { LeavingApi } from './leaving.ts'
import type { VersionsApi } from './versions.ts'
import type { VolumesApi } from './volumes.ts'
import type { WatchApi } from './observe/watch.ts'

/**
 * Cancels the call: it rejects with 'aborted' and leaves nothing half done that a reader could see.
 */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** For calls about one volume, or all. */
export interface VolumeCallOptions extends CallOptions {
  /**
   * A name or an id. Default: the node's default volume, or all volumes where the call is about
   * all.
   */
  readonly volume?: string | undefined
}

/** All of it. Each noun has a file, with its calls, their routes and their types. */
export interface NodeApi
  extends
    PeersApi,
    VolumesApi,
    LeavingApi,
    FilesApi,
    ConflictsApi,
    HistoryApi,
    VersionsApi,
    LossesApi,
    SnapshotsApi,
    ClonesApi,
    MountsApi,
    UpkeepApi,
    GarbageApi,
    PinsApi,
    ColdApi,
    BackupsApi,
    AccountsApi,
    AlertsApi,
    LogsApi,
    DoorsApi,
    WatchApi,
    HoldersApi,
    RecoveryApi,
    SecurityApi,
    TicketsApi,
    ExchangeApi {
  status(options?: CallOptions): Promise<NodeStatus>
  /** Stop the node cleanly: unmount, finish writes, close the store. Idempotent. */
  stop(): Promise<void>
}

/**
 * A node in this process, as `shoal up` runs it. The control socket opens last in start(): it
 * answers = it is ready.
 */
export interface LocalNode {
  readonly api: NodeApi
  start(): Promise<void>
  /** As api.stop(). */
  stop(): Promise<void>
  /**
   * Resolves after stop() was done, whoever asked for it; rejects with the failure that ended the
   * node.
   */
  readonly stopped: Promise<void>
}
