// The settings of a home, config.yaml in its folder, as its owner made them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { ShoalError } from '../protocol/errors.ts'
import { MEMBER_NAME } from '../protocol/membership/names.ts'
import { durationOf } from '../protocol/duration.ts'
import { parseSize } from '../protocol/size.ts'
import { GIB, MIB } from '../protocol/units.ts'
import { doorSchema, listenHere } from './door-config.ts'
import type { DoorConfig, ListenAddress } from './door-config.ts'
import type { AlertTarget } from './world/targets/alert-targets.ts'
import { traceSchema } from './traces/trace-config.ts'
import type { TraceConfig } from './traces/trace-config.ts'
import { CONFIG_FILE } from './world/home-files.ts'
import { writeDurably } from './world/write-durably.ts'

/** Chars of a command line. */
const LINE_MAX = 4096
export const DOORS_MAX = 8
const ALERT_TARGETS_MAX = 20
/** Below it a single shard would take more than an hour. */
const REPAIR_RATE_MIN = 1000
/** The part of the cache in memory (node/content/decoded-cache.ts). */
const CACHE_BYTES_MIN: number = 32 * MIB

/**
 * The owner's settings; in config.yaml under the same names, but `capacity` as a size ("200GB").
 */
export interface Config {
  /** How people call this node. */
  readonly name: string
  /** Failure domain; undefined: the node is one by itself. */
  readonly zone: string | undefined
  /** The store grows to this; undefined: to the free space of its disk. */
  readonly capacityBytes: number | undefined
  /**
   * Bytes a second that repair and other moving of shards may take; undefined: NodeUpkeep's
   * default.
   */
  readonly repairBytesPerSecond: number | undefined
  /** Chunks fetched from peers may take so much, in memory and on the disk, beside the capacity. */
  readonly cacheBytes: number
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** More multiaddrs at which others reach this node, as when a router forwards a port. */
  readonly advertise: readonly string[]
  /** Find and be found on the local network. */
  readonly mdns: boolean
  readonly alerts: AlertConfig
  /** The address at which metrics and health are served, if they are (docs/metrics.md). */
  readonly metrics: ListenAddress | undefined
  /** The collector of traces of requests, if they are made (docs/traces.md). */
  readonly traces: TraceConfig | undefined
  /** Ways in for other programs (docs/doors.md). */
  readonly doors: readonly DoorConfig[]
  /** Requests a second of one account at them; undefined: as many as node/doors says. */
  readonly requestRate: number | undefined
  /** By the name of a backup: command lines that are run before and after. */
  readonly backups: Readonly<Record<string, BackupHooks>>
}

/** The targets of alerts, and of which conditions they are told (docs/alerts.md). */
export interface AlertConfig {
  readonly targets: readonly AlertTarget[]
  /** Conditions that are not told. */
  readonly off: readonly string[]
  /** By condition: for how long it must be true, ms. */
  readonly afterMs: Readonly<Record<string, number>>
}

