// Both drivers by real system calls through a real mount. The calls are asynchronous or another
// process's: this process answers them. It starts no process while it has a file of the mount open:
// a fork closes it, which only this process, which waits for the fork, could answer.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:fs'
import {
  appendFile,
  chmod,
  chown,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  rename,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import koffi from 'koffi'
import { compareBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import { behaves, everyExceptionIsACase } from './drivers.ts'
import { run, until } from './mounted.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

behaves('files can be written, appended to, truncated and copied', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'one')
  await appendFile(at('a'), ' two')
  assert.equal(await readFile(at('a'), 'utf8'), 'one two')
  await truncate(at('a'), 3)
  await truncate(at('a'), 5)
  assert.equal(await readFile(at('a'), 'utf8'), 'one\0\0')
  await copyFile(at('a'), at('b'))
  assert.equal(await readFile(at('b'), 'utf8'), 'one\0\0')
  await writeFile(at('a'), 'x')
  assert.equal(await readFile(at('a'), 'utf8'), 'x')
  assert.equal((await stat(at('a'))).size, 1)
  await assert.rejects(writeFile(at('a'), 'x', { flag: 'wx' }), { code: 'EEXIST' })
})

behaves('writes at any position show in all open handles of the file', async (mounted) => {
  const { at } = await mounted()
  await using writer = await open(at('a'), 'w+')
  await using reader = await open(at('a'), 'r')
  await writer.write('end', 5000)
  await writer.write('start', 0)
  const { buffer } = await reader.read(Buffer.alloc(6000), 0, 6000, 0)
  assert.equal(buffer.toString('latin1', 0, 5003), `start${'\0'.repeat(4995)}end`)
  await writer.datasync()
  await writer.sync()
})

behaves('64 MiB come back as they were written', async (mounted) => {
  const { at } = await mounted()
  const block = randomBytes(MIB)
  const hash = createHash('sha256')
  const file = await open(at('big'), 'w')
  for (let index = 0; index < 64; index++) {
    block.writeUInt32LE(index, 0)
    hash.update(block)
    await file.write(block)
  }
  await file.close()
  const sum = hash.digest('hex')
  assert.equal((await run('sha256sum', at('big'))).slice(0, 64), sum)
})

behaves('64 MiB are read in few requests', async (mounted) => {
  const { at, mount, fileSystem } = await mounted()
  await run('dd', 'if=/dev/zero', `of=${at('big')}`, 'bs=1M', 'count=64')
  let reads = 0
  fileSystem.before = (operation) => void (reads += operation === 'read' ? 1 : 0)
  mount.invalidator.inode((await stat(at('big'))).ino)
  await until(async () => {
    await using again = await open(at('big'))
    await again.read(Buffer.alloc(MIB), 0, 4 * KIB, 32 * MIB)
    return reads > 0
  })
  await run('cat', at('big'))
  assert.ok(reads < 200, `${reads} reads of 64 MiB`)
})

behaves('names are text of up to 255 bytes', async (mounted) => {
  const { folder, at, fileSystem } = await mounted()
  const names = ['a b', '🐟🐠', 'new\nline', 'x'.repeat(255), '🐟'.repeat(63), '-n', '\\'].map(
    (name) => Buffer.from(name),
  )
  for (const name of names) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), name])
    await writeFile(path, name)
    assert.deepEqual(await readFile(path), name)
  }
  const listed = await readdir(folder, { encoding: 'buffer' })
  assert.deepEqual(listed.toSorted(compareBytes), names.toSorted(compareBytes))
  assert.deepEqual(
    fileSystem.names,
    names.map((name) => name.toString('latin1')),
  )
  await assert.rejects(writeFile(at('y'.repeat(256)), ''), { code: 'ENAMETOOLONG' })
})

behaves('names are any bytes', async (mounted) => {
  const { folder, fileSystem } = await mounted()
  const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe, 0x80])])
  await writeFile(path, 'x')
  assert.equal(await readFile(path, 'utf8'), 'x')
  assert.deepEqual(fileSystem.names, ['\xff\xfe\x80'])
})

