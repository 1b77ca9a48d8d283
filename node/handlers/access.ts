// The consistency levels (docs/formats/strong.md) around the calls about files: what a call waits
// for before it reads, who agrees to what it writes, and the token of its session after it.
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { Consistency, FileCallOptions } from '../control/files.ts'
import type { Change } from '../volume/files.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { HostedPath } from '../volume/hosted-volumes.ts'
import { seenBy, sessionNow, waitForSeen } from '../sync/sessions.ts'
import { consistencyOf, isStrong } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import type { NodeParts } from './parts.ts'

/** One call at a volume. */
interface Visit {
  readonly hosted: HostedVolume
  readonly level: Consistency
  readonly seen: VersionVector
}

export class FileAccess {
  readonly #c: NodeParts

  constructor(parts: NodeParts) {
    this.#c = parts
  }

  async read<Result>(
    path: string,
    options: FileCallOptions,
    run: (at: HostedPath) => Result | Promise<Result>,
  ): Promise<Result> {
    const at = this.#c.hosted.at(path)
    const visit = await this.#begin(at.hosted, options).catch(sayHowToRead)
    try {
      return await run(at)
    } finally {
      await end(visit, options)
    }
  }

  /** The same for what is read in parts. */
  async *readEach<Part>(
    path: string,
    options: FileCallOptions,
    run: (at: HostedPath) => AsyncIterable<Part>,
  ): AsyncGenerator<Part> {
    const at = this.#c.hosted.at(path)
    const visit = await this.#begin(at.hosted, options).catch(sayHowToRead)
    try {
      yield* run(at)
    } finally {
      await end(visit, options)
    }
  }

  /** `run` makes what it changes through `change`. */
  async write<Result>(
    path: string,
    options: FileCallOptions,
    run: (at: HostedPath, change: Change) => Promise<Result>,
  ): Promise<Result> {
    const { at, visit, change } = await this.#beginWrite(path, options)
    try {
      return await run(at, change)
    } finally {
      await this.#endWrite(visit, options)
    }
  }

  /** The same for what tells how far it is. */
  async *writeEach<Part>(
    path: string,
    options: FileCallOptions,
    run: (at: HostedPath, change: Change) => AsyncIterable<Part>,
  ): AsyncGenerator<Part> {
    const { at, visit, change } = await this.#beginWrite(path, options)
    try {
      yield* run(at, change)
    } finally {
      await this.#endWrite(visit, options)
    }
  }

  /** Programs of this machine see in its mounts what they were told is done. */
  async #endWrite(visit: Visit, options: FileCallOptions): Promise<void> {
    await this.#c.mounts.told(visit.hosted.volume.id)
    await end(visit, options)
  }

  async #beginWrite(
    path: string,
    options: FileCallOptions,
  ): Promise<{ at: HostedPath; visit: Visit; change: Change }> {
    const at = await this.#c.hosted.atForWriting(path)
    const { hosted } = at
    const visit = await this.#begin(hosted, options).catch(sayWhenToWrite)
    if (visit.level !== 'strong' && isStrong(hosted.volume)) {
      throw new ShoalError(
        'EPERM',
        `this volume accepts only strong writes; omit --consistency ${visit.level}`,
      )
    }
    const signal = this.#c.until(options.signal)
    const strongly: Change = (make) => hosted.strong.write(make, signal)
    return { at, visit, change: visit.level === 'strong' ? strongly : atOnce }
  }

  /** Returns when this node knows what the call must see. */
  async #begin(hosted: HostedVolume, options: FileCallOptions): Promise<Visit> {
    const { volume, strong } = hosted
    const { session } = options
    const signal = this.#c.until(options.signal)
    const seen: VersionVector = session === undefined ? new Map() : seenBy(volume, session)
    const level = levelOf(volume, options)
    if (level !== 'eventual') await waitForSeen(this.#c, volume, seen, signal)
    if (level === 'strong') await strong.read(() => undefined, signal)
    return { hosted, level, seen }
  }
}

function sayHowToRead(error: unknown): never {
  throw withNextStep(error, 'to read what this machine has, use --consistency eventual')
}

function sayWhenToWrite(error: unknown): never {
  throw withNextStep(error, 'nothing was written; try again once they can be reached')
}

function withNextStep(error: unknown, step: string): unknown {
  if (!hasCode(error, 'NO_QUORUM')) return error
  const { code, message } = asShoalError(error)
  return new ShoalError(code, `${message}; ${step}`, { cause: error })
}

const atOnce: Change = async (make) => make()

function levelOf(volume: Volume, { consistency, session }: FileCallOptions): Consistency {
  if (consistency !== undefined) return consistency
  const usual = consistencyOf(volume)
  return usual === 'eventual' && session !== undefined ? 'read-own' : usual
}

/** Also after a failure: that a file is not there is something seen. */
async function end({ hosted, seen }: Visit, { onSession }: FileCallOptions): Promise<void> {
  if (onSession !== undefined) onSession(await sessionNow(hosted.volume, seen))
}
