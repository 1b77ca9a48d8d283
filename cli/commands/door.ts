// `shoal door add|ls|rm|start|stop|log|token`: ways in for programs that are no Shoal node.
import { resolve } from 'node:path'
import { Option } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { addDoorLog } from '../observe/door-log.ts'
import { printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { DoorStatus, NewDoor } from '../../node/control/doors.ts'
import type { Context } from '../context.ts'

const KINDS = ['http', 's3', 'webdav'] as const
const PORTS: Readonly<Record<string, number>> = { http: 4190, webdav: 4191, s3: 4192 }
const NAMED = 'address as `shoal door ls` shows it, or its kind'

interface AddOptions {
  readonly listen?: string
  readonly volume?: string
  readonly path?: string
  readonly layout?: 'path' | 'flat'
  readonly selfSigned?: boolean
  readonly cert?: string
  readonly key?: string
}

export function addDoor(program: Command, context: Context): void {
  const door = program
    .command('door')
    .description('open ways in for other programs, and see who used them')
    .addHelpText(
      'after',
      `
Doors are in "doors" of config.yaml of this machine, such as
  doors:
    - http: 127.0.0.1:4190
They can be changed there, too: "shoal door start" opens what was added.

Example:
  shoal door add s3 --path /buckets
  shoal door ls`,
    )
  addAdd(door, context)
  addList(door, context)
  addRemove(door, context)
  addStartAndStop(door, context)
  addDoorLog(door, context)
  addToken(door, context)
}

function addAdd(door: Command, context: Context): void {
  door
    .command('add <kind>')
    .description('open a door (http, s3 or webdav), now and whenever the node starts')
    .option('--listen <address>', 'HOST:PORT; beyond this machine only with TLS')
    .option('--volume <name>', 'the volume that it shows (default: the default volume)')
    .option('--path <folder>', 'the folder of the volume that it shows (default: /)')
    .addOption(new Option('--layout <layout>', 'of keys in S3').choices(['path', 'flat']))
    .option('--self-signed', 'TLS by a certificate that this node makes')
    .option('--cert <file>', 'TLS by this certificate, in PEM')
    .option('--key <file>', 'the key of the certificate, in PEM')
    .addHelpText(
      'after',
      `
Without --listen a door is at port 4190 (http), 4191 (webdav) or 4192 (s3) of
this machine. Programs come in as an account ("shoal user", "shoal key"), or by
the token of the owner ("shoal door token").

Example:
  shoal door add webdav --path /shared --self-signed --listen 0.0.0.0:4191`,
    )
    .action(async (text: string, { selfSigned, cert, key, ...options }: AddOptions) => {
      const kind = KINDS.find((one) => one === text)
      if (kind === undefined)
        throw new ShoalError('usage', `a door is http, s3 or webdav, and not "${text}"`)
      const made: NewDoor = {
        kind,
        ...options,
        listen: options.listen ?? `127.0.0.1:${PORTS[kind]}`,
        isSelfSigned: selfSigned,
        cert: cert && resolve(cert),
        key: key && resolve(key),
      }
      const opened = await context.client.addDoor(made)
      context.print(opened, () => `Opened ${opened.kind} at ${opened.url}`)
    })
}

function addList(door: Command, context: Context): void {
  door
    .command('ls')
    .description('list the doors')
    .addHelpText('after', '\nExample:\n  shoal door ls')
    .action(async () => {
      const doors = await context.client.listDoors()
      context.print(doors, () =>
        doors.length === 0 ? 'There is no door: see "shoal door add --help".' : doorTable(doors),
      )
    })
}

function doorTable(doors: readonly DoorStatus[]): string {
  return table(
    doors.map(({ kind, url, listen, volume, path, fingerprint = '' }) => [
      kind,
      url ?? `${listen} (stopped)`,
      printable(path === undefined ? '' : `${volume ?? ''}:${path}`),
      fingerprint,
    ]),
  )
}

function addRemove(door: Command, context: Context): void {
  door
    .command('rm <door>')
    .description('close a door and take it out of config.yaml')
    .addHelpText('after', `\nA door is named by its ${NAMED}.\n\nExample:\n  shoal door rm s3`)
    .action(async (name: string) => {
      await context.client.removeDoor(name)
      context.print({ removed: name }, () => `Removed ${name}`)
    })
}

function addStartAndStop(door: Command, context: Context): void {
  door
    .command('stop <door>')
    .description('close a door until it is started, or the node is')
    .addHelpText('after', `\nA door is named by its ${NAMED}.\n\nExample:\n  shoal door stop s3`)
    .action(async (name: string) => {
      await context.client.stopDoor(name)
      context.print({ stopped: name }, () => `Stopped ${name}`)
    })
  door
    .command('start [door]')
    .description('open a door that was stopped, or all that config.yaml has by now')
    .addHelpText('after', `\nA door is named by its ${NAMED}.\n\nExample:\n  shoal door start`)
    .action(async (name: string | undefined) => {
      const opened = await context.client.startDoors({ door: name })
      context.print(opened, () => (opened.length === 0 ? 'All doors are open.' : doorTable(opened)))
    })
}

function addToken(door: Command, context: Context): void {
  door
    .command('token')
    .description('print the token by which a program is the owner at a door')
    .option('--renew', 'make another first: the one before opens nothing any more')
    .addHelpText(
      'after',
      '\nExample:\n  curl -H "Authorization: Bearer $(shoal door token)" localhost:4190/v1/status',
    )
    .action(async ({ renew = false }: { readonly renew?: boolean }) => {
      const { token } = await context.client.doorToken({ renew })
      context.print({ token }, () => token)
    })
}
