// The owner's calls about doors: ways in for programs that are no Shoal node.
import { call, pages } from './route.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { ChainCheck, ChainReadOptions } from './observe/security.ts'
import type { RoutesOf } from './route.ts'

export interface DoorsApi {
  /**
   * A link by which a person opens the console in a browser on this machine: good once, for ten
   * minutes. Opens a door for it where there is none.
   */
  openConsole(options?: CallOptions): Promise<ConsoleLink>
  /** Those that are open, and those that were stopped. */
  listDoors(options?: CallOptions): Promise<readonly DoorStatus[]>
  /**
   * Open another door, and save it in config.yaml. throws ShoalError 'usage' for one that cannot be
   * opened: then nothing is saved.
   */
  addDoor(door: NewDoor, options?: CallOptions): Promise<DoorStatus>
  /**
   * Close a door and take it out of config.yaml. door: its address, or its kind where there is one
   * of it. throws ShoalError 'ENOENT'.
   */
  removeDoor(door: string, options?: CallOptions): Promise<void>
  /**
   * Open those again that were stopped, and those that config.yaml has by now. returns them. throws
   * ShoalError 'ENOENT', 'usage'.
   */
  startDoors(
    options?: CallOptions & { readonly door?: string | undefined },
  ): Promise<readonly DoorStatus[]>
  /** Close a door until it is started, or the node is. throws ShoalError 'ENOENT'. */
  stopDoor(door: string, options?: CallOptions): Promise<void>
  /**
   * The token by which a program is the owner at a door. renew: make another, and the one before
   * opens nothing from now on.
   */
  doorToken(options?: CallOptions & { readonly renew?: boolean | undefined }): Promise<DoorToken>
  /**
   * Requests at doors in the order in which they were answered, in pages. With `follow` also those
   * to come, until the call is aborted.
   */
  readDoorLog(options?: CallOptions & DoorLogReadOptions): AsyncIterable<readonly DoorLogEntry[]>
  /** Read the whole log of doors. */
  checkDoorLog(options?: CallOptions): Promise<ChainCheck>
}

export const doorsRoutes: RoutesOf<DoorsApi> = {
  openConsole: call([], () => ({})),
  listDoors: call([], () => ({})),
  addDoor: call(['*'], ({ oneOf, label, volume, path, folder, flag }) => ({
    kind: oneOf(['http', 's3', 'webdav']),
    listen: label,
    volume,
    path: path.optional(),
    layout: oneOf(['path', 'flat']).optional(),
    isSelfSigned: flag,
    cert: folder.optional(),
    key: folder.optional(),
  })),
  removeDoor: call(['door'], ({ label }) => ({ door: label })),
  startDoors: call([], ({ label }) => ({ door: label.optional() })),
  stopDoor: call(['door'], ({ label }) => ({ door: label })),
  doorToken: call([], ({ flag }) => ({ renew: flag })),
  readDoorLog: pages('doors', [], ({ wallTime, integer, flag, label }) => ({
    sinceMs: wallTime.optional(),
    limit: integer(0).optional(),
    follow: flag,
    who: label.optional(),
  })),
  checkDoorLog: call([], () => ({})),
}

/** A door as config.yaml has it. */
export interface NewDoor {
  readonly kind: 'http' | 's3' | 'webdav'
  /** HOST:PORT. */
  readonly listen: string
  readonly volume?: string | undefined
  readonly path?: string | undefined
  readonly layout?: 'path' | 'flat' | undefined
  /** By a certificate that the node makes. */
  readonly isSelfSigned?: boolean | undefined
  /** Absolute paths of a certificate and its key, in PEM. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface DoorStatus {
  readonly kind: 'http' | 's3' | 'webdav'
  /** As config.yaml has it, HOST:PORT. */
  readonly listen: string
  /** The part of the namespace that it shows; undefined: all. */
  readonly volume?: string | undefined
  readonly path?: string | undefined
  /** Undefined: it was stopped. */
  readonly url: string | undefined
  /** SHA-256 of its certificate, where it has one. */
  readonly fingerprint?: string | undefined
  /** Since it is open: visitors that were refused, and requests that the node failed at. */
  readonly refused?: number | undefined
  readonly failed?: number | undefined
  /** Pages that people are signed in at; undefined where a door has none. */
  readonly sessions?: number | undefined
}

export interface DoorLogReadOptions extends ChainReadOptions {
  /** An account, the id of a key, or 'owner': its requests alone. */
  readonly who?: string | undefined
}

/** A request at a door, or a line that says how many of them were left out. */
export interface DoorLogEntry {
  readonly number: number
  readonly timeMs: WallTime
  /** Its kind; '': all. */
  readonly door: string
  /** The address of the other end; '' where the line is of many. */
  readonly address: string
  /** The account, the id of the key, or 'owner': proven. */
  readonly who?: string | undefined
  /** The same, as a request that was refused said. */
  readonly claims?: string | undefined
  /** The method and the path, as they came. */
  readonly action: string
  /** The status of HTTP; 0: its client went away before there was one. */
  readonly status: number
  /** Until it was answered. */
  readonly ms: number
}

export interface ConsoleLink {
  /** With the code, which whoever has it may use instead. */
  readonly url: string
  readonly expiresMs: WallTime
}

export interface DoorToken {
  readonly token: string
}