behaves('modes, owners and times are kept', async (mounted) => {
  const { at, folder } = await mounted()
  await writeFile(at('a'), 'x', { mode: 0o640 })
  assert.equal((await stat(at('a'))).mode, 0o100640)
  await chmod(at('a'), 0o4755)
  await chown(at('a'), 12, 34)
  await chmod(at('a'), 0o4755)
  await utimes(at('a'), 1_000_000.5, 2_000_000.25)
  const { mode, uid, gid, nlink, atimeMs, mtimeMs } = await stat(at('a'))
  assert.deepEqual([mode, uid, gid, nlink], [0o104755, 12, 34, 1])
  assert.deepEqual([atimeMs, mtimeMs], [1_000_000_500, 2_000_000_250])
  assert.equal((await stat(folder)).ino, 1)
  const space = await statfs(folder)
  assert.deepEqual([space.bsize, space.blocks, space.bavail], [4096, 1000, 400])
})

behaves('a write clears set-user-id', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'x')
  await chmod(at('a'), 0o4755)
  await run('setpriv', '--bounding-set=-fsetid', 'sh', '-c', 'echo >> "$0"', at('a'))
  assert.equal((await stat(at('a'))).mode, 0o100755)
})

behaves('each time is kept to the nanosecond, separately', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'x')
  await utimes(at('a'), 1_000_000.5, 1)
  await run('touch', '-m', '-d', '@-1.250000001', at('a'))
  const { atimeNs, mtimeNs } = await stat(at('a'), { bigint: true })
  assert.deepEqual([atimeNs, mtimeNs], [1_000_000_500_000_000n, -1_250_000_001n])
})

behaves('folders are made, listed, removed, and synced', async (mounted) => {
  const { at, folder, fileSystem } = await mounted()
  await mkdir(at('d/e'), { recursive: true })
  await writeFile(at('d/f'), '')
  assert.deepEqual(await readdir(at('d')), ['e', 'f'])
  await assert.rejects(rmdir(at('d')), { code: 'ENOTEMPTY' })
  await assert.rejects(mkdir(at('d')), { code: 'EEXIST' })
  await assert.rejects(readdir(at('d/f')), { code: 'ENOTDIR' })
  const asked: string[] = []
  fileSystem.before = (operation) => void asked.push(operation)
  await using handle = await open(folder)
  await handle.sync()
  assert.ok(asked.includes('syncFolder'))
  await rmdir(at('d/e'))
  assert.deepEqual(await readdir(at('d')), ['f'])
})

behaves('symbolic and hard links', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'x')
  await link(at('a'), at('b'))
  await symlink('a', at('s'))
  assert.equal(await readlink(at('s')), 'a')
  assert.ok((await lstat(at('s'))).isSymbolicLink())
  assert.equal((await stat(at('s'))).ino, (await stat(at('b'))).ino)
  await until(async () => (await stat(at('a'))).nlink === 2)
  await writeFile(at('s'), 'changed')
  await until(async () => (await readFile(at('b'), 'utf8')) === 'changed')
  await unlink(at('a'))
  await until(async () => (await stat(at('b'))).nlink === 1)
  await assert.rejects(readFile(at('s')), { code: 'ENOENT' })
})

behaves('a change through one name of a file shows through the others at once', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'x')
  await link(at('a'), at('b'))
  assert.equal((await stat(at('a'))).nlink, 2)
  assert.equal((await stat(at('b'))).size, 1)
  await writeFile(at('a'), 'changed')
  assert.equal(await readFile(at('b'), 'utf8'), 'changed')
  await unlink(at('a'))
  assert.equal((await stat(at('b'))).nlink, 1)
})

