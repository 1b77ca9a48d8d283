// Access to an S3 server: an access key, as files in the form of ~/.aws/credentials have it, or a
// profile of such files, by name.
import type { TierLocation } from './location.ts'
import { ShoalError } from '../errors.ts'

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Part of a key that is good for some hours. */
  readonly sessionToken?: string | undefined
}

/** A node's access to a tier: its own, and in no log. */
export interface TierAccess {
  readonly accessKey?: AccessKey | undefined
  /** A profile in the AWS profile files of the user that runs the node. */
  readonly profile?: string | undefined
}

/** A section of such a file; '' before the first. */
interface Section {
  readonly name: string
  readonly values: ReadonlyMap<string, string>
}

/**
 * The access key of a profile; if none is named, the first in the file. Undefined: it has none.
 * In ~/.aws/config a profile is called `profile NAME`.
 */
export function accessKeyIn(text: string, profile?: string): AccessKey | undefined {
  for (const { name, values } of sectionsOf(text)) {
    if (profile !== undefined && name !== profile) continue
    const accessKeyId = values.get('aws_access_key_id')
    const secretAccessKey = values.get('aws_secret_access_key')
    const sessionToken = values.get('aws_session_token')
    if (accessKeyId === undefined || secretAccessKey === undefined) continue
    return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
  }
  return undefined
}

/** Is there such a profile, whatever it says? */
export function hasProfile(text: string, profile: string): boolean {
  return sectionsOf(text).some(({ name }) => name === profile)
}

/** throws ShoalError 'usage' for access to a tier of a kind that has none. */
export function checkAccess({ kind }: TierLocation, access: TierAccess): void {
  const isGiven = access.accessKey !== undefined || access.profile !== undefined
  if (kind !== 's3' && isGiven)
    throw new ShoalError('usage', 'credentials and profiles are for s3:// only: leave them out')
}

function sectionsOf(text: string): readonly Section[] {
  const sections: { name: string; values: Map<string, string> }[] = [
    { name: '', values: new Map() },
  ]
  for (const line of text.split('\n')) {
    const [, name] = /^\s*\[\s*(?:profile\s+)?([^\]]*?)\s*\]/.exec(line) ?? []
    if (name !== undefined) sections.push({ name, values: new Map() })
    const [, key, value] = /^\s*(aws_\w+)\s*=\s*(\S+)\s*$/i.exec(line) ?? []
    const values = sections.at(-1)?.values
    if (key !== undefined && value !== undefined && values?.has(key.toLowerCase()) === false)
      values.set(key.toLowerCase(), value)
  }
  return sections
}
