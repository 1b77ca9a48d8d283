// A folder of a volume as it is backed up, in the state of one moment: what is in it, with all
// attributes, and the contents of its files.
import { blake3Keyed } from '../../protocol/hash.ts'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
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
import {
  attributesIn,
  entriesIn,
  fileVersionOf,
  symlinkTargetIn,
  versionIn,
} from '../tree/tree-reading.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import type { Volume } from '../log/volume.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import { readXattrNames } from '../../protocol/tree/xattrs.ts'

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

export interface VolumeSourceOptions {
  /** The state that is backed up. */
  readonly view: SnapshotView
  /** The secret of the backup, by which contents that are equal are known again. */
  readonly markKey: Uint8Array
}

export class VolumeSource {
  readonly #volume: Volume
  readonly #contents: FileContents
  readonly #view: SnapshotView
  readonly #markKey: Uint8Array

  constructor(
    { volume, contents }: Pick<HostedVolume, 'volume' | 'contents'>,
    { view, markKey }: VolumeSourceOptions,
  ) {
    this.#volume = volume
    this.#contents = contents
    this.#view = view
    this.#markKey = markKey
  }

  list(dir: NodeId): AsyncIterable<SourceItem> {
    return entriesIn(this.#volume, this.#view, dir)
  }

  /** Bytes of all files in a folder and below, for progress. */
  async bytesBelow(dir: NodeId, signal: AbortSignal): Promise<number> {
    let bytes = 0
    const folders = [dir]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for await (const { target } of this.list(folder)) {
        signal.throwIfAborted()
        if (target.kind === 'dir') folders.push(target.id)
        else bytes += attributesIn(this.#view, target).sizeBytes
      }
    }
    return bytes
  }

  describe(target: ViewTarget): Described & { readonly sizeBytes: number } {
    const view = this.#view
    const { kind, mode, uid, gid, modifiedNs, linkCount, rdev, sizeBytes } = attributesIn(
      view,
      target,
    )
    const xattrs = readXattrNames(view, target.id).flatMap((name) => {
      const value = getXattr(view, target, { name, mode: () => mode })
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
      ...(kind === 'symlink' && { target: toByteString(symlinkTargetIn(view, target.id)) }),
      ...(rdev !== undefined && { rdev }),
      ...(isLinked && { link: hexIdBytes(target.id) }),
    }
  }

  /** The version of a file. */
  version(target: ViewTarget): FileVersion {
    const version = target.kind === 'dir' ? undefined : versionIn(this.#view, target)
    return fileVersionOf(this.#volume, version)
  }

  /** Undefined for what is so small that it is part of the entry anyway. */
  markOf(version: FileVersion): Uint8Array | undefined {
    const content = contentOf(version)
    if (content.kind === 'inline') return undefined
    const { root, depth, size } = content.manifest
    const said = utf8(`${this.#volume.id} ${root.id} ${depth} ${size}`)
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