behaves('rename replaces files and empty folders', async (mounted) => {
  const { at } = await mounted()
  await mkdir(at('d/e'), { recursive: true })
  await writeFile(at('a'), 'a')
  await writeFile(at('d/b'), 'b')
  await rename(at('a'), at('d/b'))
  assert.equal(await readFile(at('d/b'), 'utf8'), 'a')
  await assert.rejects(stat(at('a')), { code: 'ENOENT' })
  await mkdir(at('f'))
  await assert.rejects(rename(at('f'), at('d')), { code: 'ENOTEMPTY' })
  await rename(at('d/e'), at('f'))
  assert.deepEqual(await readdir(at('')), ['d', 'f'])
})

behaves('a file replaced while open keeps its content in its open handles', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'old')
  await writeFile(at('new'), 'new')
  await using reader = await open(at('a'))
  await rename(at('new'), at('a'))
  assert.equal(await reader.readFile('utf8'), 'old')
  assert.equal(await readFile(at('a'), 'utf8'), 'new')
  assert.deepEqual(await readdir(at('')), ['a'])
})

behaves('rename exchanges, and refuses to replace', async (mounted) => {
  const { at } = await mounted()
  const renameat2 = koffi
    .load(null)
    .func('int renameat2(int, const char *, int, const char *, unsigned int)')
  const flagged = (from: string, to: string, flags: number): Promise<number> =>
    new Promise((resolve, reject) =>
      renameat2.async(0, at(from), 0, at(to), flags, (error: Error | null, result: number) =>
        error === null ? resolve(result) : reject(error),
      ),
    )
  await mkdir(at('d'))
  await writeFile(at('a'), 'a')
  await writeFile(at('d/b'), 'b')
  assert.equal(await flagged('a', 'd/b', 1), -1)
  assert.equal(await flagged('a', 'd/b', 2), 0)
  assert.equal(await readFile(at('a'), 'utf8'), 'b')
  assert.equal(await readFile(at('d/b'), 'utf8'), 'a')
  await rename(at('a'), at('d/b'))
  assert.equal(await readFile(at('d/b'), 'utf8'), 'b')
  await assert.rejects(stat(at('a')), { code: 'ENOENT' })
  assert.equal(await flagged('d/b', 'c', 1), 0)
  assert.deepEqual(await readdir(at('')), ['c', 'd'].toSorted())
})

behaves(
  'a file unlinked while open can be read and written until it is closed',
  async (mounted) => {
    const { at, fileSystem } = await mounted()
    await using file = await open(at('a'), 'w+')
    await file.write('before')
    await unlink(at('a'))
    await file.write(' after', 6)
    const { buffer } = await file.read(Buffer.alloc(12), 0, 12, 0)
    assert.equal(buffer.toString(), 'before after')
    assert.equal((await file.stat()).nlink, 0)
    await file.close()
    await until(() => fileSystem.inodes.size === 1 && fileSystem.handles.size === 0)
  },
)

behaves(
  '5,000 entries are listed once each, and forgotten when they are removed',
  async (mounted) => {
    const { folder, fileSystem } = await mounted()
    for (let index = 0; index < 5000; index++) fileSystem.putFile(`file ${index}`, '')
    assert.deepEqual((await readdir(folder)).toSorted(), fileSystem.names.toSorted())
    const lines = (await run('ls', '-ln', folder)).trim().split('\n')
    assert.equal(lines.length, 5001)
    await run('find', folder, '-type', 'f', '-delete')
    assert.deepEqual(await readdir(folder), [])
    await until(() => fileSystem.inodes.size === 1)
  },
)

behaves('a refusal of the file system is returned as the right error', async (mounted) => {
  const { at, fileSystem } = await mounted()
  await writeFile(at('a'), 'x')
  const cases: [ErrorCode, string][] = [
    ['ENOSPC', 'ENOSPC'],
    ['EACCES', 'EACCES'],
    ['EROFS', 'EROFS'],
    ['EFBIG', 'EFBIG'],
    ['EPERM', 'EPERM'],
    ['EBUSY', 'EBUSY'],
    ['timeout', 'ETIMEDOUT'],
    ['chunk-unavailable', 'EIO'],
    ['corrupt', 'EIO'],
  ]
  for (const [thrown, seen] of cases) {
    fileSystem.before = (operation) => {
      if (operation === 'open') throw new ShoalError(thrown, 'no')
    }
    await assert.rejects(readFile(at('a')), { code: seen })
  }
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  fileSystem.before = (operation) => {
    if (operation === 'flush') throw new TypeError('a bug')
  }
  await assert.rejects(writeFile(at('a'), 'y'), { code: 'EIO' })
  assert.equal((await warned).message, 'a bug')
})

