// A content of chunks that is stored: what an editor begins with, or copies from. It never changes.
import { ManifestTree } from './manifest-tree.ts'
import { ContentReader } from './read-pipeline.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'
import type { ChunkReader } from './chunk-io.ts'
import type { ReaderParts } from './read-pipeline.ts'

export interface StoredContent {
  readonly tree: ManifestTree
  readonly chunks: ChunkReader
  readonly reader: ContentReader
}

export function storedContent(manifest: Manifest, parts: ReaderParts): StoredContent {
  return {
    tree: new ManifestTree(manifest, parts),
    chunks: parts.chunks,
    reader: new ContentReader({ kind: 'chunks', manifest }, parts),
  }
}
