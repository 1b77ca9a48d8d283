// `shoal up`: run the node, in this process or (--detach) in one of its own. It is ready when its
// socket answers, the ticket is used and the mount is there; only then it says so.
import { resolve } from 'node:path'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { driverOption, waitOption } from '../arguments.ts'
import { reportToStarter, startDetached } from '../detach.ts'
import { PASSPHRASE_FILE_HELP, readSecret, secretAtHand } from '../secret.ts'
import type { Given } from '../detach.ts'
import { explain, table } from '../output.ts'
import { TICKET_HELP, readTicketText } from './join.ts'
import { askAboutTiers } from './cold-trust.ts'
import { placeText } from './mount.ts'
import { addHomeOptions, homeOptions } from './init.ts'
import type { Command } from 'commander'
import type { LocalNode } from '../../node/control/api.ts'
import type { DriverName } from '../../node/control/mounts.ts'
import type { ColdApi } from '../../node/control/cold.ts'
import type { DoorsApi } from '../../node/control/doors.ts'
import type { NodeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'
import type { HomeOptions } from './init.ts'

export interface UpOptions extends HomeOptions {
  readonly mount?: string
  readonly allowOther?: boolean
  readonly driver?: DriverName
  /** In ms. */
  readonly wait?: number
  readonly join?: string
  readonly detach?: boolean
  readonly passphraseFile?: string
}

export function addUp(program: Command, context: Context): void {
  addHomeOptions(
    program.command('up').description('run the node (creates its home first if there is none)'),
  )
    .option('--mount <dir>', 'mount the namespace at this folder, created if it does not exist')
    .option('--allow-other', 'let other users of this machine access that mount')
    .addOption(driverOption())
    .addOption(waitOption())
    .option('--join <ticket>', `join a volume with a ${TICKET_HELP}`)
    .option('--passphrase-file <file>', PASSPHRASE_FILE_HELP)
    .option('--detach', 'run in the background; return once the node is ready')
    .addHelpText(
      'after',
      '\n' +
        'Options of the home are saved in its config.yaml.\n\n' +
        'Example:\n' +
        '  shoal up --mount ~/Shoal --detach',
    )
    .action(async (options: UpOptions) => {
      await refuseIfRunning(context)
      const { join } = options
      const ticket = join === undefined ? undefined : await readTicketText(context, join)
      await prepareHome(context, options)
      if (options.detach === true)
        return detach(context, options, {
          ticket,
          secret: await secretToPass(context, options),
        })
      return run(context, { ...options, ...(ticket !== undefined && { join: ticket }) })
    })
}

/** The passphrase, asked for here because only the user at this terminal can give it. */
async function secretToPass(context: Context, options: UpOptions): Promise<Uint8Array | undefined> {
  const { protectionOf } = await import('../../node/protection.ts')
  const protection = await protectionOf(context.home)
  const atHand = protection.isProtected && (await secretAtHand(options, protection)) !== undefined
  if (!protection.isProtected || atHand) return undefined
  return readSecret(context, options, protection)
}

async function detach(context: Context, { mount }: UpOptions, given: Given): Promise<void> {
  const place = mount === undefined ? '' : placeText(resolve(mount))
  const { status, warning } = await startDetached(context, given)
  if (warning !== undefined) context.warn(warning)
  context.summarize(status, () => describe(context, status, { isDetached: true, place }))
  await tellConsole(context, context.client)
  if (given.ticket !== undefined) await askAboutTiersOf(context, context.client, status)
}

async function askAboutTiersOf(
  context: Context,
  api: ColdApi,
  { volumes }: NodeStatus,
): Promise<void> {
  for (const volume of volumes) await askAboutTiers(context, api, volume)
}

async function run(context: Context, options: UpOptions): Promise<void> {
  try {
    const { createNode } = await import('../../node/index.ts')
    const node = await createNode({
      home: context.home,
      askSecret: (lock) => readSecret(context, options, lock),
      tell: (text) => context.tell(text),
    })
    await runUntilStopped(node, context, options)
  } catch (thrown) {
    const error = explain(thrown)
    reportToStarter(error)
    throw error
  }
}

async function runUntilStopped(
  node: LocalNode,
  context: Context,
  options: UpOptions,
): Promise<void> {
  node.stopped.catch(() => {}) // thrown where it is awaited, below
  const place = options.mount === undefined ? '' : placeText(resolve(options.mount))
  try {
    const warning = await start(node, options, context.signal)
    const status = await node.api.status()
    if (warning !== undefined) context.warn(warning)
    if (!reportToStarter({ status, warning })) {
      context.summarize(status, () => describe(context, status, { isDetached: false, place }))
      await tellConsole(context, node.api)
      if (options.join !== undefined) await askAboutTiersOf(context, node.api, status)
    }
    await Promise.race([node.stopped, aborted(context.signal)])
  } finally {
    if (context.signal.aborted) context.tell('Stopping. Press Ctrl-C again to exit immediately.')
    await node.stop()
  }
  await node.stopped
  context.tell('Stopped.')
}

/** The link lets its reader in: it goes to a terminal alone, and no door is opened without one. */
async function tellConsole(context: Context, api: DoorsApi): Promise<void> {
  if (context.stdout.isTTY !== true || context.json || context.quiet) return
  try {
    const { url } = await api.openConsole()
    context.tell(`\nOpen it in a browser of this machine (once, within 10 minutes):\n  ${url}`)
  } catch (error) {
    context.warn(`the node runs, but without its console: ${explain(error).message}`)
  }
}

/** returns what went wrong that is no reason not to run. */
async function start(
  node: LocalNode,
  options: UpOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  await node.start()
  if (options.join !== undefined) await node.api.join(options.join, { signal })
  const { mount, allowOther, driver, wait: waitMs } = options
  const how = { allowOther, driver, waitMs, signal }
  if (mount === undefined) return undefined
  try {
    await node.api.mount(resolve(mount), how)
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return `the node runs, but without its mount: ${explain(error).message}`
  }
}

async function refuseIfRunning(context: Context): Promise<void> {
  try {
    const { node } = await context.client.status()
    const message = `a node (process ${node.pid}) already runs at ${context.home}. Stop it with "shoal down".`
    throw new ShoalError('already-running', message)
  } catch (error) {
    if (!hasCode(error, 'not-running')) throw error
  }
}

async function prepareHome(context: Context, options: UpOptions): Promise<void> {
  const { updateConfig } = await import('../../node/config.ts')
  const { initHome, isHome } = await import('../../node/home.ts')
  if (await isHome(context.home)) await updateConfig(context.home, homeOptions(options))
  else await initHome(context.home, homeOptions(options))
}

/** Resolves when `signal` aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** place: of the mount, if there is one, which alone a new node has. */
function describe(
  context: Context,
  { node, mounts }: NodeStatus,
  { isDetached, place }: { readonly isDetached: boolean; readonly place: string },
): string {
  const rows = [
    ...node.addresses.map((address) => ['  Listening on', address]),
    ...mounts.map(({ folder, volume, allowOther }) => [
      '  Mounted at',
      `${folder} (volume "${volume}"${place}${allowOther ? ', accessible to other users' : ''})`,
    ]),
    ...(mounts.length === 0 ? [['  Mount with', context.commandLine('mount DIR')]] : []),
    [
      '  Invite with',
      `${context.commandLine('invite')}, then on the other machine: ${context.joinLine}`,
    ],
    ['  Stop with', `${isDetached ? '' : 'Ctrl-C, or '}${context.commandLine('down')}`],
  ]
  return `Node "${node.name}" is up, its home is ${node.home}\n${table(rows)}`
}
