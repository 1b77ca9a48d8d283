// Finds the access key of an S3 tier where its owner has it: in a file, in the environment of this
// command, or in the AWS profile files. The node keeps the key, since its own environment is
// another one. No error and no output has the key in it.
import { open, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { accessKeyIn, hasProfile } from '../protocol/cold/access-key.ts'
import type { AccessKey, TierAccess } from '../protocol/cold/access-key.ts'
import { ShoalError } from '../protocol/errors.ts'
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { printable } from './output.ts'

const FILE_BYTES_MAX = 64 * 1024
/** The mode bits of everybody but the owner. */
const OTHERS = 0o077
const DEFAULT_PROFILE = 'default'

export interface AccessOptions {
  readonly credentials?: string | undefined
  readonly profile?: string | undefined
}

export interface FoundAccess {
  readonly access: TierAccess
  /** Origin of the key, as the end of a sentence; undefined: the node looks for one itself. */
  readonly source: string | undefined
}

export function addAccessOptions(command: Command): Command {
  return command
    .option('--credentials <file>', 'take the S3 access key from a file that only you may read')
    .option('--profile <name>', 'take it from this profile of the AWS profile files')
}

/**
 * The access to a tier at a URL.
 * throws ShoalError 'usage', 'cold-denied' for a file that others may read, or without a key.
 */
export async function findAccess(
  url: string,
  { credentials, profile }: AccessOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FoundAccess> {
  if (credentials !== undefined && profile !== undefined)
    throw new ShoalError('usage', 'give either --credentials or --profile')
  // The node refuses either for a tier of another kind.
  const isAsked = credentials !== undefined || profile !== undefined
  if (!url.startsWith('s3:') && !isAsked) return { access: {}, source: undefined }
  if (credentials !== undefined) {
    const file = resolve(credentials)
    return { access: { accessKey: await keyOfFile(file) }, source: file }
  }
  if (profile !== undefined) return keyOfProfile(profile, env)
  const accessKey = keyOfEnvironment(env)
  if (accessKey !== undefined) return { access: { accessKey }, source: '$AWS_ACCESS_KEY_ID' }
  const named = env['AWS_PROFILE']
  if (named !== undefined && named !== '') return keyOfProfile(named, env)
  const texts = await readProfileFiles(env)
  const isThere = texts.some((text) => hasProfile(text, DEFAULT_PROFILE))
  return isThere ? keyOfProfile(DEFAULT_PROFILE, env) : { access: {}, source: undefined }
}

export function tellKept(context: Context, source: string | undefined): void {
  if (source !== undefined)
    context.tell(`Its access key, from ${printable(source)}, is kept in the home of this node.`)
}

function keyOfEnvironment(env: NodeJS.ProcessEnv): AccessKey | undefined {
  const [accessKeyId, secretAccessKey] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY']]
  const sessionToken = env['AWS_SESSION_TOKEN']
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

/** A profile that has no key of its own, but a role or a login, is for the node to follow. */
async function keyOfProfile(profile: string, env: NodeJS.ProcessEnv): Promise<FoundAccess> {
  const texts = await readProfileFiles(env)
  const accessKey = texts
    .map((text) => accessKeyIn(text, profile))
    .find((found) => found !== undefined)
  if (accessKey !== undefined) return { access: { accessKey }, source: `AWS profile "${profile}"` }
  if (texts.some((text) => hasProfile(text, profile)))
    return { access: { profile }, source: undefined }
  throw denied(`there is no profile "${profile}" in ${profileFiles(env).join(' or ')}`)
}

/** The AWS profile files that are there. */
async function readProfileFiles(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const texts = profileFiles(env).map((file) =>
    readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return ''
      throw denied(`${file} cannot be read: ${error.message}`)
    }),
  )
  return Promise.all(texts)
}

function profileFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: config } = env
  const folder = join(env['HOME'] ?? homedir(), '.aws')
  return [credentials || join(folder, 'credentials'), config || join(folder, 'config')]
}

async function keyOfFile(path: string): Promise<AccessKey> {
  const key = accessKeyIn(await readOwnFile(path))
  if (key !== undefined) return key
  throw denied(`${path} has no lines aws_access_key_id = ... and aws_secret_access_key = ...`)
}

async function readOwnFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw denied(`the credentials file ${path} cannot be read: ${cause.message}`)
  })
  try {
    const { mode, uid, size } = await file.stat()
    if ((mode & OTHERS) !== 0)
      throw denied(`the credentials file ${path} is open to others: chmod 600 ${path}`)
    if (uid !== process.getuid?.())
      throw denied(`the credentials file ${path} belongs to another user: chown it`)
    if (size > FILE_BYTES_MAX)
      throw denied(`the credentials file ${path} is too large to hold an access key`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function denied(message: string): ShoalError {
  return new ShoalError('cold-denied', message)
}
