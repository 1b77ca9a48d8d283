// The fate of open files while others, elsewhere, write to them, remove them, or end their
// conflicts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { exchange } from '../node/log/replicas.ts'
import { mountedVolume } from './mounted-volume.ts'
import type { FileLocks, LockUser } from '../../node/volume/file-locks.ts'
import type { VolumeFileSystem } from '../../node/mount/operations.ts'
import type { Replica } from '../node/log/replicas.ts'

const READ_WRITE = 2
const ROOT_INODE = 1
/** The flag of renameat2(2). */
const EXCHANGE = 2
const { signal } = new AbortController()

type Shared = Awaited<ReturnType<typeof mountedVolume>> & {
  readonly other: Replica
  /** Somebody else gives /f other content, and this node hears of it. */
  readonly rewritten: (text: string) => Promise<void>
}

async function shared(locks?: FileLocks): Promise<Shared> {
  const mount = await mountedVolume(locks && { locks })
  const { replica } = mount
  const other = await replica.member('ben')
  const rewritten = async (text: string): Promise<void> => {
    other.rewrite(other.at('f'), text)
    await exchange(replica, other)
  }
  return { ...mount, other, rewritten }
}

async function textOf(fs: VolumeFileSystem, handle: number): Promise<string> {
  return Buffer.concat(await fs.read(handle, 0, 100, signal)).toString()
}

async function textAt(fs: VolumeFileSystem, name: string): Promise<string> {
  const found = await fs.lookup(ROOT_INODE, name)
  const handle = await fs.open(found?.inode ?? 0, 0)
  const text = await textOf(fs, handle)
  await fs.release(handle)
  return text
}

async function close(fs: VolumeFileSystem, handle: number): Promise<void> {
  await fs.flush(handle)
  await fs.release(handle)
}

async function conflictCopy({ replica }: Shared): Promise<string> {
  const copies = (await replica.names()).filter((name) => name !== 'f')
  assert.equal(copies.length, 1)
  return copies[0] ?? ''
}

/** A handle of the version that lost, and its inode. */
async function copyOpened(mount: Shared): Promise<{ handle: number; inode: number }> {
  const { fs, inode } = mount
  const opened = await fs.open(inode, READ_WRITE)
  await mount.rewritten('theirs')
  await fs.write(opened, 0, Buffer.from('BEFORE'))
  await close(fs, opened)
  const copy = await fs.lookup(ROOT_INODE, await conflictCopy(mount))
  const handle = await fs.open(copy?.inode ?? 0, READ_WRITE)
  return { handle, inode: copy?.inode ?? 0 }
}

test('a write without a new read replaces the version at open, and no other', async () => {
  const mount = await shared()
  const { fs, inode, rewritten } = mount
  const handle = await fs.open(inode, READ_WRITE)
  assert.equal(await textOf(fs, handle), 'before')
  await rewritten('theirs, and longer')
  // As stdio does before it writes.
  assert.equal((await fs.getAttributes(inode)).sizeBytes, 18)
  await fs.write(handle, 0, Buffer.from('BE'))
  assert.equal(await textOf(fs, handle), 'BEfore')
  assert.equal((await fs.getAttributes(inode)).sizeBytes, 6)
  await close(fs, handle)
  assert.equal(await textAt(fs, 'f'), 'BEfore')
  assert.equal(await textAt(fs, await conflictCopy(mount)), 'theirs, and longer')
})

const THEIRS = 'theirs, and longer'

for (const { how, look } of [
  {
    how: 'reads all of it',
    look: async ({ fs, inode }: Shared, handle: number) => {
      await fs.getAttributes(inode)
      await fs.read(handle, 0, 100, signal)
    },
  },
  {
    how: 'reads what it then writes over',
    look: async ({ fs }: Shared, handle: number) => fs.read(handle, 0, 3, signal),
  },
  {
    how: 'opens it again',
    look: async ({ fs, inode }: Shared) => fs.release(await fs.open(inode, 0)),
  },
]) {
  test(`a handle that ${how} edits the version that has arrived`, async () => {
    const mount = await shared()
    const { fs, inode, replica, rewritten } = mount
    const handle = await fs.open(inode, READ_WRITE)
    await rewritten(THEIRS)
    await look(mount, handle)
    await fs.write(handle, 0, Buffer.from('THE'))
    await close(fs, handle)
    assert.equal(await textAt(fs, 'f'), 'THEirs, and longer')
    assert.deepEqual(await replica.names(), ['f'])
  })
}

for (const { how, act, left } of [
  {
    how: 'was read in part and is written over elsewhere',
    act: async ({ fs }: Shared, handle: number) => {
      await fs.read(handle, 0, 3, signal)
      await fs.write(handle, 2, Buffer.from('EI'))
    },
    left: 'thEIrs, and longer',
  },
  {
    how: 'was read up to the size of the one before, and is truncated',
    act: async ({ fs, inode }: Shared, handle: number) => {
      // A page, of which the kernel gives the program what the size allows that it knows.
      await fs.read(handle, 0, 4096, signal)
      await fs.setAttributes(inode, { sizeBytes: 6 }, handle)
      await fs.write(handle, 0, Buffer.from('before'))
    },
    left: 'before',
  },
  {
    how: 'was read in part and is replaced by zeros',
    act: async ({ fs }: Shared, handle: number) => {
      await fs.read(handle, 0, 3, signal)
      await fs.allocate(handle, 16, 0, 18)
    },
    left: '\0'.repeat(18),
  },
]) {
  test(`a version that came after open, ${how}, stays as a conflict copy`, async () => {
    const mount = await shared()
    const { fs, inode, rewritten } = mount
    const handle = await fs.open(inode, READ_WRITE)
    await rewritten(THEIRS)
    await act(mount, handle)
    await close(fs, handle)
    assert.equal(await textAt(fs, 'f'), left)
    assert.equal(await textAt(fs, await conflictCopy(mount)), THEIRS)
  })
}

