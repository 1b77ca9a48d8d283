// Uploads that go on over several requests ("Resumable Uploads for HTTP", an Internet-Draft of the
// IETF). What came lies as files in a folder of the volume until the last byte is there; then it
// becomes the file by reference, in one step. The note of an upload (upload-records.ts) says what
// of that counts, so a node that dies at any moment loses nothing that was acknowledged.
import { toHex } from '../../../protocol/bytes.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { DAY_MS, GIB, HOUR_MS, MIB, NS_PER_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { NodeApi } from '../../control/api.ts'
import { Job } from '../../jobs/background-job.ts'
import type { WriteLog } from '../../observe/log-events.ts'
import type { Kv } from '../../store/kv.ts'
import type { Clock, Random } from '../../world/world.ts'
import { statIfThere } from '../stat-if-there.ts'
import type { Visit } from '../visit.ts'
import { BodyParts } from './body-parts.ts'
import { HttpFailure } from './http-failure.ts'
import { Turns } from './turns.ts'
import { UploadRecords } from './upload-records.ts'
import type { UploadRecord } from './upload-records.ts'
import { checkTarget, joined, mayStillWrite, nothing } from './upload-target.ts'
import type { UploadTarget } from './upload-target.ts'
import type { IncomingMessage } from 'node:http'

/** In the root of a volume: for the node alone, whoever asks by an account. */
const UPLOADS_FOLDER = '.shoal-uploads'

const ID_BYTES = 16
/** An upload that nobody goes on with is removed. */
const IDLE_MS: number = 7 * DAY_MS
/** So long it is told of one that is complete that it is. */
const DONE_MS: number = DAY_MS
const SWEEP_MS: number = HOUR_MS
/** A death of the node costs so much at most; of long uploads a small share. */
const PART_BYTES: number = 16 * MIB
const PART_SHARE = 256
const PARTS_MAX = 10_000

/** The most that there may be, so that nobody fills a node with what never ends. */
export interface UploadBounds {
  /** Unfinished ones of an account, and their bytes. */
  readonly countOfOne: number
  readonly bytesOfOne: number
  /** Those of all accounts, with those that are complete. */
  readonly count: number
}

const BOUNDS: UploadBounds = { countOfOne: 64, bytesOfOne: 1024 * GIB, count: 4096 }

export interface UploadsComponents {
  readonly api: NodeApi
  readonly kv: Kv
  readonly clock: Clock
  readonly random: Random
  readonly log: WriteLog
}

/** Bytes that come in a request. */
export interface Append {
  readonly request: IncomingMessage
  /** The place at which they begin. */
  readonly offset: number
  /** They end the upload. */
  readonly isLast: boolean
  /** Bytes of the whole upload, where the request says so. */
  readonly length: number | undefined
  /** Told when all has come, before the file is made of it. */
  readonly onWhole: () => void
}

export class Uploads {
  readonly #c: UploadsComponents
  readonly #records: UploadRecords
  readonly #bounds: UploadBounds
  readonly #turns = new Turns()
  readonly #sweeping: Job

