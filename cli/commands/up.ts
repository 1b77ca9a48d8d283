// `shoal up`: run the node, in this process or (--detach) in one of its own. It is ready when its socket answers, the
// ticket is used and the mount is there; only then it says so.
import { resolve } from 'node:path'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { driverOption, waitOption } from '../arguments.ts'
import { reportToStarter, startDetached } from '../detach.ts'
import { explain, table } from '../output.ts'
import { askAboutTiers } from './cold-trust.ts'
import { addHomeOptions, homeOptions } from './init.ts'
import type { Command } from 'commander'
import type { DriverName, LocalNode } from '../../node/control/api.ts'
import type { ColdApi } from '../../node/control/cold.ts'
import type { NodeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'
import type { HomeOptions } from './init.ts'

export interface UpOptions extends HomeOptions {
  readonly mount?: string
  readonly driver?: DriverName
  /** In ms. */
  readonly wait?: number
  readonly join?: string
  readonly detach?: boolean
}

export function addUp(program: Command, context: Context): void {
  addHomeOptions(
    program.command('up').description('run the node (and make its home first, if there is none)'),
  )
    .option('--mount <dir>', 'mount the namespace at this folder')
    .addOption(driverOption())
    .addOption(waitOption())
    .option('--join <ticket>', 'join the volume of a ticket from "shoal invite"')
    .option('--detach', 'return when the node is ready, and let it run on')
    .addHelpText(
      'after',
      '\nWhat is said here about the home is kept in its config.yaml.\n\nExample:\n  shoal up --mount ~/Shoal --detach',
    )
    .action(async (options: UpOptions) => {
      await refuseIfRunning(context)
      await prepareHome(context, options)
      if (options.detach === true) return detach(context, options)
      return run(context, options)
    })
}

async function detach(context: Context, options: UpOptions): Promise<void> {
  const status = await startDetached(context)
  context.print(status, () => describe(context, status, true))
  if (options.join !== undefined) await askAboutTiersOf(context, context.client, status)
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
    const { openLog } = await import('../../node/observe/log.ts')
    const node = await createNode({ home: context.home, log: openLog(context.home) })
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
  // A failure of the node is thrown below, and is not lost where something else fails before.
  node.stopped.catch(() => {})
  try {
    await start(node, options, context.signal)
    const status = await node.api.status()
    if (!reportToStarter(status)) {
      context.print(status, () => describe(context, status, false))
      if (options.join !== undefined) await askAboutTiersOf(context, node.api, status)
    }
    await Promise.race([node.stopped, aborted(context.signal)])
  } finally {
    if (context.signal.aborted) context.tell('Stopping. Ctrl-C again ends it at once.')
    await node.stop()
  }
  await node.stopped
  context.tell('Stopped.')
}

async function start(node: LocalNode, options: UpOptions, signal: AbortSignal): Promise<void> {
  await node.start()
  if (options.join !== undefined) await node.api.join(options.join.trim(), { signal })
  const { mount, driver, wait: waitMs } = options
  if (mount !== undefined) await node.api.mount(resolve(mount), { driver, waitMs, signal })
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
  const { initHome, isHome, updateConfig } = await import('../../node/config.ts')
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

function describe(context: Context, { node, mounts }: NodeStatus, detached: boolean): string {
  const rows = [
    ...node.addresses.map((address) => ['  Listening on', address]),
    ...mounts.map(({ folder, volume }) => ['  Mounted at', `${folder} (volume "${volume}")`]),
    ...(mounts.length === 0 ? [['  Mount with', context.commandLine('mount DIR')]] : []),
    [
      '  Invite with',
      `${context.commandLine('invite')}, then on the other machine: ${context.joinLine}`,
    ],
    ['  Stop with', `${detached ? '' : 'Ctrl-C, or '}${context.commandLine('down')}`],
  ]
  return `Node "${node.name}" is up, its home is ${node.home}\n${table(rows)}`
}
