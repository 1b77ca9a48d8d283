// A tree with all that a file system has, and its description, by which a copy is compared: kind,
// mode, owner, time, content, extended attributes, ACLs, links between names, devices, holes.
import { createHash } from 'node:crypto'
import {
  chmod,
  chown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { getXattr, listXattrs, makeNode, setXattr } from '../mount/system-calls.ts'
import { writeRandomFile } from '../cluster/trees.ts'

const FIFO = 0o010644
const CHARACTER_DEVICE = 0o020600
/** Major 1, minor 3: /dev/null. */
const NULL_DEVICE = 0x103
export const HOLE_BYTES: number = 64 * 1024 * 1024
const SMALL_FILES = 40

/** With devices and owners only as root. */
export async function makeFullTree(root: string): Promise<void> {
  await mkdir(join(root, 'deep/a/b/c'), { recursive: true })
  await mkdir(join(root, 'empty folder'))
  await mkdir(join(root, 'spaces and 🦀 ünïcode'))
  await writeFile(join(root, 'spaces and 🦀 ünïcode/naïve "quoted" $name\n.txt'), 'odd')
  await writeFile(Buffer.concat([Buffer.from(`${root}/bytes-`), Buffer.of(0xff, 0xfe)]), 'bytes')
  await writeFile(join(root, 'empty'), '')
  await writeFile(join(root, 'text'), 'all work and no play\n'.repeat(20_000))
  await writeRandomFile(join(root, 'big'), 5)
  for (let at = 0; at < SMALL_FILES; at++)
    await writeFile(join(root, 'deep/a', `file-${at}`), `${at} `.repeat(at * 53))
  const sparse = await open(join(root, 'sparse'), 'w')
  await sparse.write('begin', 0)
  await sparse.write('end', HOLE_BYTES)
  await sparse.close()
  await truncate(join(root, 'sparse'), 2 * HOLE_BYTES)
  await symlink('../nowhere', join(root, 'deep/dangling'))
  await symlink('text', join(root, 'to-text'))
  await link(join(root, 'big'), join(root, 'deep/a/b/hard'))
  await link(join(root, 'deep/a/file-7'), join(root, 'hard-small'))
  makeNode(join(root, 'fifo'), FIFO)
  makeNode(join(root, 'null'), CHARACTER_DEVICE, NULL_DEVICE)
  setXattr(join(root, 'text'), 'user.comment', 'kept')
  setXattr(join(root, 'deep'), 'user.of a folder', new Uint8Array([0, 1, 255]))
  setXattr(join(root, 'deep/a/file-9'), 'user.empty', '')
  setXattr(join(root, 'text'), 'system.posix_acl_access', aclOf({ 1234: 6 }))
  setXattr(join(root, 'deep/a'), 'system.posix_acl_default', aclOf({ 77: 7 }))
  await chown(join(root, 'deep/a/file-3'), 1234, 5678)
  await chmod(join(root, 'deep/a/file-4'), 0o4755)
  await chmod(join(root, 'deep/a/file-5'), 0o000)
  await chmod(join(root, 'empty folder'), 0o1777)
  // rsync sets no time that differs by less than a second.
  let seconds = 1_000_000_000.25
  await visitAll(Buffer.from(root), '', async (path) => lutimes(path, 1, seconds++))
  await utimes(join(root, 'deep/a/file-6'), 1, 86_400 * 365 * 9.5)
  await utimes(join(root, 'deep/a/b'), 1, -86_400 * 365)
}

/** As the kernel has an ACL: rights of owner, group, mask and others, and of some users. */
function aclOf(users: Readonly<Record<number, number>>): Uint8Array {
  const entries = [
    [0x01, 6, 0xffffffff],
    ...Object.entries(users).map(([id, rights]) => [0x02, rights, Number(id)]),
    [0x04, 4, 0xffffffff],
    [0x10, 6, 0xffffffff],
    [0x20, 4, 0xffffffff],
  ]
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2)
  entries.forEach(([tag = 0, rights = 0, id = 0], at) => {
    bytes.writeUInt16LE(tag, 4 + 8 * at)
    bytes.writeUInt16LE(rights, 6 + 8 * at)
    bytes.writeUInt32LE(id, 8 + 8 * at)
  })
  return bytes
}

/** Each path of a tree with all that is known of it. Times in microseconds, as Node sets them. */
export async function describeTree(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const names = new Map<bigint, string>()
  const visit = async (path: Buffer, shown: string): Promise<void> => {
    const stat = await lstat(path, { bigint: true })
    const kind = (stat.mode >> 12n).toString(8)
    const first = names.get(stat.ino) ?? shown
    names.set(stat.ino, first)
    const linked = !stat.isDirectory() && stat.nlink > 1n ? ` = ${first}` : ''
    const text = path.toString()
    const xattrs = stat.isSymbolicLink() || text.includes('\ufffd') ? [] : listXattrs(text)
    const values = xattrs.map((name) => `${name}=${getXattr(text, name).toString('hex')}`)
    const content = stat.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : stat.isSymbolicLink()
        ? await readlink(path)
        : ''
    const mode = (stat.mode & 0o7777n).toString(8)
    const size = stat.isFile() ? stat.size : 0
    found.set(
      shown,
      `${kind} ${mode} ${stat.uid}:${stat.gid} ${stat.mtimeNs / 1000n} ${stat.rdev} ${size} ` +
        `${content}${linked} ${values.join()}`,
    )
  }
  await visitAll(Buffer.from(root), '', visit)
  return found
}

/** All of a tree, folders after what is in them. */
async function visitAll(
  path: Buffer,
  shown: string,
  visit: (path: Buffer, shown: string) => Promise<void>,
): Promise<void> {
  const stat = await lstat(path)
  const entries = stat.isDirectory() ? await readdir(path, { encoding: 'buffer' }) : []
  for (const name of entries.sort((a, b) => a.compare(b))) {
    const below = Buffer.concat([path, Buffer.from('/'), name])
    await visitAll(below, `${shown}/${name.toString('latin1')}`, visit)
  }
  await visit(path, shown)
}
