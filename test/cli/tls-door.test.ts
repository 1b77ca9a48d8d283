// A door of a real node that speaks TLS: by its own certificate, which survives a restart, and to
// nobody without it.
import assert from 'node:assert/strict'
import { request } from 'node:https'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { asked } from './ask-http.ts'
import { ALONE, withDoor } from './with-door.ts'
import type { DoorStatus } from '../../node/control/doors.ts'

/** The certificate that is shown at a door, in PEM, and its fingerprint. */
async function shownAt({ hostname, port }: URL): Promise<{ pem: string; fingerprint: string }> {
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
  try {
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    const { raw, fingerprint256 } = socket.getPeerCertificate()
    const body = raw.toString('base64')
    return {
      pem: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`,
      fingerprint: fingerprint256,
    }
  } finally {
    socket.destroy()
  }
}

/** The cookie of the session that a link to the console begins. */
function cookieBy(link: URL, ca: string): Promise<string> {
  const body = JSON.stringify({ code: link.hash.slice('#login='.length) })
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', ca, servername: 'localhost' }
    const sent = request(new URL('/v1/session', link), options)
    sent.once('response', (response) => {
      response.resume()
      response.once('end', () => resolve(response.headers['set-cookie']?.[0] ?? ''))
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

function statusOf(url: URL, ca: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL('/v1/status', url), { ca, headers, servername: 'localhost' })
    sent.once('response', (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    sent.once('error', reject)
    sent.end()
  })
}

test('a door with TLS is open beyond this machine, to who trusts its certificate', async () => {
  const settings = '{ http: { listen: "0.0.0.0:0", tls: self-signed } }'
  await withDoor(settings, async ({ json, shoal, url, token }) => {
    const here = new URL(`https://127.0.0.1:${url.port}`)
    const { pem, fingerprint } = await shownAt(here)
    const [door] = (await json('door', 'ls')) as readonly DoorStatus[]
    assert.equal(door?.fingerprint, fingerprint)
    const authorization = `Bearer ${token}`
    assert.equal(await statusOf(here, pem, { authorization }), 200)
    const host = 'nas.example.org'
    assert.equal(await statusOf(here, pem, { authorization, host }), 200)
    const origin = `http://${host}`
    assert.equal(await statusOf(here, pem, { authorization, host, origin }), 403)
    assert.equal(await statusOf(here, pem, {}), 401)
    await assert.rejects(asked(here, '/v1/status'), 'nothing is said without TLS')
    const { url: link } = (await json('console')) as { readonly url: string }
    const there = new URL(link.replace('0.0.0.0', '127.0.0.1'))
    assert.match(await cookieBy(there, pem), /; HttpOnly; SameSite=Strict; Secure$/)
    await shoal('down')
    await shoal('up', '--detach', ...ALONE)
    const [again] = (await json('door', 'ls')) as readonly DoorStatus[]
    assert.equal(again?.fingerprint, fingerprint)
  })
})
