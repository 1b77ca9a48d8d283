// One conversation with the kernel: frames in, replies out. Knows no descriptor, so that it can be
// fed anything.
//
// - Every request with a header is answered exactly once, whatever the file system throws; FORGET,
//   BATCH_FORGET and INTERRUPT, to which the protocol has no answer, aside.
// - Requests run concurrently; none waits for another.
// - An interrupted request is answered EINTR at once, and what the file system says later is
//   dropped.
import { ShoalError } from '../../../../protocol/errors.ts'
import { EINTR, ENOSYS, EPROTO, errnoOf, isExpected } from '../errno.ts'
import { OPERATIONS } from './operations/table.ts'
import { INIT_LOCKS, INIT_WANTED, MAJOR, MINOR_MIN, OPCODE } from './protocol.ts'
import { References } from './references.ts'
import { EMPTY, initReply } from './replies.ts'
import { Request } from './request.ts'
import type { FileSystem } from '../../file-system.ts'
import type { Operation } from './operations/served.ts'
import type { Parts, Timeouts } from './replies.ts'
import type { ByteRange } from './request.ts'
import { ignoreFailure } from '../../../world/ignore-failure.ts'

/** Sends a reply: error number (0 for none), body. Must not throw. */
export type Send = (unique: number, errno: number, body: Parts) => void

/** Told of what went wrong inside (a bug, a malformed frame) after it was answered. */
export type Report = (error: unknown) => void

interface UnderWay {
  readonly request: Request
  /** Those of a READ or WRITE. */
  readonly pages: ByteRange | undefined
  readonly settled: Promise<void>
}

/** A READ or WRITE that is under way: the same object as long as it is. */
export interface Transfer {
  readonly pages: ByteRange
  readonly settled: Promise<void>
}

/** Operations that tell the kernel neither names nor attributes. */
const CARRIES_NO_STATE: ReadonlySet<number> = new Set([
  OPCODE.open,
  OPCODE.read,
  OPCODE.write,
  OPCODE.allocate,
  OPCODE.seek,
  OPCODE.copyRange,
  OPCODE.copyRange64,
  OPCODE.flush,
  OPCODE.fsync,
  OPCODE.fsyncFolder,
  OPCODE.release,
  OPCODE.releaseFolder,
  OPCODE.getLock,
  OPCODE.setLock,
  OPCODE.setLockWait,
])

/**
 * Operations that tell it only of the inode that they are about. A change of size may wait for data
 * that is away.
 */
const IS_OF_ITS_INODE: ReadonlySet<number> = new Set([OPCODE.getAttributes, OPCODE.setAttributes])

export class Session {
  readonly references: References
  readonly #fileSystem: FileSystem
  readonly #timeouts: Timeouts
  readonly #send: Send
  readonly #report: Report
  readonly #underWay = new Map<number, UnderWay>()
  readonly #ready = Promise.withResolvers<void>()
  #minor = 0
  #agreed = 0

  constructor(
    components: { fileSystem: FileSystem; send: Send; report: Report },
    options: { timeouts: Timeouts },
  ) {
    this.#fileSystem = components.fileSystem
    this.#send = components.send
    this.#report = components.report
    this.#timeouts = options.timeouts
    this.references = new References(components.fileSystem)
    void ignoreFailure(this.#ready.promise, 'it is thrown where it is awaited')
  }

  /**
   * Resolves when the kernel and we agree on a version. Rejects with 'mount-failed' when its own is
   * too old.
   */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** The kernel's minor version; 0 until `ready`. */
  get minor(): number {
    return this.#minor
  }

  /**
   * Take one frame. returns undefined when the frame's bytes are free again, else a promise, which
   * never rejects, of that moment.
   */
  receive(frame: Uint8Array): Promise<void> | undefined {
    const request = Request.parse(frame)
    if (request === undefined) {
      this.#report(new ShoalError('malformed', `a FUSE request of ${frame.byteLength} bytes`))
      return undefined
    }
    try {
      if (request.isWhole) return this.#dispatch(request)
      throw new ShoalError(
        'EIO',
        `a FUSE request of ${frame.byteLength} bytes states another length`,
      )
    } catch (error) {
      this.#fail(request, error)
      return undefined
    }
  }

  /**
   * Resolves when all under way now that may carry names, or attributes of this inode, is answered;
   * undefined if there is none.
   */
  metadataSettled(inode: number): Promise<void> | undefined {
    return this.#settled(
      (request) =>
        !CARRIES_NO_STATE.has(request.opcode) &&
        (!IS_OF_ITS_INODE.has(request.opcode) || request.inode === inode),
    )
  }

