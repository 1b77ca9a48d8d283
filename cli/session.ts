// The session of a person: a file with the tokens of what their commands have read and written, one
// a line, each of one volume. A command begins where the last one ended, on whatever node that was.
import { access, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isSessionOf, mergeSessions, parseSession } from '../protocol/clock/session.ts'
import { ShoalError } from '../protocol/errors.ts'
import { volumeOf } from './paths.ts'
import type { FileCallOptions } from '../node/control/files.ts'
import type { VolumeStatus } from '../node/control/status.ts'

export interface SessionComponents {
  readonly file: string
  /** Lists the volumes of the node. */
  readonly listVolumes: () => Promise<readonly VolumeStatus[]>
}

export class SessionFile {
  readonly #c: SessionComponents
  /** By the volume, as tokens name it. */
  #tokens: Promise<Map<string, string>> | undefined
  #volumes: Promise<readonly VolumeStatus[]> | undefined
  #changed = false

  constructor(components: SessionComponents) {
    this.#c = components
  }

  /**
   * The session options for a call about a path. throws 'usage' for a file that holds anything
   * else.
   */
  async optionsFor(path: string): Promise<Pick<FileCallOptions, 'session' | 'onSession'>> {
    const tokens = await (this.#tokens ??= this.#read())
    const onSession = (token: string): void => {
      this.#changed = true
      add(tokens, token)
    }
    return { session: tokens.size === 0 ? undefined : await this.#find(tokens, path), onSession }
  }

  /** Write down what was seen, beside what other commands have seen meanwhile. */
  async save(): Promise<void> {
    if (!this.#changed) return
    const { file } = this.#c
    const tokens = await this.#read()
    for (const token of (await this.#tokens)?.values() ?? []) add(tokens, token)
    const temporary = `${file}.${process.pid}.new`
    await writeFile(temporary, `${[...tokens.values()].join('\n')}\n`, { mode: 0o600 })
    await rename(temporary, file)
  }

  async #find(tokens: ReadonlyMap<string, string>, path: string): Promise<string | undefined> {
    const name = volumeOf(path).slice(0, -1)
    const volumes = await (this.#volumes ??= this.#c.listVolumes())
    const volume = volumes.find((one) => (name === '' ? one.isDefault : isNamed(one, name)))
    if (volume === undefined) return undefined
    return [...tokens.values()].find((token) => isSessionOf(parseSession(token), volume.id))
  }

  async #read(): Promise<Map<string, string>> {
    const tokens = new Map<string, string>()
    const { file } = this.#c
    const text = await readFile(file, 'utf8').catch((error: unknown) => nothingYet(file, error))
    try {
      for (const line of text.split('\n').filter((each) => each !== '')) add(tokens, line)
    } catch (cause) {
      const message = `${file} is not a session file; use another one, or remove it`
      throw new ShoalError('usage', message, { cause })
    }
    return tokens
  }
}

function isNamed({ name, id }: VolumeStatus, nameOrId: string): boolean {
  return name === nameOrId || id === nameOrId
}

/** Have both what is there and what is new. */
function add(tokens: Map<string, string>, token: string): void {
  const { volume } = parseSession(token)
  const known = tokens.get(volume)
  tokens.set(volume, known === undefined ? token : mergeSessions(known, token))
}

/** The empty text of a session file that does not exist yet. */
async function nothingYet(file: string, error: unknown): Promise<string> {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  const folder = dirname(file)
  await access(folder).catch((cause: unknown) => {
    const message = `cannot create the session file ${file}: there is no folder ${folder}`
    throw new ShoalError('usage', message, { cause })
  })
  return ''
}
