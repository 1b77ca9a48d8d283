// The calls of a node's owner about files by path, and how durable and how recent such calls are.
import { ESCAPE_CHARS } from '../../protocol/byte-text.ts'
import { SYMLINK_MAX } from '../../protocol/limits.ts'
import { call, fileCall, route } from './route.ts'
import { SMALL_FILES_MAX } from './small-files.ts'
import { VERSION_TEXT_MAX } from './versions.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { CallOptions } from './api.ts'
import type { FieldTypes } from './fields.ts'
import type { RoutesOf } from './route.ts'
import type { SmallFile, WriteFailure } from './small-files.ts'

/** Characters of a name in hexadecimal. */
const AFTER_TEXT_MAX = 1024
const TAG_TEXT_MAX = 64
const PAGE_ENTRIES_MAX = 10_000
/** Files that are joined in one call. */
const PARTS_MAX = 10_000

/** All permission bits. */
export const MODE_MAX = 0o7777

/**
 * How recent what a call reads is, and who must agree to what it writes: 'eventual' what this node
 * has, 'read-own' at least what the session has read and written, on whatever node, 'strong' all
 * that was strongly written before the call, and each write after it; refused ('NO_QUORUM') without
 * a majority of the volume's voters.
 */
export type Consistency = 'eventual' | 'read-own' | 'strong'

/**
 * The scope of file locks in a mount: they exclude other processes of that machine, or 'strong',
 * those of all nodes.
 */
export type Locking = 'local' | 'strong'

/**
 * For every call about files. throws 'ESTALE' where this node cannot get what the session has seen,
 * 'usage' for what is no token of the volume, 'NO_QUORUM' naming the voters that are missing,
 * 'EPERM' for a write of a strong volume that asks for less.
 */
export interface FileCallOptions extends CallOptions {
  /** Default: the volume's policy; with `session` no less than 'read-own'. */
  readonly consistency?: Consistency | undefined
  /**
   * The token of what the session has seen of this volume so far, as `onSession` was told it.
   * Undefined: nothing.
   */
  readonly session?: string | undefined
  /**
   * Told, before the call ends, the token of what this node has then, which is all that the call
   * read or wrote and more; of a listing, at its end. It holds `session` too unless the call was
   * 'eventual'.
   */
  readonly onSession?: ((token: string) => void) | undefined
}

/**
 * How durable a write is before it is acknowledged: 'none' in this node's memory, 'local' survives
 * power loss of this node, 'copied' data and entry also durable on another peer, 'placed' all k+m
 * shards durable on distinct peers. A volume's policy is one of these; a call may ask for another.
 */
export type Ack = 'none' | 'local' | 'copied' | 'placed'

/** Files by path. */
export interface FilesApi {
  /** Does not follow a symlink at the end of the path. throws 'ENOENT', 'ENOTDIR'. */
  stat(path: string, options?: FileCallOptions & VersionOptions & StatOptions): Promise<FileStat>
  /**
   * The entries of a folder in byte order of their names, in pages of bounded size. throws
   * 'ENOENT', 'ENOTDIR'.
   */
  list(path: string, options?: FileCallOptions & VersionOptions): AsyncIterable<readonly FileStat[]>
  /** A part of that, to be gone on with later. throws as list(), 'usage' for a wrong `after`. */
  listPage(path: string, options?: FileCallOptions & PageOptions): Promise<FolderPage>
  /**
   * `parents`: make missing parents too, and succeed if the folder is there. throws 'EEXIST',
   * 'ENOENT', 'ENOTDIR'.
   */
  makeFolder(path: string, options?: FileCallOptions & MakeFolderOptions): Promise<void>
  /**
   * Remove a file, a symlink, an empty folder, or with `recursive` a whole tree. throws 'ENOENT',
   * 'ENOTEMPTY'.
   */
  remove(path: string, options?: FileCallOptions & RemoveOptions): Promise<void>
  /**
   * Rename, as mv(1): into a folder at `to`, else it replaces a file there. throws 'ENOENT',
   * 'ENOTEMPTY', 'EISDIR', 'precondition', ...
   */
  move(from: string, to: string, options?: FileCallOptions & MoveOptions): Promise<void>
  /**
   * Write a whole file, replacing a file or symlink of that name. Readers see the old version or
   * the whole new one; if `content` throws or the call is aborted, the old one stays. throws
   * 'ENOENT' without the parent, 'EISDIR', 'ENOSPC', 'not-placed' (the data is kept locally),
   * 'malformed' when `sizeBytes` was given and the content differs, 'precondition'.
   */
  writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
    options?: FileCallOptions & WriteOptions & Condition,
  ): Promise<void>
  /**
   * The same of what other files of the volume hold, one after the other, by reference: they stay
   * as they are. throws as writeFile(), and 'ENOENT' or 'EISDIR' for a part.
   */
  joinFiles(
    path: string,
    parts: readonly string[],
    attributes?: NewFile,
    options?: FileCallOptions & WriteOptions & Condition,
  ): Promise<void>
  /** Make a symlink, replacing a file or symlink of that name. */
  makeSymlink(path: string, target: string, options?: FileCallOptions & WriteOptions): Promise<void>
  /**
   * One version of a file, from `offsetBytes` for `lengthBytes` or to its end. Follows no symlink
   * ('EINVAL'). throws 'EISDIR'.
   */
  readFile(path: string, options?: FileCallOptions & ReadRange): Promise<FileContent>
  /**
   * Small files of one volume, at most SMALL_FILES_MAX, in pages: one call costs far less than one
   * for each. One that cannot be read, or is larger than SMALL_FILE_BYTES ('EFBIG'), keeps none of
   * the others back.
   */
  readSmallFiles(
    paths: readonly string[],
    options?: FileCallOptions,
  ): AsyncIterable<readonly SmallFile[]>
  /**
   * The same the other way: write small files below a folder, as writeFile() does each. `content`
   * is what encodeNewFiles() makes of them. One that cannot be written keeps none of the others
   * back: returns those, in their order. throws 'malformed', 'usage' (then nothing is written).
   */
  writeSmallFiles(
    folder: string,
    content: AsyncIterable<Uint8Array>,
    options?: FileCallOptions & WriteOptions,
  ): Promise<readonly WriteFailure[]>
  setAttributes(path: string, attributes: FileAttributes, options?: FileCallOptions): Promise<void>
  /**
   * Wait until everything written through this node before the call is durable as `ack` says
   * (undefined: as each volume's policy says), so that many writes with ack 'none' can be pipelined
   * and waited for once. throws 'not-placed'.
   */
  settle(ack?: Ack, options?: CallOptions): Promise<void>
}