/** Command lines for the shell of this machine, as the user that runs the node. */
export interface BackupHooks {
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** Undefined leaves the default, or what the file says. */
export interface ConfigOptions {
  readonly name?: string | undefined
  readonly zone?: string | undefined
  /** A size, as for parseSize. */
  readonly capacity?: string | undefined
  /** A size, for each second. */
  readonly repairRate?: string | undefined
  /** A size. */
  readonly cacheSize?: string | undefined
  readonly listen?: readonly string[] | undefined
  readonly advertise?: readonly string[] | undefined
  readonly mdns?: boolean | undefined
  /** HOST:PORT of this machine. */
  readonly metrics?: string | undefined
}

const label = z.string().regex(MEMBER_NAME, {
  error: 'must be letters, digits, ".", "_" and "-", at most 64',
})
const address = z.string().refine(isMultiaddr, {
  error: 'must be a multiaddr such as /ip4/0.0.0.0/tcp/4100',
})
const size = z.union([z.string(), z.number()]).transform(readSize)
const line = z.string().min(1).max(LINE_MAX)
const least = z
  .enum(['critical', 'warning', 'notice'], { error: 'must be critical, warning or notice' })
  .default('warning')
const conditionName = z.string().regex(/^[a-z-]{1,40}$/, { error: 'must be names of conditions' })
const webUrl = z.url({ protocol: /^https?$/, error: 'must be a URL of http:// or https://' })
const smtpUrl = z.url({ protocol: /^smtps?$/, error: 'must be a URL of smtp:// or smtps://' })
const mailbox = z.email({ error: 'must be a mail address' })
const alertTarget = z.union(
  [
    z
      .strictObject({ command: z.array(line).min(1), least })
      .transform(({ command, ...rest }): AlertTarget => {
        return { kind: 'command', label: `command ${command[0]}`, command, ...rest }
      }),
    z
      .strictObject({ webhook: webUrl, headers: z.record(label, line).default({}), least })
      .transform(({ webhook: url, ...rest }): AlertTarget => {
        return { kind: 'webhook', label: `webhook ${new URL(url).host}`, url, ...rest }
      }),
    z
      .strictObject({ mail: mailbox, from: mailbox.optional(), smtp: smtpUrl, least })
      .transform(({ mail: to, from = to, ...rest }): AlertTarget => {
        return { kind: 'mail', label: `mail ${to}`, to, from, ...rest }
      }),
  ],
  {
    error:
      'must have "command: [PROGRAM, ARGUMENT...]", "webhook: URL" (and "headers"), ' +
      'or "mail: ADDRESS" with "smtp: smtp://USER:PASSWORD@HOST:PORT" (and "from"), ' +
      'and may have "least: critical|warning|notice"',
  },
)
const alerts = z.strictObject({
  to: z.array(alertTarget).max(ALERT_TARGETS_MAX).default([]),
  off: z.array(conditionName).default([]),
  after: z.record(conditionName, z.string().transform(readDuration)).default({}),
})
const configSchema = z.strictObject({
  name: label,
  zone: label.optional(),
  capacity: size.optional(),
  repairRate: size
    .refine((bytes) => bytes >= REPAIR_RATE_MIN, { error: 'must be at least 1KB, for each second' })
    .optional(),
  cacheSize: size
    .refine((bytes) => bytes >= CACHE_BYTES_MIN, { error: 'must be at least 32MiB' })
    .default(GIB),
  listen: z.array(address).min(1, { error: 'needs at least one multiaddr' }),
  advertise: z.array(address).default([]),
  mdns: z.boolean({ error: 'must be true or false' }).default(true),
  metrics: listenHere.optional(),
  traces: traceSchema.optional(),
  doors: z.array(doorSchema).max(DOORS_MAX).default([]),
  requestRate: z.int().min(1, { error: 'must be at least 1, for each second' }).optional(),
  alerts: alerts.default({ to: [], off: [], after: {} }),
  backups: z
    .record(label, z.strictObject({ before: line.optional(), after: line.optional() }))
    .default({}),
})

const CONFIG_HEADER = `# This node's settings, read when it starts ("shoal up").
#   name: how people call it          zone: failure domain (room, house, ...); left out: this node by itself
#   capacity: what the store may take (200GB); left out: the disk
#   repairRate: what repair and moving of shards may send and receive a second (5MB); left out: 64MiB
#   cacheSize: what is fetched from other nodes to be read may take, beside the capacity (2GiB); left out: 1GiB
#   listen, advertise: multiaddrs     mdns: find and be found on the local network
#   metrics: 127.0.0.1:4180: where Prometheus finds metrics, and others whether it is well (docs/metrics.md)
#   traces: {to: http://127.0.0.1:4318/v1/traces}: where traces of requests go (docs/traces.md)
#   doors: [{http: 127.0.0.1:4190}, {s3: ...}, {webdav: ...}]: ways in for other programs (docs/doors.md)
#   requestRate: requests a second of one account at the doors; left out: 1000
#   alerts: {to: [...], off: [...], after: {...}}: who is told when something is wrong (docs/alerts.md)
#   backups: {NAME: {before: COMMAND, after: COMMAND}}: what the shell runs around each run of a backup
`

/** throws ShoalError 'ENOENT' without one, 'malformed' naming file and key. */
export async function readConfig(folder: string): Promise<Config> {
  const file = join(folder, CONFIG_FILE)
  return parseConfig(await readText(file), file)
}

/** The settings of a new home. throws ShoalError 'usage' for an option that does not fit. */
export function newConfig(options: ConfigOptions): {
  readonly text: string
  readonly config: Config
} {
  const text = editConfig(CONFIG_HEADER, options)
  return { text, config: parseConfig(text, 'option') }
}

/** The settings of alerts, as config.yaml says now. throws as readConfig. */
export async function readAlertConfig(folder: string): Promise<AlertConfig> {
  const { alerts: told } = await readConfig(folder)
  return told
}

/** The commands around the runs of a backup, as config.yaml says now. throws as readConfig. */
export async function readHooks(folder: string, backup: string): Promise<BackupHooks> {
  const { backups } = await readConfig(folder)
  return Object.hasOwn(backups, backup) ? (backups[backup] ?? {}) : {}
}

/**
 * Change what `options` gives in config.yaml and keep the rest, comments too. throws as readConfig.
 */
export async function updateConfig(folder: string, options: ConfigOptions): Promise<void> {
  if (Object.values(options).every((value) => value === undefined)) return
  const file = join(folder, CONFIG_FILE)
  const before = await readText(file)
  parseConfig(before, file)
  const text = editConfig(before, options)
  parseConfig(text, 'option')
  await writeDurably(file, text)
}

/** `source` is the file, or 'option' for what the command line says. */
function parseConfig(text: string, source: string): Config {
  const code = source === 'option' ? 'usage' : 'malformed'
  const document = parseDocument(text)
  const broken = document.errors[0]
  if (broken !== undefined) {
    // Below that it draws where in the text it is.
    const [what = ''] = broken.message.split('\n')
    throw new ShoalError(code, `${source} is not YAML: ${what.replace(/:$/, '')}.`)
  }
  const result = configSchema.safeParse(document.toJS())
  if (result.success) {
    const {
      capacity,
      repairRate,
      cacheSize,
      alerts: told,
      doors,
      metrics,
      traces,
      ...others
    } = result.data
    const sizes = {
      capacityBytes: capacity,
      repairBytesPerSecond: repairRate,
      cacheBytes: cacheSize,
    }
    const { to, off, after: afterMs } = told
    const targets = withLabels(to)
    return {
      ...others,
      zone: others.zone,
      requestRate: others.requestRate,
      ...sizes,
      metrics,
      traces,
      doors,
      alerts: { targets, off, afterMs },
    }
  }
  const issue = result.error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const keys = Object.keys(configSchema.shape).join(', ')
    throw new ShoalError(
      code,
      `${source}: there is no key "${issue.keys[0]}". The keys are ${keys}.`,
    )
  }
  const [key = '', ...inside] = issue?.path.map(String) ?? []
  const where =
    source === 'option' ? `--${toKebab(key)}` : `${source}: ${[key, ...inside].join('.')}`
  throw new ShoalError(code, `${where} ${issue?.message ?? 'is invalid'}.`)
}

