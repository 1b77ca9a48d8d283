// The settings of doors in config.yaml: where each listens, what it shows, and its certificate.
import { z } from 'zod'
import { PROVIDER_URL_MAX } from '../protocol/limits.ts'

const PORT_MAX = 65_535
const LABEL_MAX = 256

/** port 0: any. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** A way in for programs that are no Shoal node. */
export type DoorConfig = ListenAddress & {
  /** Undefined: what goes there is not encrypted, so it listens on this machine alone. */
  readonly tls?: TlsConfig | undefined
} & (
    | { readonly kind: 'http'; readonly oidc?: OidcConfig | undefined }
    | ({ readonly kind: 's3' } & S3Options & DoorFolder)
    | ({ readonly kind: 'webdav' } & DoorFolder)
  )

/** The part of the namespace that a door shows. */
export interface DoorFolder {
  /** Undefined: the default volume. */
  readonly volume?: string | undefined
  readonly path: string
}

/** acls: access lists that programs set, which here give nobody anything. */
export interface S3Options {
  readonly layout: 'path' | 'flat'
  readonly acls: 'refuse' | 'ignore'
}

/** A provider of OpenID Connect, where people sign in for this door. */
export interface OidcConfig {
  /** Its URL, as its tokens name it. */
  readonly issuer: string
  /** The name of this machine as its client. */
  readonly client: string
  /** The file with the secret of the client; undefined: it has none. */
  readonly secretFile?: string | undefined
  /** The volume whose groups they are put into; undefined: the default one. */
  readonly volume?: string | undefined
  /** The claim that says in which groups somebody is. */
  readonly groupsClaim: string
  /** More than 'openid' that is asked for. */
  readonly scopes: readonly string[]
}

/** A certificate that the node makes and signs for itself, or files in PEM of somebody else's. */
export type TlsConfig = 'self-signed' | { readonly cert: string; readonly key: string }

const OWN_ADDRESS = /^(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})$/
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/
const ANY_ADDRESS = /^([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:.]{2,45}\]):(\d{1,5})$/

/** An address of this machine alone, such as 127.0.0.1:4190. */
export const listenHere: z.ZodType<ListenAddress, string> = z
  .string()
  .transform((text, context) => {
    const address = parseAddress(text, OWN_ADDRESS)
    if (address !== undefined) return address
    context.addIssue(
      'must be an address of this machine alone, such as 127.0.0.1:4190; for others, forward ' +
        'the port by ssh',
    )
    return z.NEVER
  })

const absolute = z.string().startsWith('/', { error: 'must be the absolute path of a file' })
const tls = z
  .union([z.literal('self-signed'), z.strictObject({ cert: absolute, key: absolute })], {
    error: 'must be "self-signed", or "{cert: /FILE, key: /FILE}" of files in PEM',
  })
  .optional()
const doorAddress = { listen: z.string(), tls }
const doorFolder = {
  ...doorAddress,
  volume: z.string().min(1).max(LABEL_MAX).optional(),
  path: z.string().startsWith('/').default('/'),
}
const s3Options = {
  layout: z.enum(['path', 'flat']).default('path'),
  acls: z.enum(['refuse', 'ignore']).default('refuse'),
}

const SCOPES_MAX = 16
const word = z
  .string()
  .regex(/^[\x21-\x7e]{1,256}$/, { error: 'must be a word of at most 256 characters' })
const oidc = z
  .strictObject({
    issuer: z.string().max(PROVIDER_URL_MAX).refine(isProviderUrl, {
      error: 'must be the https:// URL of the provider; http:// on this machine alone',
    }),
    client: word,
    secretFile: absolute.optional(),
    volume: z.string().min(1).max(LABEL_MAX).optional(),
    groupsClaim: word.default('groups'),
    scopes: z.array(word).max(SCOPES_MAX).default(['profile', 'email']),
  })
  .optional()

/** The address of a door alone stands for an object that has it as `listen`. */
const fields = (value: unknown): unknown => (typeof value === 'string' ? { listen: value } : value)

/** One of the list `doors`. */
export const doorSchema: z.ZodType<DoorConfig> = z
  .strictObject({
    http: z
      .preprocess(fields, z.strictObject({ ...doorAddress, oidc }))
      .transform((http, context): DoorConfig => ({ kind: 'http', ...placed(http, context) }))
      .optional(),
    s3: z
      .preprocess(fields, z.strictObject({ ...doorFolder, ...s3Options }))
      .transform((s3, context): DoorConfig => ({ kind: 's3', ...placed(s3, context) }))
      .optional(),
    webdav: z
      .preprocess(fields, z.strictObject(doorFolder))
      .transform((dav, context): DoorConfig => ({ kind: 'webdav', ...placed(dav, context) }))
      .optional(),
  })
  .transform((kinds, context): DoorConfig => {
    const [one, ...more] = Object.values(kinds).filter((settings) => settings !== undefined)
    if (one !== undefined && more.length === 0) return one
    context.addIssue(
      'must have one of "http: HOST:PORT", ' +
        '"s3: {listen: HOST:PORT, volume: NAME, path: /FOLDER, layout: path|flat}", ' +
        '"webdav: {listen: HOST:PORT, volume: NAME, path: /FOLDER}"',
    )
    return z.NEVER
  })

/** The same with its address taken apart: beyond this machine nothing listens without TLS. */
function placed<Fields extends { readonly listen: string; readonly tls?: TlsConfig | undefined }>(
  { listen, ...rest }: Fields,
  context: z.core.$RefinementCtx,
): Omit<Fields, 'listen'> & ListenAddress {
  const address = parseAddress(listen, rest.tls === undefined ? OWN_ADDRESS : ANY_ADDRESS)
  if (address !== undefined) return { ...rest, ...address }
  context.addIssue(
    rest.tls === undefined
      ? 'must listen on this machine alone, such as 127.0.0.1:4190, or have "tls"'
      : 'must listen at HOST:PORT, such as 0.0.0.0:4190 or [::]:4190',
  )
  return z.NEVER
}

function isProviderUrl(text: string): boolean {
  const { protocol, hostname, search, hash, username } = URL.parse(text) ?? {}
  if (search !== '' || hash !== '' || username !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname ?? ''))
}

function parseAddress(text: string, form: RegExp): ListenAddress | undefined {
  const [, host = '', port = ''] = form.exec(text) ?? []
  if (host === '' || Number(port) > PORT_MAX) return undefined
  return { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }
}
