// Makes certificates for TLS that this node signs itself. Loaded by those that need one, since the
// library is large. It wants reflect-metadata before it: by imports in one file, since a bundle may
// put what is imported at different times in any order.
import 'reflect-metadata'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import * as x509 from '@peculiar/x509'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Certificate } from './certificates.ts'

const { webcrypto } = process.getBuiltinModule('node:crypto')

/** As long as the strictest of clients takes one that its owner has trusted: 825 days. */
const LIFE_MS: number = 800 * DAY_MS
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1'
const SERIAL_BYTES = 16
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** One for all names and addresses that this machine has now. */
export async function makeCertificate(nowMs: WallTime): Promise<Certificate> {
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

function ownNames(): readonly string[] {
  const name = hostname()
  const addresses = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.flatMap(({ address }) => (address.includes('%') ? [] : [address])),
  )
  return [...new Set([name, `${name.split('.', 1)[0]}.local`, 'localhost', ...addresses])]
}
