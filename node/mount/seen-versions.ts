// The version of an open file that its handles look at, and how much of it they have seen. What
// came while the file was open, and was written over without having been read, stays as the other
// side of a conflict.
import type { Dot } from '../../protocol/clock/dot.ts'
import type { FileVersion } from '../tree/tree-reading.ts'

/** So many parts are told apart; with more, some that were read count as unread. */
const PARTS_MAX = 1024

/** Bytes from `start` to before `end`. */
interface Part {
  readonly start: number
  readonly end: number
}

export class SeenVersions {
  /** The size that the kernel was last told: it reads whole pages, and gives programs no more. */
  toldSize: number
  #version: FileVersion
  /** The last versions seen in full. */
  #inFull: readonly Dot[]
  /** Parts of the version that nobody has read. */
  #unread: readonly Part[] = []
  #isUnreadLost = false

  /** A file is opened: all that it holds is seen. */
  constructor(version: FileVersion) {
    this.#version = version
    this.#inFull = version.base
    this.toldSize = version.size
  }

  /** The version that the handles read, and edit. */
  get version(): FileVersion {
    return this.#version
  }

  /** The versions that an edit replaces. */
  get base(): readonly Dot[] {
    return this.#isUnreadLost ? this.#inFull : this.#version.base
  }

  /** From now on the handles look at this one. */
  lookAt(version: FileVersion): void {
    this.#version = version
    this.#setUnread(version.size > 0 ? [{ start: 0, end: version.size }] : [])
  }

  /** Whoever opens a file, locks it or has written it goes on from all that it holds. */
  all(): void {
    this.#setUnread([])
  }

  /** The handles have read this much; the kernel keeps from programs what is behind toldSize. */
  read(position: number, length: number): void {
    const end = Math.min(position + length, this.toldSize)
    if (this.#unread.length === 0) return
    const left = this.#unread.flatMap((part) => [
      { start: part.start, end: Math.min(part.end, position) },
      { start: Math.max(part.start, end), end: part.end },
    ])
    const parts = left.filter((part) => part.start < part.end)
    if (parts.length <= PARTS_MAX) this.#setUnread(parts)
  }

  /** The handles write over this, or cut it off. */
  overwrite(start: number, end: number): void {
    if (this.#unread.some((part) => part.start < end && start < part.end)) this.#isUnreadLost = true
  }

  /** The edit of the handles is a version now. */
  wrote(version: FileVersion): void {
    this.#version = version
    this.#isUnreadLost = false
    this.all()
  }

  #setUnread(parts: readonly Part[]): void {
    this.#unread = parts
    if (parts.length === 0 && !this.#isUnreadLost) this.#inFull = this.#version.base
  }
}
