// The connection to an S3 server. A request that may succeed later is tried again: with delays of
// the World's chance, more patiently where the server asks for it, less where it does not answer at
// all. A clock that is wrong by less than what the server's own answers tell is corrected by the
// SDK. Of an answer that is no object only so much is taken: the server may be anybody's.
import { S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { MIB, SECOND_MS } from '../../../protocol/units.ts'
import type { AccessKey, TierAccess } from '../../../protocol/cold/access-key.ts'
import type { S3Location } from '../../../protocol/cold/location.ts'
import type { Clock, Random } from '../world.ts'
import { pauseAfter } from '../../jobs/backoff.ts'

/** How long a server may say nothing at all, when connecting and then. */
export interface S3Patience {
  readonly connectMs: number
  readonly silenceMs: number
}

export const S3_PATIENCE: S3Patience = { connectMs: 10 * SECOND_MS, silenceMs: 30 * SECOND_MS }

type RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { acquireInitialRetryToken: unknown }
>
type RetryError = Parameters<RetryStrategy['refreshRetryTokenForRetry']>[1]

const ATTEMPTS_MAX = 8
const SILENT_ATTEMPTS_MAX = 3
const BASE_MS = 100
const THROTTLED_BASE_MS = 500
/** Errors by which a server says that bytes were changed on their way to it. */
const DAMAGED: ReadonlySet<string> = new Set(['BadDigest', 'XAmzContentSHA256Mismatch'])
/**
 * The SDK has learned the server's time from such an answer, but tries again only if the two clocks
 * still differ.
 */
const SKEWED = 'RequestTimeTooSkewed'
const SKEWED_ATTEMPTS_MAX = 2
/** At most so much of what a server asks us to wait. */
const HINT_MAX_MS = 60 * SECOND_MS
const KEEP_ALIVE_MS = 15 * SECOND_MS
const SOCKETS_MAX = 32
/**
 * Limit for an answer in XML: a listing of a thousand of the longest keys, each character escaped,
 * is a third of it.
 */
const ANSWER_BYTES_MAX: number = 16 * MIB
/** Amazon's oldest region, whose name other servers take for theirs. */
const ANY_REGION = 'us-east-1'

const DELAY_MAX_MS = 20 * SECOND_MS

export function openClient(
  { clock, random }: { clock: Clock; random: Random },
  { endpoint, region }: S3Location,
  { accessKey, profile }: TierAccess,
  { connectMs, silenceMs }: S3Patience,
): S3Client {
  const agent = {
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    noDelay: true,
    maxSockets: SOCKETS_MAX,
  }
  return new S3Client({
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
    streamCollector: collect,
    retryStrategy: retryStrategy({ clock, random }),
    maxAttempts: ATTEMPTS_MAX,
    followRegionRedirects: endpoint === undefined,
    // Amazon stores checksums with objects. Others may refuse them, but check the hash in each
    // request's signature.
    ...(endpoint !== undefined && {
      endpoint,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      region: region ?? ANY_REGION,
    }),
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(accessKey !== undefined && { credentials: credentialsOf(accessKey) }),
  })
}

function credentialsOf(key: AccessKey): NonNullable<S3ClientConfig['credentials']> {
  const { accessKeyId, secretAccessKey, sessionToken } = key
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
}

/**
 * An answer that is not streamed to who asked. throws ShoalError 'cold-corrupt' for one that is too
 * long.
 */
async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body) {
    bytes += part.length
    if (bytes > ANSWER_BYTES_MAX)
      throw new ShoalError(
        'cold-corrupt',
        `the server sent more than ${ANSWER_BYTES_MAX} bytes of XML`,
      )
    parts.push(part)
  }
  return concatBytes(parts)
}

/** How often a request has failed, and how often of that by silence. */
class Failures {
  readonly silentCount: number
  readonly #count: number

  constructor(count: number, silentCount: number) {
    this.#count = count
    this.silentCount = silentCount
  }

  getRetryCount(): number {
    return this.#count
  }

  /** Nothing more: it was waited for. */
  getRetryDelay(): number {
    return 0
  }
}

function retryStrategy({ clock, random }: { clock: Clock; random: Random }): RetryStrategy {
  return {
    acquireInitialRetryToken: async () => new Failures(0, 0),
    refreshRetryTokenForRetry: async (token, failure) => {
      const count = token.getRetryCount() + 1
      const silentBefore = token instanceof Failures ? token.silentCount : 0
      const silentCount = silentBefore + (failure.error?.name === 'TimeoutError' ? 1 : 0)
      if (count >= attemptsMax(failure) || silentCount >= SILENT_ATTEMPTS_MAX) {
        throw new Error('tried often enough')
      }
      const baseMs = failure.errorType === 'THROTTLING' ? THROTTLED_BASE_MS : BASE_MS
      const hintMs = (failure.retryAfterHint?.getTime() ?? 0) - clock.wall()
      await clock.sleep(Math.max(backoffMs(random, baseMs, count), Math.min(hintMs, HINT_MAX_MS)))
      return new Failures(count, silentCount)
    },
    recordSuccess: () => undefined,
  }
}

function attemptsMax({ error, errorType }: RetryError): number {
  if (errorType !== 'CLIENT_ERROR') return ATTEMPTS_MAX
  const name = error?.name ?? ''
  if (name === SKEWED) return SKEWED_ATTEMPTS_MAX
  return DAMAGED.has(name) ? ATTEMPTS_MAX : 1
}

/**
 * How long to wait before trying again after so many failed attempts, at least 1: exponential, with
 * full jitter, so that those who were turned away together do not come back together (Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export function backoffMs(random: Random, baseMs: number, attempt: number): number {
  return random.number() * pauseAfter(attempt, { firstMs: baseMs, longestMs: DELAY_MAX_MS })
}
