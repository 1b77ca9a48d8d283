// A folder of a volume as it is backed up: what is in it, with all attributes, and the contents of
// its files. Each file is read as one version, which is held until it was read.
import { blake3Keyed } from '../../protocol/hash.ts'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { hexIdBytes } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { MARK_BYTES } from '../../protocol/backup/entry.ts'
import type { BackupEntry } from '../../protocol/backup/entry.ts'
import type { Name } from '../../protocol/op/names.ts'
import { getXattr } from '../mount/extended-attributes.ts'
import type { FileContents } from '../volume/file-contents.ts'
import { contentOf } from '../volume/file-contents.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { FileVersion } from '../tree/tree-reading.ts'

/** Something in a folder. Those of one folder come in the order of their keys. */
export interface SourceItem {
  readonly name: Name
  readonly key: ByteString
  readonly target: ViewTarget
}

/** All but the name and the content. */
export type Described = Omit<BackupEntry, 'name' | 'content' | 'mark'>

/** The part of it by which a tree is written. */
export type BackupSource = Pick<VolumeSource, 'list' | 'describe' | 'version' | 'markOf' | 'read'>

export class VolumeSource {
  readonly #namespace: Namespace
  readonly #contents: FileContents
  readonly #markKey: Uint8Array

  /** markKey: the secret of the backup, by which contents that are equal are known again. */
  constructor(
    { namespace, contents }: Pick<HostedVolume, 'namespace' | 'contents'>,
    { markKey }: { readonly markKey: Uint8Array },
  ) {
    this.#namespace = namespace
    this.#contents = contents
    this.#markKey = markKey
  }

  /** throws ShoalError 'ENOENT', 'ESTALE' for a folder that was removed meanwhile. */
  list(dir: NodeId): AsyncIterable<SourceItem> {
    return this.#namespace.list(dir)
  }

  /** Bytes of all files in a folder and below, for progress. */
  async bytesBelow(dir: NodeId, signal: AbortSignal): Promise<number> {
    let bytes = 0
    const folders = [dir]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      try {
        for await (const { target } of this.list(folder)) {
          signal.throwIfAborted()
          if (target.kind === 'dir') folders.push(target.id)
          else bytes += this.#namespace.attributes(target).sizeBytes
        }
      } catch (error) {
        // Removed meanwhile.
        if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ESTALE')) throw error
      }
    }
    return bytes
  }

  /** throws ShoalError 'ENOENT', 'ESTALE' for what was removed meanwhile. */
  describe(target: ViewTarget): Described & { readonly sizeBytes: number } {
    const namespace = this.#namespace
    const { kind, mode, uid, gid, modifiedNs, linkCount, rdev, sizeBytes } =
      namespace.attributes(target)
    const xattrs = namespace.xattrs.list(target).flatMap((name) => {
      const value = getXattr(namespace, target, name, () => mode)
      return value === undefined ? [] : [[name, value] as const]
    })
    // A losing version of a conflict is a file of its own.
    const isLinked = target.kind === 'inode' && target.version === undefined && linkCount > 1
    return {
      kind,
      mode,
      uid,
      gid,
      modifiedNs,
      xattrs,
      sizeBytes,
      ...(kind === 'symlink' && { target: toByteString(namespace.symlinkTarget(target.id)) }),
      ...(rdev !== undefined && { rdev }),
      ...(isLinked && { link: hexIdBytes(target.id) }),
    }
  }

  /** The version of a file that is there now. */
  version(target: ViewTarget): FileVersion {
    return this.#contents.version(target)
  }

  /** Undefined for what is so small that it is part of the entry anyway. */
  markOf(version: FileVersion): Uint8Array | undefined {
    const content = contentOf(version)
    if (content.kind === 'inline') return undefined
    const { root, depth, size } = content.manifest
    const said = utf8(`${this.#namespace.volume.id} ${root.id} ${depth} ${size}`)
    return blake3Keyed(this.#markKey, said).slice(0, MARK_BYTES)
  }

  /** Piece by piece; zeros of holes too. throws ShoalError 'chunk-unavailable', 'cold-*'. */
  async *read(
    target: ViewTarget,
    version: FileVersion,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const lease = this.#contents.hold(target.id, contentOf(version))
    try {
      const reader = this.#contents.reader(version)
      yield* reader.stream(0, reader.size, { signal })
    } finally {
      lease.end()
    }
  }
}