  private constructor(components: UploadsComponents, records: UploadRecords, bounds: UploadBounds) {
    this.#c = components
    this.#records = records
    this.#bounds = bounds
    this.#sweeping = new Job({
      ...components,
      name: 'uploads',
      everyMs: SWEEP_MS,
      run: (signal) => this.sweep(signal),
    })
  }

  static async open(
    components: UploadsComponents,
    bounds: UploadBounds = BOUNDS,
  ): Promise<Uploads> {
    const uploads = new Uploads(components, await UploadRecords.open(components.kv), bounds)
    uploads.#sweeping.start()
    return uploads
  }

  /** Keeps what has come of those that are under way. */
  async stop(): Promise<void> {
    await this.#turns.stop(new ShoalError('stopped', 'the node stops'))
    await this.#sweeping.stop()
  }

  /** As the header Upload-Limit has them; record: of an upload that there is. */
  limits(record?: UploadRecord): string {
    const ends = record === undefined ? IDLE_MS : this.endsMs(record) - this.#c.clock.wall()
    const age = Math.max(0, Math.floor(ends / SECOND_MS))
    return `max-size=${this.#bounds.bytesOfOne}, max-age=${age}`
  }

  /** The time at which it is removed. */
  endsMs({ usedMs, done }: UploadRecord): number {
    return usedMs + (done === undefined ? IDLE_MS : DONE_MS)
  }

  /** Those of an account that are not complete. */
  list({ account }: Visit): readonly UploadRecord[] {
    return this.#records.of(account).filter(({ done }) => done === undefined)
  }

  /**
   * Begin one, of no bytes yet. throws ShoalError 'EPERM', 'precondition', 'ENOENT', 'EISDIR' as a
   * write would; HttpFailure beyond the bounds.
   */
  async begin(
    visit: Visit,
    asked: UploadTarget & { readonly length: number | undefined },
  ): Promise<UploadRecord> {
    const { api, random, clock } = this.#c
    const target = await checkTarget(api, visit, asked)
    const { countOfOne, count } = this.#bounds
    if (this.list(visit).length >= countOfOne || this.#records.size >= count)
      throw new HttpFailure('EBUSY', 'too many unfinished uploads: complete or DELETE some', {
        status: 429,
      })
    const { account } = visit
    const { length } = asked
    if ((length ?? 0) > this.#roomOf(account)) throw this.#tooLarge()
    const id = toHex(random.bytes(ID_BYTES))
    const usedMs = clock.wall()
    return this.#records.put({ ...target, id, account, length, offset: 0, parts: 0, usedMs })
  }

  /** Whoever sends bytes at the moment is sent away first. throws ShoalError 'ENOENT'. */
  look(visit: Visit, id: string): Promise<UploadRecord> {
    return this.#inTurn(visit, id, (record) => record)
  }

  /** Remove one and all that came of it. throws as look(). */
  cancel(visit: Visit, id: string): Promise<void> {
    return this.#inTurn(visit, id, (record) => this.#forget(record))
  }

  /**
   * Take bytes in, as many as come; and where all have come that end it, make the file. returns the
   * upload, undone where the body broke off. throws HttpFailure for another offset or length, and
   * as begin(): what has come stays.
   */
  append(visit: Visit, id: string, append: Append): Promise<UploadRecord> {
    return this.#inTurn(visit, id, async (found, signal) => {
      const record = await this.#checkAppend(found, append)
      const body = new BodyParts(append.request, signal)
      const taken = await this.#take(visit, record, body)
      if (body.isBroken || !append.isLast) return taken
      if (taken.length !== undefined && taken.offset !== taken.length) throw inconsistent()
      append.onWhole()
      return this.#complete(visit, taken)
    })
  }

  async #checkAppend(record: UploadRecord, append: Append): Promise<UploadRecord> {
    const { request, offset, length } = append
    if (record.done !== undefined)
      throw request.headers['content-length'] === '0'
        ? problem(400, 'completed-upload', 'the upload is complete already')
        : inconsistent()
    if (offset !== record.offset)
      throw problem(409, 'mismatching-upload-offset', `the upload is at ${record.offset}`, {
        headers: { 'upload-offset': record.offset, 'upload-complete': '?0' },
        members: { 'expected-offset': record.offset, 'provided-offset': offset },
      })
    const known = record.length ?? length
    if ((length ?? known) !== known) throw inconsistent()
    if (known === undefined) return record
    const coming = Number(request.headers['content-length'] ?? 0)
    if (known < offset + coming) throw inconsistent()
    if (known > offset + this.#roomOf(record.account, record.id)) throw this.#tooLarge()
    return record.length === known ? record : this.#records.put({ ...record, length: known })
  }

  async #take(visit: Visit, record: UploadRecord, body: BodyParts): Promise<UploadRecord> {
    const { api, clock } = this.#c
    for (let now = record; ;) {
      // Its rights may be others by now.
      await mayStillWrite(visit, now)
      if (!(await body.isMore())) return now
      if (now.parts >= PARTS_MAX)
        throw new HttpFailure('EFBIG', 'it came in too many small pieces: DELETE it, send larger', {
          status: 413,
          headers: { 'upload-limit': this.limits(now) },
        })
      const most = (now.length ?? now.offset + this.#roomOf(now.account, now.id)) - now.offset
      if (most <= 0) return this.#endOverlong(now)
      const length = Math.min(most, Math.max(PART_BYTES, Math.ceil(now.offset / PART_SHARE)))
      let came = 0
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        for await (const bytes of body.take(length)) {
          came += bytes.byteLength
          yield bytes
        }
      }
      const { parts, offset } = now
      if (parts === 0) await api.makeFolder(folderOf(now), { parents: true, mode: 0o700 })
      await api.writeFile(partOf(now, parts), counted(), { mode: 0o600 })
      // Also where writes of the volume are acknowledged before they are on a disk.
      await api.settle('local')
      const usedMs = clock.wall()
      now = await this.#records.put({ ...now, offset: offset + came, parts: parts + 1, usedMs })
    }
  }

  /** More came than was announced, or than may: with its length known it can never be right. */
  async #endOverlong(record: UploadRecord): Promise<never> {
    if (record.length === undefined) throw this.#tooLarge()
    await this.#forget(record)
    throw inconsistent()
  }

  async #complete(visit: Visit, record: UploadRecord): Promise<UploadRecord> {
    const { api, clock, random } = this.#c
    const { path, mode, ifTag, parents, offset } = record
    const there = await statIfThere(api, path, {})
    let now = record
    // It was made, and the node died before that was noted.
    const isMade = there?.sizeBytes === offset && `${there.modifiedNs}` === record.placingNs
    if (!isMade) {
      if (parents) await visit.api.makeFolder(above(path), { parents: true })
      const chance = BigInt(Math.floor(random.number() * Number(NS_PER_MS)))
      const modifiedNs = BigInt(Math.floor(clock.wall())) * NS_PER_MS + chance
      now = await this.#records.put({ ...record, placingNs: `${modifiedNs}` })
      const paths = Array.from({ length: record.parts }, (_, at) => partOf(record, at))
      const attributes = { mode, modifiedNs, sizeBytes: offset }
      await visit.within(joined(api, paths)).writeFile(path, nothing(), attributes, { ifTag })
    }
    const tag = (await statIfThere(api, path, {}))?.tag
    const done = { tag, isNew: there === undefined || isMade }
    now = await this.#records.put({ ...now, done, usedMs: clock.wall() })
    await this.#removeFolder(now)
    return now
  }

  /** Remove those whose time is over. */
  async sweep(signal: AbortSignal): Promise<void> {
    for (const record of this.#records.all()) {
      if (signal.aborted) return
      if (this.endsMs(record) <= this.#c.clock.wall())
        await this.#turns.run(record.id, async () => {
          const now = this.#records.get(record.id)
          if (now !== undefined && this.endsMs(now) <= this.#c.clock.wall()) await this.#forget(now)
        })
    }
  }

  /** The note last: whatever stays is removed another time. */
  async #forget(record: UploadRecord): Promise<void> {
    await this.#removeFolder(record)
    await this.#records.remove(record.id)
  }

  async #removeFolder(record: UploadRecord): Promise<void> {
    const { api } = this.#c
    const folder = folderOf(record)
    await unlessGone(api.remove(folder, { recursive: true }))
    await unlessGone(api.remove(above(folder)))
  }

  /** Bytes that an account may still begin, or this upload of it may have from here on. */
  #roomOf(account: string, id?: string): number {
    const taken = this.#records
      .of(account)
      .filter(({ done }) => done === undefined)
      .reduce(
        (sum, one) => sum + (one.id === id ? one.offset : Math.max(one.offset, one.length ?? 0)),
        0,
      )
    return this.#bounds.bytesOfOne - taken
  }

  #tooLarge(): HttpFailure {
    const message = `unfinished uploads of an account have at most ${this.#bounds.bytesOfOne} bytes`
    return new HttpFailure('EFBIG', message, {
      status: 413,
      headers: { 'upload-limit': this.limits() },
    })
  }

  async #inTurn<Result>(
    { account }: Visit,
    id: string,
    run: (record: UploadRecord, signal: AbortSignal) => Result | Promise<Result>,
  ): Promise<Result> {
    const find = (): UploadRecord => {
      const record = this.#records.get(id)
      if (record?.account === account) return record
      throw new ShoalError('ENOENT', 'there is no such upload, or it has ended')
    }
    // Nobody else's is disturbed.
    find()
    return this.#turns.run(id, (signal) => run(find(), signal))
  }
}

function folderOf({ id, path }: UploadRecord): string {
  return `${path.slice(0, path.indexOf(':'))}:/${UPLOADS_FOLDER}/${id}`
}

function partOf(record: UploadRecord, at: number): string {
  return `${folderOf(record)}/${`${at}`.padStart(5, '0')}`
}

function above(path: string): string {
  return path.slice(0, path.lastIndexOf('/')).replace(/:$/, ':/')
}

/** Passes over that nothing is there, or something else, too. */
async function unlessGone(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTEMPTY')) throw error
  }
}

function inconsistent(): HttpFailure {
  return problem(400, 'inconsistent-upload-length', 'the lengths that were said are not one')
}

function problem(
  status: number,
  name: string,
  message: string,
  more: { headers?: Record<string, string | number>; members?: Record<string, unknown> } = {},
): HttpFailure {
  const type = `https://iana.org/assignments/http-problem-types#${name}`
  return new HttpFailure(status === 409 ? 'precondition' : 'EINVAL', message, {
    status,
    type,
    ...more,
  })
}