/** Targets of one label told apart by their numbers. */
function withLabels(targets: readonly AlertTarget[]): AlertTarget[] {
  return targets.map((target, index) => {
    const same = targets.slice(0, index).filter(({ label: other }) => other === target.label)
    return same.length === 0 ? target : { ...target, label: `${target.label} (${same.length + 1})` }
  })
}

/** `repairRate` as the command has it: `repair-rate`. */
function toKebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The text with the keys of `options` set. */
function editConfig(text: string, options: ConfigOptions): string {
  const document = parseDocument(text)
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined) document.set(key, value)
  }
  return document.toString()
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShoalError(
      'ENOENT',
      `${file} cannot be read. Restore it, or write one with "name" and "listen", ` +
        'such as those that "shoal init" makes in another home.',
      { cause },
    )
  }
}

function readSize(value: string | number, context: z.RefinementCtx): number {
  try {
    return parseSize(String(value))
  } catch {
    // What zod adds to this names the key.
    context.addIssue({ code: 'custom', message: 'must be a size such as 200GB or 10GiB' })
    return z.NEVER
  }
}

function readDuration(value: string, context: z.RefinementCtx): number {
  const ms = durationOf(value)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: 'must be a time such as 30s, 10m, 24h or 7d' })
  return z.NEVER
}

function isMultiaddr(text: string): boolean {
  try {
    multiaddr(text)
    return text !== ''
  } catch {
    return false // it throws for what is none
  }
}
