// The answers of the HTTP door that its description tells exactly (openapi.ts): files, folders,
// versions, snapshots, entries of the log, uploads and problems. A test holds answers against them.
import { z } from 'zod'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat, FolderPage } from '../../control/files.ts'
import type { LogItem } from '../../control/history.ts'
import type { SnapshotInfo } from '../../control/snapshots.ts'
import type { RemovedItem, VersionInfo } from '../../control/versions.ts'

/** A value as JSON carries it: nanoseconds are decimal text. */
type Told<Value> = Value extends bigint | string
  ? string
  : Value extends number
    ? number
    : Value extends boolean | null | undefined
      ? Value
      : Value extends readonly (infer Item)[]
        ? readonly Told<Item>[]
        : { readonly [Key in keyof Value]: Told<Value[Key]> }

type Schema<Value> = z.ZodType<Told<Value>>

const nanoseconds = z.string().regex(/^-?\d{1,19}$/)
const kind = z.enum([
  'file',
  'folder',
  'symlink',
  'fifo',
  'socket',
  'character-device',
  'block-device',
])
const count = z.int().min(0)

const fileStat: Schema<FileStat> = z.object({
  name: z.string(),
  nameBytes: z.string().optional(),
  kind,
  mode: count,
  uid: count,
  gid: count,
  linkCount: count,
  sizeBytes: count,
  modifiedNs: nanoseconds,
  changedNs: nanoseconds,
  target: z.string().optional(),
  targetBytes: z.string().optional(),
  rdev: count.optional(),
  tag: z.string().optional(),
  extended: z.record(z.string(), z.string()).optional(),
})

const folderPage: Schema<FolderPage> = z.object({
  entries: z.array(fileStat),
  next: z.string().optional(),
})

const change = z.object({
  kind: z.string(),
  text: z.string(),
  note: z.string().optional(),
  path: z.string().optional(),
  sizeBytes: count.optional(),
})

const logItem: Schema<LogItem> = z.union([
  z.object({
    kind: z.literal('entry'),
    id: z.string(),
    parents: z.array(z.string()),
    peer: z.string(),
    author: z.string(),
    timeMs: z.number(),
    changes: z.array(change),
  }),
  z.object({ kind: z.literal('dropped'), beforeMs: z.number().optional() }),
]) as Schema<LogItem>

const versionInfo: Schema<VersionInfo> = z.object({
  id: z.string(),
  kind,
  sizeBytes: count,
  timeMs: z.number(),
  author: z.string(),
  end: z.enum(['current', 'conflict', 'overwritten', 'removed', 'replaced', 'dropped']),
  endedMs: z.number().optional(),
  endedBy: z.string().optional(),
})

const removedItem: Schema<RemovedItem> = z.object({
  path: z.string(),
  kind,
  sizeBytes: count,
  removedMs: z.number(),
  removedBy: z.string(),
})

const snapshotInfo = z.object({
  name: z.string(),
  volume: z.string(),
  path: z.string().optional(),
  timeMs: z.number(),
  author: z.string(),
  isHeld: z.boolean(),
  ownBytes: count.optional(),
  state: z.enum(['same', 'disputed', 'taken', 'awaited', 'lost']),
}) as z.ZodType as Schema<SnapshotInfo>

const upload = z.object({
  location: z.string(),
  path: z.string(),
  offset: count,
  length: count.optional(),
  endsMs: z.number(),
})

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().meta({ description: 'stable: programs may rely on it' }),
  permanent: z.boolean().optional().meta({ description: 'trying again as it is cannot help' }),
})

export type SchemaName =
  | 'FileStat'
  | 'FolderPage'
  | 'LogItem'
  | 'Problem'
  | 'RemovedItem'
  | 'SnapshotInfo'
  | 'Upload'
  | 'Uploads'
  | 'VersionInfo'

/** By their names in the description. */
export const SCHEMAS: Readonly<Record<SchemaName, z.ZodType>> = {
  FileStat: fileStat,
  FolderPage: folderPage,
  LogItem: logItem,
  Problem: problem,
  RemovedItem: removedItem,
  SnapshotInfo: snapshotInfo,
  Upload: upload,
  Uploads: z.object({ uploads: z.array(upload) }),
  VersionInfo: versionInfo,
}

/** The answer of a call: one, a list of them, or for a call that answers in lines each of these. */
export const ANSWERS: Partial<Readonly<Record<keyof NodeApi, SchemaName | readonly [SchemaName]>>> =
  {
    createSnapshot: 'SnapshotInfo',
    list: 'FileStat',
    listPage: 'FolderPage',
    listRemoved: 'RemovedItem',
    listSnapshots: ['SnapshotInfo'],
    listVersions: 'VersionInfo',
    readLog: 'LogItem',
    stat: 'FileStat',
  }

/** As OpenAPI has them. */
export function componentSchemas(): Readonly<Record<string, unknown>> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
  })
  const own = Object.entries(schemas).map(([name, schema]) => {
    const members = Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id')
    return [name, Object.fromEntries(members)]
  })
  return Object.fromEntries(own) as Readonly<Record<string, unknown>>
}
