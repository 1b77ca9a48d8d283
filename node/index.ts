// A node on this machine: the real world below, the control socket above.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PeerId } from '../protocol/ids.ts'
import { identityFromSeed } from '../protocol/signed.ts'
import { checkAlertConfig } from './alerts/node-alerts.ts'
import type { Alerting } from './alerts/node-alerts.ts'
import { readAlertConfig, readHooks } from './config.ts'
import type { AlertConfig } from './config.ts'
import { doorSettingsOf } from './door-settings.ts'
import { loadHome } from './home.ts'
import type { TracingComponents } from './traces/tracing.ts'
import type { Mounter } from './mount/mounts.ts'
import type { AskSecret, Home } from './home.ts'
import type { RunHook } from './backup/node-backups.ts'
import type { LocalNode, NodeApi } from './control/api.ts'
import { serveControl } from './control/server.ts'
import { socketPathOf } from './control/wire.ts'
import { mountBy } from './mount/drivers/drivers.ts'
import { Node } from './node.ts'
import type { Door, NodeComponents } from './components.ts'
import { LOG_FILE, openLog } from './observe/log.ts'
import { LevelKv } from './store/level-kv.ts'
import { SealedKv } from './store/sealed-kv.ts'
import { sendAlert } from './world/targets/alert-targets.ts'
import { SystemClock } from './world/clock.ts'
import { SystemDisk } from './world/disk.ts'
import { PLAIN_LINES, lineSeal } from './world/home-key.ts'
import type { LineSeal } from './world/home-key.ts'
import { IdleMemory } from './world/idle-memory.ts'
import { Libp2pNetwork } from './world/libp2p/network.ts'
import { runShellCommand } from './world/shell-command.ts'
import { SystemRandom } from './world/random.ts'
import { processMemory, processUse, releaseMemory } from './world/release-memory.ts'
import type { Disk, World } from './world/world.ts'
import { SystemTiers } from './world/tiers/tiers.ts'
import type { NodeLogs, ReadableLog } from './observe/log-reader.ts'
import { TRANSFERS_FILE, Transfers } from './observe/transfers.ts'
import { NO_METER } from './metrics/meter.ts'
import type { WriteLog } from './observe/log-events.ts'

const INDEX_FOLDER = 'index'
const NETWORK_FOLDER = 'network'
const SPOOL_FOLDER = 'spool'
const VERSION = '0.1.0'

/**
 * Open the node of a home. Nothing runs until start().
 * throws ShoalError 'ENOENT' without a home, 'EPERM' for one that others have a hand in,
 * 'already-running' if a process has it open, 'corrupt', 'unsupported'.
 */
export async function createNode({
  home: folder,
  askSecret,
  tell,
}: {
  home: string
  /** For a home that is protected. */
  askSecret?: AskSecret | undefined
  /** Say to the owner what was found to be wrong with the home. */
  tell: (text: string) => void
}): Promise<LocalNode> {
  // Files that the node creates are for its owner alone, also those of libraries. Files of a mount
  // have the umask of who makes them.
  process.umask(0o077)
  const home = await loadHome(folder, askSecret)
  const lines = home.key === undefined ? PLAIN_LINES : lineSeal(home.key)
  const found = describeOpened(home)
  if (found !== undefined) tell(found)
  const logs = openLogs(folder, lines)
  const log = logs.log.write
  const clock = new SystemClock()
  const random = new SystemRandom()
  const disk = new SystemDisk(folder)
  const level = await LevelKv.open(join(folder, INDEX_FOLDER))
  const kv = home.key === undefined ? level : new SealedKv(level, home.key)
  try {
    const { name, zone, capacityBytes, cacheBytes } = home.config
    checkAlertConfig(home.config.alerts)
    const upkeep = { bytesPerSecond: home.config.repairBytesPerSecond }
    const identity = identityFromSeed(home.seed)
    const watching = await watchingOf(home, identity.peer, { clock, random, log })
    const transfers = new Transfers(clock, logs.transfers.log.write)
    const outer = await outerWorld(home, { clock, random }, log)
    const world = { clock, random, disk: watching.disk(disk), ...outer }
    const node = await Node.open(
      {
        world,
        kv,
        identity,
        lines,
        doors: doorSettingsOf(folder),
        mounter: watching.mounter(mountBy),
        meter: transfers.meter(watching.meter ?? NO_METER),
        onCold: (...moved) => transfers.countCold(...moved),
        tracer: watching.tracer,
        ...outside(folder, log, watching),
        logs,
        memory: () => ({ ...processMemory(), caches: [{ name: 'index', ...level.memory() }] }),
        found: found === undefined ? [] : [{ kind: 'home-mended', message: found }],
      },
      {
        name,
        zone,
        capacityBytes,
        cacheBytes,
        upkeep,
        home: folder,
        version: VERSION,
        pid: process.pid,
      },
    )
    releaseWhileIdle(node, { clock, level })
    const flush = (): void => transfers.flush()
    node.stopped.then(flush, flush)
    return node
  } catch (error) {
    await kv.close()
    throw error
  }
}

