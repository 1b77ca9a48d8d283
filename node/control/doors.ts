// The owner's calls about doors: ways in for programs that are no Shoal node.
import { call } from './route.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface DoorsApi {
  /** Those that are open. */
  listDoors(options?: CallOptions): Promise<readonly DoorStatus[]>
  /**
   * The token by which a program is the owner at a door. renew: make another, and the one before
   * opens nothing from now on.
   */
  doorToken(options?: CallOptions & { readonly renew?: boolean | undefined }): Promise<DoorToken>
}

export const doorsRoutes: RoutesOf<DoorsApi> = {
  listDoors: call([], () => ({})),
  doorToken: call([], ({ flag }) => ({ renew: flag })),
}

export interface DoorStatus {
  readonly kind: 'http' | 's3' | 'webdav'
  readonly url: string
  /** SHA-256 of its certificate, where it has one. */
  readonly fingerprint?: string | undefined
}

export interface DoorToken {
  readonly token: string
}
