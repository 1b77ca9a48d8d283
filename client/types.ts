// Types of the HTTP API, made of its description by scripts/client-types.ts: do not edit.
/* eslint-disable -- generated */

/** As the description of the API has it. */
export interface FileStat {
  readonly name: string
  readonly nameBytes?: string | undefined
  readonly kind:
    'file' | 'folder' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkCount: number
  readonly sizeBytes: number
  readonly modifiedNs: string
  readonly changedNs: string
  readonly target?: string | undefined
  readonly targetBytes?: string | undefined
  readonly rdev?: number | undefined
  readonly tag?: string | undefined
  readonly extended?: Readonly<Record<string, string>> | undefined
}

/** As the description of the API has it. */
export interface FolderPage {
  readonly entries: readonly FileStat[]
  readonly next?: string | undefined
}

/** As the description of the API has it. */
export type LogItem =
  | {
      readonly kind: 'entry'
      readonly id: string
      readonly parents: readonly string[]
      readonly peer: string
      readonly author: string
      readonly timeMs: number
      readonly changes: readonly {
        readonly kind: string
        readonly text: string
        readonly note?: string | undefined
        readonly path?: string | undefined
        readonly sizeBytes?: number | undefined
      }[]
    }
  | { readonly kind: 'dropped'; readonly beforeMs?: number | undefined }

/** As the description of the API has it. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly permanent?: boolean | undefined
}

/** As the description of the API has it. */
export interface RemovedItem {
  readonly path: string
  readonly kind:
    'file' | 'folder' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device'
  readonly sizeBytes: number
  readonly removedMs: number
  readonly removedBy: string
}

/** As the description of the API has it. */
export interface SnapshotInfo {
  readonly name: string
  readonly volume: string
  readonly path?: string | undefined
  readonly timeMs: number
  readonly author: string
  readonly isHeld: boolean
  readonly ownBytes?: number | undefined
  readonly state: 'same' | 'disputed' | 'taken' | 'awaited' | 'lost'
}

/** As the description of the API has it. */
export interface Upload {
  readonly location: string
  readonly path: string
  readonly offset: number
  readonly length?: number | undefined
  readonly endsMs: number
}

/** As the description of the API has it. */
export interface Uploads {
  readonly uploads: readonly Upload[]
}

/** As the description of the API has it. */
export interface VersionInfo {
  readonly id: string
  readonly kind:
    'file' | 'folder' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device'
  readonly sizeBytes: number
  readonly timeMs: number
  readonly author: string
  readonly end: 'current' | 'conflict' | 'overwritten' | 'removed' | 'replaced' | 'dropped'
  readonly endedMs?: number | undefined
  readonly endedBy?: string | undefined
}

