// A folder in memory as what is backed up: files by path, whose contents a test changes.
import { collisionKey, nameFromText } from '../../../protocol/op/names.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { ViewTarget } from '../../../protocol/tree/view.ts'
import type { BackupSource, Described, SourceItem } from '../../../node/backup/volume-source.ts'
import type { FileVersion } from '../../../node/tree/tree-reading.ts'

export class MemorySource implements BackupSource {
  readonly files: Map<string, Uint8Array> = new Map()
  readonly root: ViewTarget = { kind: 'dir', id: '' as NodeId }

  async *list(dir: NodeId): AsyncGenerator<SourceItem> {
    const below = [...this.files.keys()].filter((path) => path.startsWith(`${dir}/`))
    const names = new Set(below.map((path) => path.slice(dir.length + 1).split('/')[0] ?? ''))
    const items = Array.from(names, (text): SourceItem => {
      const name = nameFromText(text)
      const id = `${dir}/${text}` as NodeId
      const target: ViewTarget = this.files.has(id)
        ? { kind: 'inode', id, link: id, version: undefined }
        : { kind: 'dir', id }
      return { name, key: collisionKey(name), target }
    })
    yield* items.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  describe(target: ViewTarget): Described & { readonly sizeBytes: number } {
    const sizeBytes = this.files.get(target.id)?.length ?? 0
    const kind = target.kind === 'dir' ? 'folder' : 'file'
    return { kind, mode: 0o640, uid: 1, gid: 2, modifiedNs: 5n, xattrs: [], sizeBytes }
  }

  version({ id }: ViewTarget): FileVersion {
    const bytes = this.files.get(id) ?? new Uint8Array(0)
    return { content: { kind: 'inline', bytes }, size: bytes.length, base: [], author: undefined }
  }

  markOf({ content }: FileVersion): Uint8Array {
    return blake3('bytes' in content ? content.bytes : utf8('')).slice(0, 16)
  }

  async *read(_target: ViewTarget, { content }: FileVersion): AsyncGenerator<Uint8Array> {
    if ('bytes' in content) yield content.bytes
  }
}
