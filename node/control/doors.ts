// The owner's calls about doors: ways in for programs that are no Shoal node.
import { call } from './route.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface DoorsApi {
  /**
   * A link by which a person opens the console in a browser on this machine: good once, for ten
   * minutes. Opens a door for it where there is none.
   */
  openConsole(options?: CallOptions): Promise<ConsoleLink>
  /** Those that are open. */
  listDoors(options?: CallOptions): Promise<readonly DoorStatus[]>
  /**
   * The token by which a program is the owner at a door. renew: make another, and the one before
   * opens nothing from now on.
   */
  doorToken(options?: CallOptions & { readonly renew?: boolean | undefined }): Promise<DoorToken>
}

export const doorsRoutes: RoutesOf<DoorsApi> = {
  openConsole: call([], () => ({})),
  listDoors: call([], () => ({})),
  doorToken: call([], ({ flag }) => ({ renew: flag })),
}

export interface DoorStatus {
  readonly kind: 'http' | 's3' | 'webdav'
  readonly url: string
  /** SHA-256 of its certificate, where it has one. */
  readonly fingerprint?: string | undefined
  /** Since it is open: visitors that were refused, and requests that the node failed at. */
  readonly refused?: number | undefined
  readonly failed?: number | undefined
  /** Pages that people are signed in at; undefined where a door has none. */
  readonly sessions?: number | undefined
}

export interface ConsoleLink {
  /** With the code, which whoever has it may use instead. */
  readonly url: string
  readonly expiresMs: WallTime
}

export interface DoorToken {
  readonly token: string
}
