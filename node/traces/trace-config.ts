// The setting `traces` of config.yaml: where spans go, and of which requests.
import { z } from 'zod'
import { durationOf } from '../../protocol/duration.ts'
import { SECOND_MS } from '../../protocol/units.ts'

const HEADER_MAX = 4096
const HEADERS_MAX = 16
const SAMPLE = 0.01
/** No header by which a request is told apart, or that fetch sets itself. */
const HEADER_NAME = /^(?!(?:content-|host$|connection$|transfer-))[a-z][a-z0-9-]{0,63}$/i
const HEADER_VALUE = /^[\x20-\x7e]+$/

export interface TraceConfig {
  /** Takes OTLP over HTTP, as JSON. Has no user or password. */
  readonly to: string
  /** As for a token. Never logged. */
  readonly headers: Readonly<Record<string, string>>
  /** The share of requests that are told of. */
  readonly sample: number
  /** Requests that took so long are told of. */
  readonly slowMs: number
}

export const traceSchema: z.ZodType<TraceConfig> = z
  .strictObject({
    to: z
      .url({ protocol: /^https?$/, error: 'must be a URL of http:// or https://' })
      .refine((url) => new URL(url).username === '' && new URL(url).password === '', {
        error: 'must have no user or password: give a token in "headers"',
      }),
    headers: z
      .record(
        z.string().regex(HEADER_NAME, { error: 'must be names of headers' }),
        z.string().max(HEADER_MAX).regex(HEADER_VALUE, { error: 'must be a line of ASCII' }),
      )
      .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
        error: `must be at most ${HEADERS_MAX}`,
      })
      .default({}),
    sample: z.number().min(0).max(1, { error: 'must be from 0 to 1' }).default(SAMPLE),
    slow: z
      .string()
      .transform((text, context) => {
        const ms = durationOf(text)
        if (ms !== undefined) return ms
        context.addIssue('must be a time such as 1s, 30s or 10m')
        return z.NEVER
      })
      .default(SECOND_MS),
  })
  .transform(({ slow: slowMs, ...rest }) => ({ ...rest, slowMs }))