  /** Reading and writing of this inode that is under way now. */
  transfers(inode: number): readonly Transfer[] {
    const found: Transfer[] = []
    for (const one of this.#underWay.values())
      if (one.request.inode === inode && hasPages(one)) found.push(one)
    return found
  }

  /**
   * After the mount is gone: abort what waits, wait for the rest, release what is still open. Never
   * rejects.
   */
  async end(): Promise<void> {
    this.#ready.reject(new ShoalError('mount-failed', 'the mount ended before it was ready'))
    for (const { request } of this.#underWay.values()) this.#cutOff(request)
    await this.#settled(() => true)
    for (const error of await this.references.releaseAll()) this.#report(error)
  }

  #dispatch(request: Request): Promise<void> | undefined {
    switch (request.opcode) {
      case OPCODE.init:
        return this.#init(request)
      case OPCODE.forget:
        this.references.drop(request.inode, request.u64())
        return undefined
      case OPCODE.batchForget:
        return this.#batchForget(request)
      case OPCODE.interrupt:
        return this.#interrupt(request)
      default: {
        const operation = OPERATIONS.get(request.opcode)
        if (operation === undefined) {
          this.#send(request.unique, ENOSYS, EMPTY)
          return undefined
        }
        const settled = this.#answer(request, operation)
        this.#underWay.set(request.unique, { request, pages: request.pages, settled })
        return request.keepsFrame ? settled : undefined
      }
    }
  }

  async #answer(request: Request, operation: Operation): Promise<void> {
    const served = {
      fileSystem: this.#fileSystem,
      references: this.references,
      timeouts: this.#timeouts,
      agreed: this.#agreed,
    }
    try {
      const body = await operation(served, request)
      if (!request.isInterrupted) this.#send(request.unique, 0, body)
    } catch (error) {
      if (!request.isInterrupted) this.#fail(request, error)
    } finally {
      this.#underWay.delete(request.unique)
    }
  }

  #fail(request: Request, error: unknown): void {
    this.#send(request.unique, errnoOf(error), EMPTY)
    if (!isExpected(error)) this.#report(error)
  }

  /** fuse_init_in. A newer major of the kernel's is answered with ours, and it asks again. */
  #init(request: Request): undefined {
    const major = request.u32()
    const minor = request.u32()
    const readAheadBytes = request.u32()
    const offered = request.u32()
    if (major < MAJOR || (major === MAJOR && minor < MINOR_MIN)) {
      this.#send(request.unique, EPROTO, EMPTY)
      const spoken = `the kernel speaks FUSE ${major}.${minor}; ${MAJOR}.${MINOR_MIN} (Linux 4.20) is needed`
      this.#ready.reject(new ShoalError('mount-failed', spoken))
      return
    }
    const locks = this.#fileSystem.locks === undefined ? 0 : INIT_LOCKS
    this.#agreed = offered & (INIT_WANTED | locks)
    this.#send(request.unique, 0, initReply(minor, readAheadBytes, this.#agreed))
    if (major !== MAJOR) return
    this.#minor = minor
    this.#ready.resolve()
  }

  #batchForget(request: Request): undefined {
    const count = request.u32()
    request.skip(4)
    for (let index = 0; index < count; index++) {
      this.references.drop(request.u64(), request.u64())
    }
  }

  /**
   * The kernel sends one only after the request it is about; a target that is not under way is
   * answered already.
   */
  #interrupt(request: Request): undefined {
    const target = this.#underWay.get(request.u64())
    if (target !== undefined) this.#cutOff(target.request)
  }

  /** Answer a request now, if it is interruptible. */
  #cutOff(request: Request): void {
    if (!request.isInterrupted && request.abort()) this.#send(request.unique, EINTR, EMPTY)
  }

  #settled(concerns: (request: Request) => boolean): Promise<void> | undefined {
    const waits = [...this.#underWay.values()].filter(({ request }) => concerns(request))
    return waits.length === 0
      ? undefined
      : Promise.all(waits.map(({ settled }) => settled)).then(() => undefined)
  }
}

function hasPages(one: UnderWay): one is UnderWay & Transfer {
  return one.pages !== undefined
}
