// Certificates for TLS as they are read from files, and what they say.
import { readFile, stat } from 'node:fs/promises'
import { ShoalError } from '../../protocol/errors.ts'
import type { WallTime } from '../../protocol/units.ts'

const { createSecureContext } = process.getBuiltinModule('node:tls')
const { X509Certificate } = process.getBuiltinModule('node:crypto')

/** In PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** The SHA-256 of a certificate, as programs show it. */
export function fingerprintOf({ cert }: Certificate): string {
  return new X509Certificate(cert).fingerprint256
}

export function endOf({ cert }: Certificate): WallTime {
  return new X509Certificate(cert).validToDate.getTime() as WallTime
}

/** throws ShoalError 'usage' naming the file that cannot be read, or is none. */
export async function readCertificate(files: Certificate): Promise<Certificate> {
  const cert = await readText(files.cert, 'the certificate')
  const key = await readText(files.key, 'the key of the certificate')
  const read = { cert, key }
  try {
    createSecureContext(read)
    return read
  } catch (cause) {
    const { message } = cause as Error
    throw new ShoalError(
      'usage',
      `${files.cert} and ${files.key} are no certificate in PEM with its key: ${message}`,
      { cause },
    )
  }
}

/** Changes when one of the files does. */
export async function stateOfFiles({ cert, key }: Certificate): Promise<string> {
  const stats = await Promise.all([cert, key].map((file) => stat(file, { bigint: true })))
  return stats.map(({ ino, mtimeNs, size }) => `${ino}.${mtimeNs}.${size}`).join()
}

/**
 * The text of a file that config.yaml names. what: it is, for errors. throws ShoalError 'usage'.
 */
export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const { message } = cause as Error
    throw new ShoalError('usage', `${what} cannot be read: ${message}`, { cause })
  }
}
