// Certificates for TLS: made and signed by this node itself, or read from files.
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { readFile, stat } from 'node:fs/promises'
import { ShoalError } from '../../protocol/errors.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'

const { createSecureContext } = process.getBuiltinModule('node:tls')
const { X509Certificate, webcrypto } = process.getBuiltinModule('node:crypto')

/** As long as the strictest of clients takes one that its owner has trusted: 825 days. */
const LIFE_MS: number = 800 * DAY_MS
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1'
const SERIAL_BYTES = 16
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** In PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** One for all names and addresses that this machine has now. */
export async function makeCertificate(nowMs: WallTime): Promise<Certificate> {
  // It wants this to be there first.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = ownNames().map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const)
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(SERIAL_BYTES)))
        .fill(0x40, 0, 1)
        .toString('hex'),
      name: `CN=Shoal on ${hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')}`,
      notBefore: new Date(nowMs - DAY_MS),
      notAfter: new Date(nowMs + LIFE_MS),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      keys,
      extensions: [
        new x509.SubjectAlternativeNameExtension(names),
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.ExtendedKeyUsageExtension([SERVER_AUTHENTICATION]),
      ],
    },
    webcrypto,
  )
  const secret = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const body = secret.toString('base64').replaceAll(/.{64}/g, '$&\n')
  return {
    cert: made.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`,
  }
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
  const [cert, key] = await Promise.all([files.cert, files.key].map(readText))
  const read = { cert: cert ?? '', key: key ?? '' }
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

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const { message } = cause as Error
    throw new ShoalError('usage', `the certificate cannot be read: ${message}`, { cause })
  }
}

function ownNames(): readonly string[] {
  const name = hostname()
  const addresses = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.flatMap(({ address }) => (address.includes('%') ? [] : [address])),
  )
  return [...new Set([name, `${name.split('.', 1)[0]}.local`, 'localhost', ...addresses])]
}