test('after a conflict the handle has seen what it wrote, and no more', async () => {
  const mount = await shared()
  const { fs, inode, rewritten, replica, other } = mount
  const handle = await fs.open(inode, READ_WRITE)
  await rewritten(THEIRS)
  await fs.read(handle, 0, 3, signal)
  await fs.write(handle, 2, Buffer.from('EI'))
  await fs.fsync(handle)
  await fs.write(handle, 0, Buffer.from('TH'))
  await close(fs, handle)
  await exchange(replica, other)
  assert.equal(await textAt(fs, 'f'), 'THEIrs, and longer')
  assert.equal(await textAt(fs, await conflictCopy(mount)), THEIRS)
})

test('an append goes to the version that has arrived', async () => {
  const { fs, inode, other, replica, rewritten } = await shared()
  const handle = await fs.open(inode, READ_WRITE)
  await rewritten('theirs')
  await fs.write(handle, 'end', Buffer.from(' and ours'))
  await fs.fsync(handle)
  await exchange(replica, other)
  await rewritten('theirs anew')
  await fs.write(handle, 'end', Buffer.from(' and ours'))
  await close(fs, handle)
  assert.equal(await textAt(fs, 'f'), 'theirs anew and ours')
  assert.deepEqual(await replica.names(), ['f'])
})

test('a write at the size that has arrived appends to the version that has arrived', async () => {
  const { fs, inode, replica, rewritten } = await shared()
  const handle = await fs.open(inode, READ_WRITE)
  await rewritten('theirs, ')
  const { sizeBytes } = await fs.getAttributes(inode)
  await fs.write(handle, sizeBytes, Buffer.from('ours'))
  await close(fs, handle)
  assert.equal(await textAt(fs, 'f'), 'theirs, ours')
  assert.deepEqual(await replica.names(), ['f'])
})

test('a write under a lock held on all nodes edits the version that has arrived', async () => {
  const users: LockUser[] = []
  const locks = { join: (user: LockUser) => void users.push(user), check: () => undefined }
  const { fs, inode, replica, rewritten } = await shared(locks as unknown as FileLocks)
  const handle = await fs.open(inode, READ_WRITE)
  await rewritten('theirs, and longer')
  for (const user of users) await user.refresh(replica.at('f').id)
  await fs.write(handle, 0, Buffer.from('THE'))
  await fs.flush(handle)
  assert.equal(await textOf(fs, handle), 'THEirs, and longer')
  assert.deepEqual(await replica.names(), ['f'])
})

test('a conflict copy that is written to has only the content of its writer', async () => {
  const mount = await shared()
  const { fs } = mount
  const { handle, inode } = await copyOpened(mount)
  assert.equal(await textOf(fs, handle), 'theirs')
  await fs.write(handle, 0, Buffer.from('first half, '))
  await fs.fsync(handle)
  assert.equal(await textOf(fs, handle), 'first half, ')
  const { sizeBytes } = await fs.getAttributes(inode)
  assert.equal(sizeBytes, 12)
  await fs.write(handle, sizeBytes, Buffer.from('second half'))
  await close(fs, handle)
  assert.equal(await textAt(fs, 'f'), 'first half, second half')
  assert.equal(await textAt(fs, await conflictCopy(mount)), 'BEFORE')
})

test('rename and link of a conflict copy fail with EXDEV, so that programs copy it', async () => {
  const mount = await shared()
  const { fs } = mount
  const { handle, inode } = await copyOpened(mount)
  await fs.release(handle)
  const copy = await conflictCopy(mount)
  const refused = { code: 'EXDEV' }
  await assert.rejects(fs.rename(ROOT_INODE, copy, ROOT_INODE, 'kept', 0), refused)
  await assert.rejects(fs.rename(ROOT_INODE, 'f', ROOT_INODE, copy, EXCHANGE), refused)
  await assert.rejects(fs.link(inode, ROOT_INODE, 'kept'), refused)
  await fs.unlink(ROOT_INODE, copy)
  assert.equal(await textAt(fs, 'f'), 'BEFORE')
})

test('an open conflict copy stays until it is closed, though the conflict has ended', async () => {
  const mount = await shared()
  const { fs, replica } = mount
  const { handle, inode } = await copyOpened(mount)
  replica.namespace.keepConflict(ROOT, nameFromText('f'))
  assert.equal(await textOf(fs, handle), 'theirs')
  assert.equal((await fs.getAttributes(inode)).sizeBytes, 6)
  await fs.release(handle)
  await assert.rejects(fs.open(inode, 0), { code: 'ESTALE' })
})

for (const [how, go] of [
  ['was removed', (other: Replica) => other.namespace.unlink(ROOT, nameFromText('f'))],
  [
    'was replaced by another',
    (other: Replica) => {
      other.write('g', 'new')
      other.namespace.rename(ROOT, nameFromText('g'), ROOT, nameFromText('f'))
    },
  ],
] as const) {
  test(`a file that ${how} cannot be opened again by its old inode`, async () => {
    const { fs, inode, replica, other } = await shared()
    const handle = await fs.open(inode, 0)
    go(other)
    await exchange(replica, other)
    await assert.rejects(fs.open(inode, READ_WRITE), { code: 'ESTALE' })
    await assert.rejects(fs.setAttributes(inode, { sizeBytes: 0 }, undefined), { code: 'ESTALE' })
    assert.equal(await textOf(fs, handle), 'before')
  })
}