/** The fields of a file that is written whole, beside its path and content. */
const newFileFields = ({ extended, text, integer, nanoseconds, flag, ack }: FieldTypes) => ({
  extended: extended.optional(),
  ifTag: text(0, TAG_TEXT_MAX).optional(),
  mode: integer(0, MODE_MAX).optional(),
  modifiedNs: nanoseconds.optional(),
  sizeBytes: integer(0).optional(),
  isNew: flag,
  ack,
})

export const filesRoutes: RoutesOf<FilesApi> = {
  stat: fileCall(['path'], ({ path, text, flag }) => ({
    path,
    extended: flag,
    version: text(1, VERSION_TEXT_MAX).optional(),
  })),
  list: route(
    { answer: 'pages', method: 'GET', path: 'list', hasSession: true },
    ['path'],
    ({ path, text }) => ({ path, version: text(1, VERSION_TEXT_MAX).optional() }),
  ),
  listPage: fileCall(['path'], ({ path, text, integer, flag }) => ({
    path,
    extended: flag,
    removed: flag,
    after: text(1, AFTER_TEXT_MAX).optional(),
    limit: integer(1, PAGE_ENTRIES_MAX).optional(),
  })),
  makeFolder: fileCall(['path'], ({ path, flag, integer, ack }) => ({
    path,
    parents: flag,
    mode: integer(0, MODE_MAX).optional(),
    ack,
  })),
  remove: fileCall(['path'], ({ path, flag, ack, text }) => ({
    path,
    recursive: flag,
    ack,
    ifTag: text(0, TAG_TEXT_MAX).optional(),
  })),
  move: fileCall(['from', 'to'], ({ path, flag, text }) => ({
    from: path,
    to: path,
    exact: flag,
    ifTag: text(0, TAG_TEXT_MAX).optional(),
  })),
  writeFile: route(
    { answer: 'json', method: 'PUT', path: 'file', hasSession: true },
    ['path', 'content', '*'],
    (types) => ({ path: types.path, ...newFileFields(types) }),
  ),
  joinFiles: fileCall(['path', 'parts', '*'], (types) => ({
    path: types.path,
    parts: types.many(types.path, 1, PARTS_MAX),
    ...newFileFields(types),
  })),
  makeSymlink: fileCall(['path', 'target'], ({ path, text, ack }) => ({
    path,
    target: text(1, ESCAPE_CHARS * SYMLINK_MAX),
    ack,
  })),
  readFile: route(
    { answer: 'file', method: 'GET', path: 'file', hasSession: true },
    ['path'],
    ({ path, integer, text }) => ({
      path,
      offsetBytes: integer(0).optional(),
      lengthBytes: integer(0).optional(),
      version: text(1, VERSION_TEXT_MAX).optional(),
    }),
  ),
  readSmallFiles: route(
    { answer: 'small-files', method: 'POST', path: 'small-files', hasSession: true },
    ['paths'],
    ({ path, many }) => ({ paths: many(path, 1, SMALL_FILES_MAX) }),
  ),
  writeSmallFiles: route(
    { answer: 'json', method: 'PUT', path: 'small-files', hasSession: true },
    ['folder', 'content'],
    ({ path, ack }) => ({ folder: path, ack }),
  ),
  setAttributes: fileCall(['path', '*'], ({ path, integer, nanoseconds, extended }) => ({
    path,
    extended: extended.optional(),
    mode: integer(0, MODE_MAX).optional(),
    modifiedNs: nanoseconds.optional(),
  })),
  settle: call(['ack'], ({ ack }) => ({ ack })),
}