/** Calls with one answer. */
export interface Calls {
  readonly status: { readonly fields: {}; readonly answer: unknown }
  readonly listPeers: { readonly fields: {}; readonly answer: unknown }
  readonly addPeer: { readonly fields: { readonly address: string }; readonly answer: unknown }
  readonly memberInfo: {
    readonly fields: { readonly peer: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly renamePeer: {
    readonly fields: {
      readonly peer: string
      readonly name: string
      readonly volume?: string | undefined
    }
    readonly answer: unknown
  }
  readonly removePeer: {
    readonly fields: {
      readonly peer: string
      readonly volume?: string | undefined
      readonly now?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly peerLoss: { readonly fields: { readonly peer: string }; readonly answer: unknown }
  readonly peerInfo: { readonly fields: { readonly peer: string }; readonly answer: unknown }
  readonly pingPeer: { readonly fields: { readonly peer: string }; readonly answer: unknown }
  readonly createVolume: {
    readonly fields: {
      readonly name: string
      readonly chunk?: string | undefined
      readonly hash?: string | undefined
      readonly settings?: Readonly<Record<string, string>> | undefined
    }
    readonly answer: unknown
  }
  readonly listVolumes: { readonly fields: {}; readonly answer: unknown }
  readonly retryVolume: { readonly fields: { readonly volume: string }; readonly answer: unknown }
  readonly volumeInfo: { readonly fields: { readonly volume: string }; readonly answer: unknown }
  readonly setVolume: {
    readonly fields: {
      readonly volume: string
      readonly settings: Readonly<Record<string, string>>
    }
    readonly answer: unknown
  }
  readonly renameVolume: {
    readonly fields: { readonly volume: string; readonly name: string }
    readonly answer: unknown
  }
  readonly acceptCheckpoint: {
    readonly fields: { readonly peer: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly leaveVolume: {
    readonly fields: {
      readonly volume: string
      readonly force?: boolean | undefined
      readonly now?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly removeVolume: {
    readonly fields: {
      readonly volume: string
      readonly force?: boolean | undefined
      readonly now?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly rejoinVolume: { readonly fields: { readonly volume: string }; readonly answer: unknown }
  readonly listLeftVolumes: { readonly fields: {}; readonly answer: unknown }
  readonly stat: {
    readonly fields: {
      readonly path: string
      readonly extended?: boolean | undefined
      readonly version?: string | undefined
    }
    readonly answer: FileStat
  }
  readonly listPage: {
    readonly fields: {
      readonly path: string
      readonly extended?: boolean | undefined
      readonly removed?: boolean | undefined
      readonly after?: string | undefined
      readonly limit?: number | undefined
    }
    readonly answer: FolderPage
  }
  readonly makeFolder: {
    readonly fields: {
      readonly path: string
      readonly parents?: boolean | undefined
      readonly mode?: number | undefined
      readonly ack?: 'none' | 'local' | 'copied' | 'placed' | undefined
    }
    readonly answer: unknown
  }
  readonly remove: {
    readonly fields: {
      readonly path: string
      readonly recursive?: boolean | undefined
      readonly ack?: 'none' | 'local' | 'copied' | 'placed' | undefined
      readonly ifTag?: string | undefined
    }
    readonly answer: unknown
  }
  readonly move: {
    readonly fields: {
      readonly from: string
      readonly to: string
      readonly exact?: boolean | undefined
      readonly ifTag?: string | undefined
    }
    readonly answer: unknown
  }
  readonly joinFiles: {
    readonly fields: {
      readonly path: string
      readonly parts: readonly string[]
      readonly extended?: Readonly<Record<string, string | null>> | undefined
      readonly ifTag?: string | undefined
      readonly mode?: number | undefined
      readonly modifiedNs?: string | undefined
      readonly sizeBytes?: number | undefined
      readonly isNew?: boolean | undefined
      readonly ack?: 'none' | 'local' | 'copied' | 'placed' | undefined
    }
    readonly answer: unknown
  }
  readonly makeSymlink: {
    readonly fields: {
      readonly path: string
      readonly target: string
      readonly ack?: 'none' | 'local' | 'copied' | 'placed' | undefined
    }
    readonly answer: unknown
  }
  readonly setAttributes: {
    readonly fields: {
      readonly path: string
      readonly extended?: Readonly<Record<string, string | null>> | undefined
      readonly mode?: number | undefined
      readonly modifiedNs?: string | undefined
    }
    readonly answer: unknown
  }
  readonly settle: {
    readonly fields: { readonly ack?: 'none' | 'local' | 'copied' | 'placed' | undefined }
    readonly answer: unknown
  }
  readonly showConflict: {
    readonly fields: { readonly path: string; readonly from?: number | undefined }
    readonly answer: unknown
  }
  readonly keepConflict: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly findVersion: {
    readonly fields: {
      readonly path: string
      readonly atMs?: number | undefined
      readonly version?: string | undefined
    }
    readonly answer: unknown
  }
  readonly undelete: {
    readonly fields: { readonly path: string; readonly to?: string | undefined }
    readonly answer: unknown
  }
  readonly restore: {
    readonly fields: {
      readonly path: string
      readonly to?: string | undefined
      readonly atMs?: number | undefined
      readonly version?: string | undefined
    }
    readonly answer: unknown
  }
  readonly purgeVersions: {
    readonly fields: { readonly path: string; readonly version?: string | undefined }
    readonly answer: unknown
  }
  readonly listLosses: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly dismissLosses: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly createSnapshot: {
    readonly fields: { readonly path: string; readonly name?: string | undefined }
    readonly answer: SnapshotInfo
  }
  readonly listSnapshots: {
    readonly fields: { readonly volume?: string | undefined; readonly space?: boolean | undefined }
    readonly answer: readonly SnapshotInfo[]
  }
  readonly removeSnapshot: {
    readonly fields: {
      readonly name: string
      readonly volume?: string | undefined
      readonly force?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly holdSnapshot: {
    readonly fields: {
      readonly name: string
      readonly volume?: string | undefined
      readonly release?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly rollBack: {
    readonly fields: {
      readonly path: string
      readonly snapshot: string
      readonly dryRun?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly mount: {
    readonly fields: {
      readonly folder: string
      readonly volume?: string | undefined
      readonly readOnly?: boolean | undefined
      readonly allowOther?: boolean | undefined
      readonly subdir?: string | undefined
      readonly uid?: number | undefined
      readonly gid?: number | undefined
      readonly umask?: number | undefined
      readonly nonEmpty?: boolean | undefined
      readonly cacheSize?: string | undefined
      readonly waitMs?: number | undefined
      readonly sync?: 'fsync' | 'always' | undefined
      readonly driver?: 'kernel' | 'fuse-native' | undefined
    }
    readonly answer: unknown
  }
  readonly unmount: {
    readonly fields: { readonly folder: string; readonly force?: boolean | undefined }
    readonly answer: unknown
  }
  readonly listMounts: { readonly fields: {}; readonly answer: unknown }
  readonly repair: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly addPin: {
    readonly fields: { readonly path: string; readonly class: string }
    readonly answer: unknown
  }
  readonly addColdPin: {
    readonly fields: { readonly path: string; readonly tier: string }
    readonly answer: unknown
  }
  readonly removePin: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly addTier: {
    readonly fields: {
      readonly url: string
      readonly endpoint?: string | undefined
      readonly region?: string | undefined
      readonly storageClass?: string | undefined
      readonly accessKey?:
        | {
            readonly accessKeyId: string
            readonly secretAccessKey: string
            readonly sessionToken?: string | undefined
          }
        | undefined
      readonly profile?: string | undefined
      readonly name: string
      readonly bytesPerSecond?: number | undefined
      readonly volume?: string | undefined
    }
    readonly answer: unknown
  }
  readonly trustTier: {
    readonly fields: {
      readonly url: string
      readonly endpoint?: string | undefined
      readonly region?: string | undefined
      readonly storageClass?: string | undefined
      readonly accessKey?:
        | {
            readonly accessKeyId: string
            readonly secretAccessKey: string
            readonly sessionToken?: string | undefined
          }
        | undefined
      readonly profile?: string | undefined
      readonly name: string
      readonly bytesPerSecond?: number | undefined
      readonly volume?: string | undefined
    }
    readonly answer: unknown
  }
  readonly distrustTier: {
    readonly fields: { readonly name: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly listTiers: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly rollBackTier: {
    readonly fields: {
      readonly name: string
      readonly toMs: number
      readonly volume?: string | undefined
    }
    readonly answer: unknown
  }
  readonly removeTier: {
    readonly fields: { readonly name: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly addBackup: {
    readonly fields: {
      readonly url: string
      readonly endpoint?: string | undefined
      readonly region?: string | undefined
      readonly storageClass?: string | undefined
      readonly accessKey?:
        | {
            readonly accessKeyId: string
            readonly secretAccessKey: string
            readonly sessionToken?: string | undefined
          }
        | undefined
      readonly profile?: string | undefined
      readonly name: string
      readonly path: string
      readonly key?: string | undefined
      readonly mode: 'incremental' | 'differential' | 'full'
      readonly everyMs?: number | undefined
      readonly bytesPerSecond?: number | undefined
      readonly last?: number | undefined
      readonly hourly?: number | undefined
      readonly daily?: number | undefined
      readonly weekly?: number | undefined
      readonly monthly?: number | undefined
      readonly yearly?: number | undefined
    }
    readonly answer: unknown
  }
  readonly listBackups: { readonly fields: {}; readonly answer: unknown }
  readonly backupAccess: { readonly fields: { readonly name: string }; readonly answer: unknown }
  readonly removeBackup: { readonly fields: { readonly name: string }; readonly answer: unknown }
  readonly removeBackupAt: {
    readonly fields: { readonly name: string; readonly id: string }
    readonly answer: unknown
  }
  readonly listAccounts: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly addUser: {
    readonly fields: {
      readonly name: string
      readonly password: string
      readonly volume?: string | undefined
      readonly on?: readonly string[] | undefined
      readonly groups?: readonly string[] | undefined
      readonly path?: string | undefined
      readonly verbs?: readonly ('read' | 'add' | 'write')[] | undefined
    }
    readonly answer: unknown
  }
  readonly addGroup: {
    readonly fields: { readonly name: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly createKey: {
    readonly fields: {
      readonly label: string
      readonly volume?: string | undefined
      readonly on?: readonly string[] | undefined
      readonly groups?: readonly string[] | undefined
      readonly path?: string | undefined
      readonly verbs?: readonly ('read' | 'add' | 'write')[] | undefined
      readonly door?: string | undefined
      readonly expiresMs?: number | undefined
    }
    readonly answer: unknown
  }
  readonly removeAccount: {
    readonly fields: { readonly name: string; readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly setPassword: {
    readonly fields: {
      readonly name: string
      readonly password: string
      readonly volume?: string | undefined
      readonly on?: readonly string[] | undefined
    }
    readonly answer: unknown
  }
  readonly setGroups: {
    readonly fields: {
      readonly name: string
      readonly groups: readonly string[]
      readonly volume?: string | undefined
    }
    readonly answer: unknown
  }
  readonly setProvider: {
    readonly fields: {
      readonly name: string
      readonly url?: string | undefined
      readonly value?: string | undefined
      readonly volume?: string | undefined
      readonly on?: readonly string[] | undefined
    }
    readonly answer: unknown
  }
  readonly setGrant: {
    readonly fields: {
      readonly name: string
      readonly path: string
      readonly verbs: readonly ('read' | 'add' | 'write')[]
    }
    readonly answer: unknown
  }
  readonly checkAlerts: { readonly fields: {}; readonly answer: unknown }
  readonly listAlerts: {
    readonly fields: { readonly sinceMs?: number | undefined; readonly limit?: number | undefined }
    readonly answer: unknown
  }
  readonly testAlerts: { readonly fields: {}; readonly answer: unknown }
  readonly logLevels: { readonly fields: {}; readonly answer: unknown }
  readonly setLogLevel: {
    readonly fields: { readonly part: string; readonly level: 'debug' | 'info' | 'warn' | 'error' }
    readonly answer: unknown
  }
  readonly openConsole: { readonly fields: {}; readonly answer: unknown }
  readonly listDoors: { readonly fields: {}; readonly answer: unknown }
  readonly addDoor: {
    readonly fields: {
      readonly kind: 'http' | 's3' | 'webdav'
      readonly listen: string
      readonly volume?: string | undefined
      readonly path?: string | undefined
      readonly layout?: 'path' | 'flat' | undefined
      readonly isSelfSigned?: boolean | undefined
      readonly cert?: string | undefined
      readonly key?: string | undefined
    }
    readonly answer: unknown
  }
  readonly removeDoor: { readonly fields: { readonly door: string }; readonly answer: unknown }
  readonly startDoors: {
    readonly fields: { readonly door?: string | undefined }
    readonly answer: unknown
  }
  readonly stopDoor: { readonly fields: { readonly door: string }; readonly answer: unknown }
  readonly doorToken: {
    readonly fields: { readonly renew?: boolean | undefined }
    readonly answer: unknown
  }
  readonly checkDoorLog: { readonly fields: {}; readonly answer: unknown }
  readonly fileHolders: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly exportRecoveryKey: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly recover: {
    readonly fields: {
      readonly url: string
      readonly endpoint?: string | undefined
      readonly region?: string | undefined
      readonly storageClass?: string | undefined
      readonly accessKey?:
        | {
            readonly accessKeyId: string
            readonly secretAccessKey: string
            readonly sessionToken?: string | undefined
          }
        | undefined
      readonly profile?: string | undefined
      readonly key: string
      readonly atLeastNumber?: number | undefined
      readonly atLeastMs?: number | undefined
      readonly asOfMs?: number | undefined
    }
    readonly answer: unknown
  }
  readonly rehearseRecovery: {
    readonly fields: {
      readonly url: string
      readonly endpoint?: string | undefined
      readonly region?: string | undefined
      readonly storageClass?: string | undefined
      readonly accessKey?:
        | {
            readonly accessKeyId: string
            readonly secretAccessKey: string
            readonly sessionToken?: string | undefined
          }
        | undefined
      readonly profile?: string | undefined
      readonly key: string
      readonly atLeastNumber?: number | undefined
      readonly atLeastMs?: number | undefined
      readonly asOfMs?: number | undefined
      readonly sample?: number | undefined
    }
    readonly answer: unknown
  }
  readonly checkSecurity: { readonly fields: {}; readonly answer: unknown }
  readonly invite: {
    readonly fields: {
      readonly volume?: string | undefined
      readonly role?: 'admin' | 'writer' | 'appender' | 'reader' | 'keeper' | undefined
      readonly uses?: number | undefined
      readonly expiresInMs?: number | undefined
    }
    readonly answer: unknown
  }
  readonly join: { readonly fields: { readonly ticket: string }; readonly answer: unknown }
  readonly listTickets: { readonly fields: {}; readonly answer: unknown }
  readonly revokeTickets: {
    readonly fields: { readonly id?: string | undefined }
    readonly answer: unknown
  }
}

/** Calls that answer in lines, each an item. */
export interface LineCalls {
  readonly list: {
    readonly fields: { readonly path: string; readonly version?: string | undefined }
    readonly answer: FileStat
  }
  readonly listConflicts: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly readLog: {
    readonly fields: {
      readonly path: string
      readonly limit?: number | undefined
      readonly follow?: boolean | undefined
      readonly all?: boolean | undefined
    }
    readonly answer: LogItem
  }
  readonly listVersions: {
    readonly fields: { readonly path: string; readonly extended?: boolean | undefined }
    readonly answer: VersionInfo
  }
  readonly listRemoved: { readonly fields: { readonly path: string }; readonly answer: RemovedItem }
  readonly diffSnapshots: {
    readonly fields: {
      readonly path: string
      readonly from: string
      readonly to?: string | undefined
    }
    readonly answer: unknown
  }
  readonly clone: {
    readonly fields: {
      readonly path: string
      readonly to: string
      readonly atMs?: number | undefined
      readonly version?: string | undefined
    }
    readonly answer: unknown
  }
  readonly cloneVolume: {
    readonly fields: {
      readonly volume: string
      readonly name: string
      readonly snapshot?: string | undefined
    }
    readonly answer: unknown
  }
  readonly scrub: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly collectGarbage: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly addLocalPin: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly listPins: {
    readonly fields: { readonly volume?: string | undefined }
    readonly answer: unknown
  }
  readonly verifyCold: {
    readonly fields: {
      readonly volume?: string | undefined
      readonly tier?: string | undefined
      readonly sample?: number | undefined
    }
    readonly answer: unknown
  }
  readonly pushCold: {
    readonly fields: { readonly path: string; readonly tier?: string | undefined }
    readonly answer: unknown
  }
  readonly recallCold: { readonly fields: { readonly path: string }; readonly answer: unknown }
  readonly runBackup: {
    readonly fields: {
      readonly name: string
      readonly mode?: 'incremental' | 'differential' | 'full' | undefined
    }
    readonly answer: unknown
  }
  readonly readLogs: {
    readonly fields: {
      readonly sinceMs?: number | undefined
      readonly limit?: number | undefined
      readonly part?: string | undefined
      readonly level?: 'debug' | 'info' | 'warn' | 'error' | undefined
      readonly follow?: boolean | undefined
      readonly transfers?: boolean | undefined
    }
    readonly answer: unknown
  }
  readonly readDoorLog: {
    readonly fields: {
      readonly sinceMs?: number | undefined
      readonly limit?: number | undefined
      readonly follow?: boolean | undefined
      readonly who?: string | undefined
    }
    readonly answer: unknown
  }
  readonly watch: { readonly fields: {}; readonly answer: unknown }
  readonly readSecurity: {
    readonly fields: {
      readonly sinceMs?: number | undefined
      readonly limit?: number | undefined
      readonly follow?: boolean | undefined
    }
    readonly answer: unknown
  }
}
