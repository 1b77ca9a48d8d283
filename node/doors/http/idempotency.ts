// Requests with a key of idempotence (Idempotency-Key): one is made once, and answered to each who
// sends it again as it was the first time. With a key a call goes on to its end when the client has
// gone away: that is the case for which it has one.
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { hasCode } from '../../../protocol/errors.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import type { NodeApi } from '../../control/api.ts'
import { begin } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { HttpFailure } from './http-failure.ts'
import type { AnswerName, KeptAnswer, KeptAnswers, KeptCall } from './kept-answers.ts'
import { recordAnswer } from './recorded-answer.ts'
import type { IncomingMessage } from 'node:http'

/** A string of a structured field, or a plain one, as many programs send it. */
const KEY = /^(?:"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\w.:+/=-]{1,255}))$/

/** Headers that make it another request. */
const HEAD_HEADERS = [
  'content-length',
  'content-type',
  'if-match',
  'if-none-match',
  'upload-complete',
  'upload-length',
] as const

/** Calls that change nothing: they are made each time. */
export const LOOKING_CALLS: ReadonlySet<keyof NodeApi> = new Set([
  'status',
  'listPeers',
  'memberInfo',
  'peerLoss',
  'peerInfo',
  'pingPeer',
  'listVolumes',
  'volumeInfo',
  'listLeftVolumes',
  'stat',
  'list',
  'listPage',
  'listConflicts',
  'showConflict',
  'readLog',
  'listVersions',
  'findVersion',
  'listRemoved',
  'listLosses',
  'listSnapshots',
  'diffSnapshots',
  'listMounts',
  'listPins',
  'listTiers',
  'listBackups',
  'listAccounts',
  'listAlerts',
  'readLogs',
  'logLevels',
  'listDoors',
  'watch',
  'fileHolders',
  'readSecurity',
  'checkSecurity',
  'listTickets',
])

/** The key of a request that changes something. throws HttpFailure for what is none. */
export function keyOf({ method, url = '', headers }: IncomingMessage): string | undefined {
  const shown = headers['idempotency-key']
  if (shown === undefined || !isChanging(method, url)) return undefined
  const [, quoted, plain] = KEY.exec(String(shown)) ?? []
  const key = quoted ?? plain
  if (key !== undefined) return key
  throw new HttpFailure('usage', 'Idempotency-Key is a string of 1 to 255 characters', {
    status: 400,
  })
}

function isChanging(method: string | undefined, url: string): boolean {
  const [, name] = /^\/v1\/calls\/(\w+)(?:\?|$)/.exec(url) ?? []
  if (name !== undefined) return method === 'POST' && !LOOKING_CALLS.has(name as keyof NodeApi)
  return url.startsWith('/v1/files/') && /^(PUT|POST|DELETE)$/.test(method ?? '')
}

/** Requests with keys that are made now. */
export class Idempotency {
  readonly #kept: KeptAnswers
  readonly #underWay = new Map<string, string>()
  readonly #making = new Set<Promise<void>>()

  constructor(kept: KeptAnswers) {
    this.#kept = kept
  }

  /** Resolves when none is made. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#making)
  }

  /**
   * Make a request, or answer as it was answered. `run` answers whatever happens. throws
   * HttpFailure 409 while it is made, 422 for another with its key.
   */
  async once(
    name: AnswerName,
    exchange: Exchange,
    run: (exchange: Exchange) => Promise<void>,
  ): Promise<void> {
    const { request } = exchange
    const head = headOf(request)
    const id = JSON.stringify(name)
    const other = this.#underWay.get(id)
    if (other !== undefined) throw other === head ? underWay() : another()
    this.#underWay.set(id, head)
    try {
      const known = this.#kept.find(name)
      if (known !== undefined) return await tellAgain(known, head, exchange)
      const making = this.#make(name, head, exchange, run)
      this.#making.add(making)
      await making.finally(() => this.#making.delete(making))
    } finally {
      this.#underWay.delete(id)
    }
  }

  async #make(
    name: AnswerName,
    head: string,
    exchange: Exchange,
    run: (exchange: Exchange) => Promise<void>,
  ): Promise<void> {
    const { request, response, signal } = exchange
    await this.#kept.put(name, { head })
    const body = hashing(request)
    const answer = recordAnswer(response, async (recorded) => {
      if (isFinal(recorded) && request.complete)
        await this.#kept.put(name, { head, body: body(), answer: recorded })
      else await this.#kept.remove(name)
    })
    await run({ ...exchange, signal: untilStopped(signal) })
    await answer.kept()
  }
}

/** The same signal, but for clients that go away. */
function untilStopped(signal: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const pass = (): void => {
    if (!hasCode(signal.reason, 'aborted')) controller.abort(signal.reason)
  }
  if (signal.aborted) pass()
  else signal.addEventListener('abort', pass, { once: true })
  return controller.signal
}

/** Would the same request be answered so again? One that met a passing failure may be made anew. */
function isFinal(answer: KeptAnswer | 'long' | undefined): answer is KeptAnswer | 'long' {
  if (answer === undefined || answer === 'long') return answer !== undefined
  const { status, body } = answer
  if (status < 400) return true
  return status <= 500 && !body.includes('"permanent":false')
}

async function tellAgain(
  { head, body, answer }: KeptCall,
  asked: string,
  { request, response }: Exchange,
): Promise<void> {
  if (head !== asked) throw another()
  if (answer === undefined)
    throw new HttpFailure('EBUSY', 'the node stopped while it was made: look whether it was', {
      status: 409,
    })
  const hash = createHash('sha256')
  for await (const bytes of request as AsyncIterable<Uint8Array>) hash.update(bytes)
  if (body !== undefined && body !== hash.digest('hex')) throw another()
  if (answer === 'long')
    throw new HttpFailure('EFBIG', 'it was made, and its answer was too long to be kept', {
      status: 409,
    })
  begin(response, answer.status, { ...answer.headers, 'idempotent-replayed': 'true' })
  response.end(answer.body)
}

function headOf({ method, url, headers }: IncomingMessage): string {
  const values = HEAD_HEADERS.map((name) => headers[name] ?? null)
  return toHex(sha256(utf8(JSON.stringify([method, url, ...values]))))
}

/** Hashes a body as it is read. returns what tells the hash, once all was. */
function hashing(request: IncomingMessage): () => string | undefined {
  const hash: Hash = createHash('sha256')
  let isWhole = false
  const read = request[Symbol.asyncIterator].bind(request)
  request[Symbol.asyncIterator] = async function* (): AsyncGenerator<Uint8Array, undefined> {
    for await (const bytes of read() as AsyncIterable<Uint8Array>) {
      hash.update(bytes)
      yield bytes
    }
    isWhole = true
    return undefined
  }
  let found: string | undefined
  return () => (isWhole ? (found ??= hash.digest('hex')) : undefined)
}

function underWay(): HttpFailure {
  return new HttpFailure('EBUSY', 'the request with this key is being made', {
    status: 409,
    headers: { 'retry-after': 1 },
  })
}

function another(): HttpFailure {
  return new HttpFailure('usage', 'this key was used for another request', { status: 422 })
}
