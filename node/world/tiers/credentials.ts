// The access key of an S3 tier, from a file that only its owner may read. Its content is in no
// error and no log.
import { open } from 'node:fs/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { KIB } from '../../../protocol/units.ts'

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const FILE_MAX = 64 * KIB
/** Everybody but the owner. */
const OTHERS = 0o077

/**
 * Read a file in the form of ~/.aws/credentials: `aws_access_key_id = ...`, `aws_secret_access_key
 * = ...` and, if any, `aws_session_token = ...`, the first of each.
 * throws 'cold-denied' if others may read it, if it is not ours, or if it holds no key.
 */
export async function readAccessKey(path: string): Promise<AccessKey> {
  const text = await readOwnFile(path)
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*(aws_\w+)\s*=\s*(\S+)\s*$/i.exec(line) ?? []
    if (name === undefined || value === undefined || values.has(name.toLowerCase())) continue
    values.set(name.toLowerCase(), value)
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  const sessionToken = values.get('aws_session_token')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw denied(path, 'has no lines aws_access_key_id = ... and aws_secret_access_key = ...')
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
}

async function readOwnFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw denied(path, `cannot be read: ${cause.message}`)
  })
  try {
    const { mode, uid, size } = await file.stat()
    if ((mode & OTHERS) !== 0) throw denied(path, `is open to others: chmod 600 ${path}`)
    if (uid !== process.getuid?.()) throw denied(path, 'belongs to another user: chown it')
    if (size > FILE_MAX) throw denied(path, 'is too large to hold an access key')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function denied(path: string, what: string): ShoalError {
  return new ShoalError('cold-denied', `the credentials file ${path} ${what}`)
}
