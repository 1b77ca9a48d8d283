// The mode and owner that a file of the namespace gets on this machine, as cp(1) does it. Whoever
// may write to a volume chooses modes and owners there, so by default what is got is the caller's
// own and never runs as somebody else.
import { lchown } from 'node:fs/promises'
import { localPath } from './local-path.ts'
import type { FileHandle } from 'node:fs/promises'
import { fchmodSync, fchownSync } from 'node:fs'
import type { FileStat } from '../node/control/files.ts'

const PERMISSIONS = 0o777
const STICKY = 0o1000
const SET_USER = 0o4000
const SET_GROUP = 0o2000

type Attributes = Pick<FileStat, 'mode' | 'uid' | 'gid'>

export class LocalAttributes {
  readonly #preserve: boolean
  readonly #umask: number
  readonly #user = process.geteuid?.() ?? 0
  readonly #group = process.getegid?.() ?? 0

  /**
   * preserve: mode as it is, and as root the owner; else less the umask, and without the bits that
   * lend rights.
   */
  constructor({ preserve }: { readonly preserve: boolean }) {
    this.#preserve = preserve
    this.#umask = process.umask()
  }

  /** Rights of another are lent only by files that become that one's. */
  mode({ mode, uid, gid }: Attributes): number {
    if (!this.#preserve) return mode & PERMISSIONS & ~this.#umask
    const user = this.#isRoot || uid === this.#user ? SET_USER : 0
    const group = this.#isRoot || gid === this.#group ? SET_GROUP : 0
    return mode & (PERMISSIONS | STICKY | user | group)
  }

  /** Has what is there these attributes? */
  isSame(
    local: { readonly mode: bigint; readonly uid: bigint; readonly gid: bigint },
    stat: Attributes,
  ): boolean {
    if (Number(local.mode & 0o7777n) !== this.mode(stat)) return false
    return !this.#givesAway || (Number(local.uid) === stat.uid && Number(local.gid) === stat.gid)
  }

  /** Sets the attributes of an open file. The owner first: a change of it takes bits away. */
  async setOn(file: FileHandle, stat: Attributes): Promise<void> {
    if (this.#givesAway) await file.chown(stat.uid, stat.gid)
    await file.chmod(this.mode(stat))
  }

  /** The same at once. */
  setOnSync(file: number, stat: Attributes): void {
    if (this.#givesAway) fchownSync(file, stat.uid, stat.gid)
    fchmodSync(file, this.mode(stat))
  }

  /** Sets the owner of a symlink, which has no mode. */
  async setOnLink(path: string, stat: Attributes): Promise<void> {
    if (this.#givesAway) await lchown(localPath(path), stat.uid, stat.gid)
  }

  get #isRoot(): boolean {
    return this.#user === 0
  }

  get #givesAway(): boolean {
    return this.#preserve && this.#isRoot
  }
}