export interface FileStat {
  /** The last part of the path, in which `\xHH` is a byte (byte-text.ts); '/' for the root. */
  readonly name: string
  /** In hexadecimal, where `name` has such bytes. */
  readonly nameBytes?: string | undefined
  readonly kind: FileKind
  /** Permission bits, 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkCount: number
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  readonly changedNs: bigint
  /** The target of a symlink, as text like `name`. */
  readonly target?: string | undefined
  /** As nameBytes. */
  readonly targetBytes?: string | undefined
  /** The number of a device, as Linux has it in 32 bits. */
  readonly rdev?: number | undefined
  /** Another for each content of a file. Given by stat, readFile and listPage. */
  readonly tag?: string | undefined
  /** Given by stat and listPage where they are asked for them. */
  readonly extended?: ExtendedAttributes | undefined
  /** In a listing that has those: it is not there any more, and this is how it was last. */
  readonly isRemoved?: true | undefined
}

/** Values in base64 by name, such as `user.color`. Only those of users, none that Shoal tells. */
export type ExtendedAttributes = Readonly<Record<string, string>>

/** null: it is removed. Others stay as they are. */
export type ExtendedChanges = Readonly<Record<string, string | null>>

export interface StatOptions {
  /** Also the extended attributes of what is there now. */
  readonly extended?: boolean | undefined
}

/** A part of a folder. */
export interface FolderPage {
  readonly entries: readonly FileStat[]
  /** The beginning of the next page; absent: there is none. */
  readonly next?: string | undefined
}

export interface PageOptions extends StatOptions {
  /** `next` of the page before. Default: the first page. */
  readonly after?: string | undefined
  /**
   * Entries at least, if there are so many; a few more where names collide, and fewer where their
   * extended attributes are long.
   */
  readonly limit?: number | undefined
  /**
   * Also what was removed and is kept, of all folders that had the path; a name once as a file, and
   * once as a folder.
   */
  readonly removed?: boolean | undefined
}

export interface FileAttributes {
  readonly mode?: number | undefined
  readonly modifiedNs?: bigint | undefined
  readonly extended?: ExtendedChanges | undefined
}

/** mode defaults to that of the file replaced, else 0o644; modifiedNs to now. */
export interface NewFile extends FileAttributes {
  /** Checked against the content where given. */
  readonly sizeBytes?: number | undefined
  /**
   * Another file: the one that it replaces is removed, with its attributes, in place of being
   * written over.
   */
  readonly isNew?: boolean | undefined
}

/** A small file to be written, with what there is of it. */
export interface NewSmallFile extends FileAttributes {
  /** Below the folder that the call names, as `a/b`. */
  readonly path: string
  readonly bytes: Uint8Array
}

export interface MakeFolderOptions extends WriteOptions {
  readonly parents?: boolean | undefined
  /** Default 0o755. */
  readonly mode?: number | undefined
}

export interface RemoveOptions extends Condition {
  readonly recursive?: boolean | undefined
  /** Default: 'local'. */
  readonly ack?: Ack | undefined
}

/** `ifTag` is about what is at `to`. */
export interface MoveOptions extends Condition {
  /** As rename(2): `to` is the new path even where a folder is, which is replaced if empty. */
  readonly exact?: boolean | undefined
}

/** The file that a call is about; else it fails with 'precondition' and changes nothing. */
export interface Condition {
  /** `tag` of what is there, '*' for any file, or '' for none. */
  readonly ifTag?: string | undefined
}

export interface WriteOptions {
  /** Default: the volume's policy. */
  readonly ack?: Ack | undefined
}

export interface VersionOptions {
  /** `@` and the name of a snapshot. Default: what is there now. */
  readonly version?: string | undefined
}

export interface ReadRange {
  readonly offsetBytes?: number | undefined
  readonly lengthBytes?: number | undefined
  /**
   * The id of a former version (versions.ts), or `@` and the name of a snapshot. Default: what is
   * there now.
   */
  readonly version?: string | undefined
}

/**
 * Iterate `content` to its end or break off: an iteration left open holds a handle. It throws where
 * a part cannot be read.
 */
export interface FileContent {
  /** The size of the version that is read. */
  readonly stat: FileStat
  /** The length that `content` yields in all: the range, cut at the end of the file. */
  readonly lengthBytes: number
  readonly content: AsyncIterable<Uint8Array>
}
