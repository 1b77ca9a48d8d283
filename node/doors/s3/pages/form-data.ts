// A form that a browser sends (multipart/form-data, RFC 7578): its fields up to the file, which are
// few and short, and the file as a stream. What comes after that counts for nothing.
import { KIB, SECOND_MS } from '../../../../protocol/units.ts'
import type { Clock } from '../../../world/world.ts'
import { S3Error, invalid } from '../s3-error.ts'
import type { BusboyInstance } from '@fastify/busboy'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/** Names and values of all fields. */
const FIELDS_BYTES_MAX: number = 20 * KIB
const FIELDS_MAX = 100
const FILE_NAME_CHARS_MAX = 1024
/** All that comes before the bytes of the file. */
const HEAD_BYTES_MAX: number = 64 * KIB
const HEAD_MS: number = 30 * SECOND_MS
/** A boundary has 70 characters at most. */
const TYPE_CHARS_MAX = 200
const LIMITS = {
  fields: FIELDS_MAX,
  fieldSize: FIELDS_BYTES_MAX,
  files: 1,
  headerPairs: 16,
  headerSize: 8 * KIB,
} as const
const FILE = 'file'

export interface Form {
  /** By name, in lower case. */
  readonly fields: ReadonlyMap<string, string>
  /** Without folders; '' is none. */
  readonly fileName: string
  /** Read once. Fails where the form breaks off. */
  readonly content: AsyncIterable<Uint8Array>
  /** Whatever was not read is not read any more: the rest of the request is somebody else's. */
  readonly close: () => void
}

export function isForm({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return /^multipart\/form-data *;/i.test(headers['content-type'] ?? '')
}

/** Reads up to the file. throws S3Error 400. */
export async function readForm(request: IncomingMessage, clock: Clock): Promise<Form> {
  const reader = new FormReader(request, await parserOf(request))
  const late = clock.timer(HEAD_MS, () =>
    reader.fail(new S3Error('RequestTimeout', 400, 'the form took too long')),
  )
  try {
    return await reader.form
  } finally {
    late.cancel()
  }
}

async function parserOf({ headers }: IncomingMessage): Promise<BusboyInstance> {
  const type = headers['content-type'] ?? ''
  if (type.length > TYPE_CHARS_MAX) throw malformed('its boundary is too long')
  // Only those who get forms load it.
  const { Busboy } = await import('@fastify/busboy')
  try {
    return new Busboy({
      headers: { 'content-type': type },
      limits: LIMITS,
      isPartAFile: (name) => name?.toLowerCase() === FILE,
    })
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'it is none')
  }
}

class FormReader {
  readonly #request: IncomingMessage
  readonly #parser: BusboyInstance
  readonly #fields = new Map<string, string>()
  readonly #found = Promise.withResolvers<Form>()
  #file: Readable | undefined
  #failure: Error | undefined
  #fieldsBytes = 0
  #headBytes = 0
  #isClosed = false

  constructor(request: IncomingMessage, parser: BusboyInstance) {
    this.#request = request
    this.#parser = parser
    request.on('data', this.#feed)
    request.once('error', (error) => this.fail(error))
    request.once('end', () => parser.end())
    parser.on('field', (name, value, isNameCut, isCut) =>
      this.#addField(name, value, isNameCut || isCut),
    )
    parser.on('fieldsLimit', () => this.fail(tooLarge()))
    parser.on('file', (_, file, name) => this.#begin(file, name))
    parser.on('error', ({ message }: Error) => this.fail(malformed(message)))
    parser.on('finish', () => {
      if (this.#file === undefined) this.fail(invalid('a form has a field "file", its last'))
    })
  }

  get form(): Promise<Form> {
    return this.#found.promise
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#found.reject(error)
    this.#file?.destroy(error)
    this.close()
  }

  close(): void {
    if (this.#file?.readableEnded === true) return
    this.#isClosed = true
    this.#request.off('data', this.#feed)
  }

  /** A part at a time; the next one comes when the parser, and whoever reads the file, wants it. */
  readonly #feed = (part: Uint8Array): void => {
    if (this.#file === undefined && this.#headBytes > HEAD_BYTES_MAX) return this.fail(tooLarge())
    this.#headBytes += part.length
    this.#request.pause()
    this.#parser.write(part, () => {
      if (!this.#isClosed) this.#request.resume()
    })
  }

  #addField(given: string | undefined, value: string, isCut: boolean): void {
    if (this.#file !== undefined) return
    const name = given?.toLowerCase() ?? ''
    this.#fieldsBytes += Buffer.byteLength(name) + Buffer.byteLength(value)
    if (isCut || this.#fieldsBytes > FIELDS_BYTES_MAX) return this.fail(tooLarge())
    if (name === '') return this.fail(malformed('a field has no name'))
    if (this.#fields.has(name)) return this.fail(invalid(`the field ${name} is given twice`))
    this.#fields.set(name, value)
  }

  #begin(file: Readable, name: string | undefined): void {
    this.#file = file
    file.on('error', (error) => this.fail(error))
    const fileName = name ?? ''
    if (fileName.length > FILE_NAME_CHARS_MAX)
      return this.fail(invalid('the file name is too long'))
    const content = this.#contentOf(file)
    this.#found.resolve({ fields: this.#fields, fileName, content, close: () => this.close() })
  }

  async *#contentOf(file: Readable): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of file as AsyncIterable<Uint8Array>) yield part
    } catch (error) {
      throw this.#failure ?? error
    }
    // One that broke off before anybody read ends all the same.
    if (this.#failure !== undefined) throw this.#failure
  }
}

function malformed(text: string): S3Error {
  return new S3Error('MalformedPOSTRequest', 400, `the body is no form: ${text}`)
}

function tooLarge(): S3Error {
  return new S3Error(
    'MaxPostPreDataLengthExceeded',
    400,
    `before the file a form has at most ${FIELDS_MAX} fields of ${FIELDS_BYTES_MAX} bytes`,
  )
}