function openLogs(folder: string, { seal, open }: LineSeal): NodeLogs {
  const readable = (file: string): ReadableLog => {
    return { log: openLog(folder, { file, seal }), source: { path: join(folder, file), open } }
  }
  return { ...readable(LOG_FILE), transfers: readable(TRANSFERS_FILE) }
}

/** Hears and tells of the work of the node, as far as its owner wants it to. */
interface Watching extends Pick<NodeComponents, 'meter' | 'tracer'> {
  readonly disk: (disk: Disk) => Disk
  readonly mounter: (mounter: Mounter) => Mounter
  /** The API at the control socket. */
  readonly api: (api: NodeApi) => NodeApi
  readonly open: (api: NodeApi) => Promise<Door>
}

async function watchingOf(
  { config }: Home,
  peer: PeerId,
  parts: TracingComponents,
): Promise<Watching> {
  const { metrics: at, traces } = config
  const measuring = at && (await import('./metrics/measure.ts')).measure(parts.clock)
  const self = { node: peer, version: VERSION }
  const tracing = traces && (await import('./traces/tracing.ts')).trace(parts, self, traces)
  const same = <Part>(part: Part): Part => part
  const { disk: metered = same, mounter: measured = same } = measuring ?? {}
  const { disk: timed = same, tracer } = tracing ?? {}
  return {
    meter: measuring?.meter,
    tracer,
    disk: (disk) => timed(metered(disk)),
    mounter: (mounter) => {
      const inner = measured(mounter)
      if (tracer === undefined) return inner
      return (files, folder, options) => inner(tracer.calls(files, 'mount'), folder, options)
    },
    api: (api) => {
      const inner = measuring?.api(api, 'control') ?? api
      return tracer?.calls(inner, 'control') ?? inner
    },
    open: async (api) => {
      const served = at && (await measuring?.serve(api, at))
      if (served !== undefined) parts.log('metrics.open', { url: served.url })
      const close = async (): Promise<void> => {
        await served?.close()
        await tracing?.close()
      }
      return { close }
    },
  }
}

/** The parts of the world that are beyond this machine. */
async function outerWorld(
  { folder, seed, config }: Home,
  chance: { readonly clock: SystemClock; readonly random: SystemRandom },
  log: WriteLog,
): Promise<Pick<World, 'network' | 'tiers'>> {
  const { listen, advertise: announce, mdns } = config
  const networkFolder = join(folder, NETWORK_FOLDER)
  await mkdir(networkFolder, { recursive: true })
  const network = await Libp2pNetwork.create({
    seed,
    folder: networkFolder,
    listen,
    announce,
    mdns,
    log,
  })
  const tiers = new SystemTiers(chance, { spoolFolder: join(folder, SPOOL_FOLDER) })
  return { network, tiers }
}

/** The ways out of the node, and into it. */
function outside(
  folder: string,
  log: WriteLog,
  watching: Watching,
): Pick<NodeComponents, 'openDoor' | 'log' | 'runHook' | 'alerting'> {
  return {
    openDoor: async (api) => {
      const watched = await watching.open(api)
      const control = await serveControl(watching.api(api), {
        socketPath: socketPathOf(folder),
        onError: (error) => log('control.failed', { message: error.message, stack: error.stack }),
      })
      const close = async (): Promise<void> => {
        await control.close()
        await watched.close()
      }
      return { close }
    },
    log,
    runHook: hooksOf(folder),
    alerting: alertingOf(folder),
  }
}

/** To the targets that config.yaml has by then. */
function alertingOf(folder: string): Alerting {
  const settings = async (): Promise<AlertConfig> => {
    const config = await readAlertConfig(folder)
    checkAlertConfig(config)
    return config
  }
  return { settings, send: sendAlert }
}

/** As config.yaml has them when they are due. */
function hooksOf(folder: string): RunHook {
  return async (when, backup, result, signal) => {
    const { [when]: line } = await readHooks(folder, backup)
    if (line === undefined) return
    const told = result === undefined ? {} : { SHOAL_RESULT: result }
    await runShellCommand(line, { env: { SHOAL_BACKUP: backup, ...told }, signal })
  }
}

/** Until the node stops. */
function releaseWhileIdle(
  node: LocalNode,
  { clock, level }: { clock: SystemClock; level: LevelKv },
): void {
  const release = async (): Promise<void> => {
    await level.emptyBuffers()
    await releaseMemory(clock)
  }
  const memory = new IdleMemory({ clock, use: processUse, release })
  memory.start()
  const stop = (): void => memory.stop()
  node.stopped.then(stop, stop)
}

/** Undefined: it was closed. */
function describeOpened({ folder, opened }: Home): string | undefined {
  if (opened.length === 0) return undefined
  const names = opened.map((name) => (name === '.' ? folder : name)).join(', ')
  return (
    `${names} in the home were open to other users of this machine, and are closed now. ` +
    'If one of them may have read there, take this node out ("shoal peer rm" on another) ' +
    'and join again with a new home: then the keys are others.'
  )
}
