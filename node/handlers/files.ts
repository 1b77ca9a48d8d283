// The owner's calls about files and folders, by path. What a call changes is durable as its volume,
// or the call, says.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { FilesApi, FileContent, VersionOptions } from '../control/files.ts'
import { snapshotIn } from '../volume/past-files.ts'
import { FileAccess } from './access.ts'
import type { NodeParts } from './parts.ts'
import { concatBytes } from '../../protocol/bytes.ts'
import { formatBytes } from '../../protocol/size.ts'
import { decodeNewFiles } from '../control/new-files.ts'
import { SMALL_FILE_BYTES } from '../control/small-files.ts'
import { errorBody } from '../control/wire.ts'
import type { SmallFile } from '../control/small-files.ts'

/** Small files that are read at a time, and given in one page. */
const AT_ONCE = 32

export function filesApi(node: NodeParts): FilesApi {
  const { hosted: volumes, until } = node
  const access = new FileAccess(node)
  const readFile = reading(access, node)
  return {
    ...looking(access),

    makeFolder: (path, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        await change(() => hosted.files.makeFolder(parts, options))
        await hosted.acknowledge(options.ack, until(options.signal))
      }),

    remove: (path, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        const { ack = 'local', ...what } = options
        const signal = until(options.signal)
        await hosted.files.remove(parts, what, change, signal)
        await hosted.acknowledge(ack, signal)
      }),

    move: (from, to, options = {}) =>
      access.write(from, options, async (source, change) => {
        const target = await volumes.atForWriting(to)
        if (source.hosted !== target.hosted) {
          throw new ShoalError(
            'usage',
            'cannot move between volumes; use "shoal get" and "shoal put"',
          )
        }
        await change(() => source.hosted.files.move(source.parts, target.parts, options))
        await source.hosted.volume.commit()
      }),

    ...writing(access, node),

    makeSymlink: (path, target, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        await change(() => hosted.files.makeSymlink(parts, target))
        await hosted.acknowledge(options.ack, until(options.signal))
      }),

    readFile,

    readSmallFiles: (paths, options) =>
      readSmallFiles(paths, (path) => readFile(path, options), options?.signal),

    writeSmallFiles: writingSmall(access, node),

    setAttributes: (path, attributes, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        await change(() => hosted.files.setAttributes(parts, attributes))
        await hosted.volume.makeRoom()
      }),

    async settle(ack, { signal } = {}) {
      for (const hosted of volumes.all()) await hosted.acknowledge(ack, until(signal))
    },
  }
}

/** The calls that write a file whole. */
function writing(
  access: FileAccess,
  { hosted: volumes, until }: NodeParts,
): Pick<FilesApi, 'writeFile' | 'joinFiles'> {
  return {
    writeFile: (path, content, attributes = {}, options = {}) =>
      access.write(path, options, async ({ hosted, parts }, change) => {
        const signal = until(options.signal)
        const { ifTag } = options
        await hosted.files.writeFile(parts, content, { ...attributes, ifTag }, change, signal)
        await hosted.acknowledge(options.ack, signal)
      }),

    joinFiles: (path, parts, attributes = {}, options = {}) =>
      access.write(path, options, async ({ hosted, parts: to }, change) => {
        const sources = parts.map((part) => volumes.at(part))
        if (sources.some((source) => source.hosted !== hosted))
          throw new ShoalError('usage', 'files of other volumes cannot be joined')
        const signal = until(options.signal)
        const what = { ...attributes, ifTag: options.ifTag }
        const joined = sources.map((source) => source.parts)
        await hosted.files.writeFile(to, { joined }, what, change, signal)
        await hosted.acknowledge(options.ack, signal)
      }),
  }
}

/** The calls that look at what is there now, or was in a snapshot. */
function looking(access: FileAccess): Pick<FilesApi, 'stat' | 'list' | 'listPage'> {
  return {
    stat: (path, options = {}) =>
      access.read(path, options, ({ hosted, parts }) => {
        const snapshot = snapshotOf(options)
        return snapshot === undefined
          ? hosted.files.stat(parts, options)
          : hosted.snapshots.stat(parts, snapshot)
      }),

    listPage: (path, options = {}) =>
      access.read(path, options, ({ hosted, parts }) =>
        options.removed === true
          ? hosted.past.listPage(parts, options)
          : hosted.files.listPage(parts, options),
      ),

    list: (path, options = {}) =>
      access.readEach(path, options, ({ hosted, parts }) => {
        const snapshot = snapshotOf(options)
        return snapshot === undefined
          ? hosted.files.list(parts)
          : hosted.snapshots.list(parts, snapshot)
      }),
  }
}

/** throws 'usage' for the id of a version, which a folder has none of. */
function snapshotOf({ version }: VersionOptions): string | undefined {
  const snapshot = snapshotIn({ version })
  if (version === undefined || snapshot !== undefined) return snapshot
  throw new ShoalError('usage', 'only what was there in a snapshot can be listed: give its name')
}

function writingSmall(access: FileAccess, { until }: NodeParts): FilesApi['writeSmallFiles'] {
  return (folder, content, options = {}) =>
    access.write(folder, options, async ({ hosted, parts }, change) => {
      const signal = until(options.signal)
      const files = await decodeNewFiles(content)
      const failures = await hosted.files.writeSmallFiles(parts, files, change, signal)
      await hosted.acknowledge(options.ack, signal)
      return Array.from(failures, ([at, error]) => ({ at, ...errorBody(error) }))
    })
}

function reading(access: FileAccess, { until }: NodeParts): FilesApi['readFile'] {
  return (path, options = {}) =>
    access.read(path, options, ({ hosted, parts }) => {
      const { version } = options
      const signal = until(options.signal)
      return version === undefined
        ? hosted.files.readFile(parts, options, signal)
        : hosted.past.read(parts, { version }, options, signal)
    })
}

/** Many small files in pages, in the order of the paths. throws what `signal` says. */
export async function* readSmallFiles(
  paths: readonly string[],
  read: (path: string) => Promise<FileContent>,
  signal?: AbortSignal,
): AsyncGenerator<readonly SmallFile[]> {
  for (let at = 0; at < paths.length; at += AT_ONCE) {
    signal?.throwIfAborted()
    const some = paths.slice(at, at + AT_ONCE)
    const page = await Promise.all(some.map((path) => readSmallFile(path, read)))
    signal?.throwIfAborted()
    yield page
  }
}

async function readSmallFile(
  path: string,
  read: (path: string) => Promise<FileContent>,
): Promise<SmallFile> {
  try {
    const { stat, lengthBytes, content } = await read(path)
    if (lengthBytes > SMALL_FILE_BYTES)
      throw new ShoalError('EFBIG', `${path}: larger than ${formatBytes(SMALL_FILE_BYTES)}`)
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    return { path, stat, bytes: concatBytes(parts) }
  } catch (error) {
    return { path, error: asShoalError(error) }
  }
}
