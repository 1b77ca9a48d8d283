// Tells real targets: a program of this machine, a web server, a mail server.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { sendAlert } from '../../../../node/world/targets/alert-targets.ts'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AlertMessage, AlertTarget } from '../../../../node/world/targets/alert-targets.ts'

const HOSTILE = '$(touch owned); `touch owned`\n--help \u001b[2J'
const MESSAGE: AlertMessage = {
  title: `Shoal nas: ${HOSTILE}`,
  text: `! now: ${HOSTILE}`,
  events: [{ name: 'peer-gone', message: HOSTILE }, { name: 'conflicts' }],
}
const FOREVER: AbortSignal = new AbortController().signal

describe('targets of alerts', () => {
  test('a program gets the title as one argument and the events as input', async (t) => {
    const folder = await emptyFolder(t)
    const target = await programOf(folder, 'printf "%s|" "$#" "$1" "$2" > args; cat > input')
    await sendAlert(target, MESSAGE, FOREVER)
    const args = await readFile(join(folder, 'args'), 'utf8')
    const title = 'Shoal nas: $(touch owned); `touch owned` --help  [2J'
    assert.equal(args, `2|--urgent|${title}|`)
    const lines = (await readFile(join(folder, 'input'), 'utf8')).trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as object),
      MESSAGE.events,
    )
    await assert.rejects(access(join(folder, 'owned')))
  })

  test('a program that fails, or is not there, is named', async (t) => {
    const folder = await emptyFolder(t)
    const failing = await programOf(folder, 'echo no modem >&2; exit 3')
    await assert.rejects(sendAlert(failing, MESSAGE, FOREVER), {
      code: 'alert-failed',
      message: 'command tell: ended with 3: no modem',
    })
    const absent: AlertTarget = { ...failing, command: [join(folder, 'absent')] }
    await assert.rejects(sendAlert(absent, MESSAGE, FOREVER), {
      code: 'alert-failed',
      message: /ENOENT/,
    })
  })

  test('a program that does not end is ended, with all that it has started', async (t) => {
    const folder = await emptyFolder(t)
    const target = await programOf(folder, 'sleep 1000 & echo $! > child; : > begun; wait')
    const stop = new AbortController()
    const sending = sendAlert(target, MESSAGE, stop.signal)
    while (!(await isThere(join(folder, 'begun')))) await new Promise(setImmediate)
    const child = Number(await readFile(join(folder, 'child'), 'utf8'))
    stop.abort(new Error('enough'))
    await assert.rejects(sending, /enough/)
    while (await runs(child)) await new Promise(setImmediate)
  })

  test('a webhook gets JSON and its headers; what it answers counts', async (t) => {
    let status = 200
    const seen: { headers: IncomingMessage['headers']; body: string }[] = []
    const url = await webServer(t, async (request, response) => {
      let body = ''
      for await (const part of request) body += String(part)
      seen.push({ headers: request.headers, body })
      response.writeHead(status).end('thanks')
    })
    const target = webhook(`${url}/secret-topic`)
    await sendAlert(target, MESSAGE, FOREVER)
    assert.equal(seen[0]?.headers.authorization, 'Bearer hidden')
    const { title, alerts } = JSON.parse(seen[0]?.body ?? '') as { title: string; alerts: object[] }
    assert.doesNotMatch(title, /\n/)
    assert.deepEqual(alerts, MESSAGE.events)
    status = 500
    const failure = await sendAlert(target, MESSAGE, FOREVER).catch((error: unknown) => error)
    assert.match(String(failure), /webhook here: it answered 500/)
    assert.doesNotMatch(String(failure), /secret|hidden/)
  })

  test('a webhook leads nowhere else, and may not keep a node waiting', async (t) => {
    let asked = 0
    const url = await webServer(t, (request, response) => {
      asked++
      if (request.url === '/elsewhere') response.writeHead(302, { location: '/there' }).end()
    })
    await assert.rejects(sendAlert(webhook(`${url}/elsewhere`), MESSAGE, FOREVER), {
      code: 'alert-failed',
    })
    assert.equal(asked, 1)
    const stop = new AbortController()
    const sending = sendAlert(webhook(`${url}/silent`), MESSAGE, stop.signal)
    while (asked < 2) await new Promise(setImmediate)
    stop.abort(new Error('enough'))
    await assert.rejects(sending, /enough/)
  })

  test('a mailbox gets a mail, with no header but ours', async (t) => {
    const mails: string[] = []
    const port = await mailServer(t, (text) => mails.push(text))
    const target: AlertTarget = {
      kind: 'mail',
      label: 'mail anna@example.org',
      least: 'warning',
      to: 'anna@example.org',
      from: 'shoal@example.org',
      smtp: `smtp://127.0.0.1:${port}`,
    }
    await sendAlert(target, { ...MESSAGE, title: 'Shoal nas:\r\nBcc: eve@example.org' }, FOREVER)
    const [mail = ''] = mails
    assert.match(mail, /^Subject: Shoal nas: {2}Bcc: eve@example\.org\r?$/m)
    assert.doesNotMatch(mail, /^Bcc:/m)
    assert.match(mail, /touch owned/)
    const wrong = { ...target, smtp: 'smtp://user:hidden@127.0.0.1:1' }
    const failure = await sendAlert(wrong, MESSAGE, FOREVER).catch((error: unknown) => error)
    assert.match(String(failure), /mail anna@example.org: .*ECONNREFUSED/)
    assert.doesNotMatch(String(failure), /hidden/)
  })
})

async function programOf(
  folder: string,
  script: string,
): Promise<AlertTarget & { kind: 'command' }> {
  const path = join(folder, 'tell')
  await writeFile(path, `#!/bin/sh\ncd '${folder}'\n${script}\n`)
  await chmod(path, 0o700)
  return { kind: 'command', label: 'command tell', least: 'warning', command: [path, '--urgent'] }
}

function webhook(url: string): AlertTarget {
  const headers = { authorization: 'Bearer hidden' }
  return { kind: 'webhook', label: 'webhook here', least: 'warning', url, headers }
}

interface After {
  after(run: () => void | Promise<void>): void
}

async function emptyFolder(t: After): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-alerts-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function webServer(
  t: After,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createHttpServer((request, response) => void answer(request, response))
  t.after(() => server.closeAllConnections())
  return `http://127.0.0.1:${await portOf(t, server)}`
}

/** A mail server that takes all (RFC 5321): one reply a command, data up to a dot. */
async function mailServer(t: After, onMail: (text: string) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    let isData = false
    socket.setEncoding('utf8')
    socket.on('error', () => {})
    socket.write('220 here\r\n')
    socket.on('data', (part: string) => {
      text += part
      for (;;) {
        const end = isData ? '\r\n.\r\n' : '\r\n'
        const at = text.indexOf(end)
        if (at < 0) return
        const said = text.slice(0, at)
        text = text.slice(at + end.length)
        if (isData) onMail(said)
        isData = !isData && said === 'DATA'
        socket.write(isData ? '354 go on\r\n' : '250 ok\r\n')
      }
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return portOf(t, server)
}

async function portOf(t: After, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false // not yet
  }
}

/** A zombie runs no more: it waits for who inherits it. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && stat[stat.lastIndexOf(')') + 2] !== 'Z'
}