behaves('ls requests no extended attributes once the access lists are cached', async (mounted) => {
  const { at, fileSystem, folder } = await mounted()
  for (let i = 0; i < 100; i++) await writeFile(at(`f${i}`), 'x')
  await run('ls', '-l', folder)
  let asked = 0
  fileSystem.before = (operation) => {
    if (operation === 'getXattr') asked++
  }
  await run('ls', '-l', folder)
  // For a label, of the first file.
  assert.ok(asked <= 5, `${asked} times`)
})

behaves('unsupported operations fail as on a file system without them', async (mounted) => {
  const { at } = await mounted()
  await writeFile(at('a'), 'x')
  await assert.rejects(run('fallocate', '-l', '10', at('a')), /not supported/)
})

behaves(
  'a waiting reader can be killed, and an interrupted direct read is aborted',
  async (mounted) => {
    const { at, fileSystem } = await mounted()
    fileSystem.putFile('a', 'x'.repeat(4 * KIB))
    for (const flags of [['iflag=direct'], []]) {
      const reading = Promise.withResolvers<AbortSignal>()
      const gate = Promise.withResolvers<void>()
      fileSystem.before = (operation, signal) => {
        if (operation !== 'read' || signal === undefined) return undefined
        reading.resolve(signal)
        return gate.promise
      }
      const reader = spawn('dd', [`if=${at('a')}`, 'bs=4096', ...flags], { stdio: 'ignore' })
      const closed = once(reader, 'close')
      const signal = await reading.promise
      reader.kill('SIGKILL')
      await closed
      gate.resolve()
      // Read-ahead belongs to nobody, so that the kernel does not interrupt it.
      assert.equal(signal.aborted, flags.length > 0)
    }
  },
)

behaves('slow requests delay no others', async (mounted) => {
  const { at, fileSystem } = await mounted()
  fileSystem.putFile('slow', 'x')
  fileSystem.putFile('quick', 'y')
  const gate = Promise.withResolvers<void>()
  let waits = 0
  fileSystem.before = (operation) =>
    operation === 'read' && waits++ === 0 ? gate.promise : undefined
  const slow = readFile(at('slow'), 'utf8')
  await until(() => waits === 1)
  assert.equal(await readFile(at('quick'), 'utf8'), 'y')
  gate.resolve()
  assert.equal(await slow, 'x')
})

behaves('a read-only mount refuses writes', async (mounted) => {
  const { at, fileSystem } = await mounted({ readOnly: true })
  fileSystem.putFile('a', 'x')
  assert.equal(await readFile(at('a'), 'utf8'), 'x')
  await assert.rejects(writeFile(at('b'), ''), { code: 'EROFS' })
})

behaves('O_EXCL, O_TRUNC and O_APPEND work as in open(2)', async (mounted) => {
  const { at } = await mounted()
  const { O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_APPEND } = constants
  await (await open(at('a'), O_CREAT | O_EXCL | O_RDWR)).close()
  await assert.rejects(open(at('a'), O_CREAT | O_EXCL | O_RDWR), { code: 'EEXIST' })
  await writeFile(at('a'), 'long')
  await (await open(at('a'), O_RDWR | O_TRUNC)).close()
  assert.equal((await stat(at('a'))).size, 0)
  await using one = await open(at('a'), O_RDWR | O_APPEND)
  await using other = await open(at('a'), O_RDWR | O_APPEND)
  await one.write('1')
  await other.write('2')
  await one.write('3')
  assert.equal(await readFile(at('a'), 'utf8'), '123')
})

everyExceptionIsACase()
