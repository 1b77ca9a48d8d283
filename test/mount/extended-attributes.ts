// The rules of xattr(7), setxattr(2), acl(5) and mknod(2), case by case. In a folder of any file
// system that has them: a failure on ext4 is a fault of the test.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { testAccessControlLists } from './access-control-lists.ts'
import { STRANGER, as } from './someone.ts'
import {
  XATTR_CREATE,
  XATTR_REPLACE,
  getXattr,
  getXattrInto,
  listXattrs,
  makeNode,
  removeXattr,
  setXattr,
} from './system-calls.ts'
import type { Fresh } from './access-control-lists.ts'

/**
 * The same cases of each file system.
 *
 * maxBytes: of all values of a file; ext4 has one block for them.
 */
export function testExtendedAttributes(
  name: string,
  folder: () => string,
  { maxBytes }: { readonly maxBytes: number },
): void {
  const fresh: Fresh = () => {
    const made = mkdtempSync(join(folder(), 'case-'))
    chmodSync(made, 0o755)
    return made
  }
  describe(`extended attributes on ${name}`, () => {
    testValues(fresh, maxBytes)
    testKinds(fresh)
  })
  describe(`access control lists on ${name}`, () => testAccessControlLists(fresh))
  describe(`special files on ${name}`, () => testSpecial(fresh))
  describe(`privileges on ${name}`, () => testPrivileges(fresh))
}

function testValues(fresh: Fresh, maxBytes: number): void {
  test('attributes are set, read, listed and removed on files and folders', () => {
    const at = fresh()
    writeFileSync(join(at, 'file'), 'x')
    for (const path of [join(at, 'file'), at]) {
      assert.deepEqual(listXattrs(path), [])
      setXattr(path, 'user.a', 'one')
      setXattr(path, 'user.ü \x01', Uint8Array.of(0, 255, 0))
      setXattr(path, 'user.empty', '')
      assert.equal(getXattr(path, 'user.a').toString(), 'one')
      assert.deepEqual([...getXattr(path, 'user.ü \x01')], [0, 255, 0])
      assert.equal(getXattrInto(path, 'user.empty', 10).length, 0)
      assert.equal(listXattrs(path).length, 3)
      setXattr(path, 'user.a', 'longer than before')
      assert.equal(getXattr(path, 'user.a').toString(), 'longer than before')
      removeXattr(path, 'user.empty')
      assert.throws(() => getXattr(path, 'user.empty'), { code: 'ENODATA' })
      assert.throws(() => removeXattr(path, 'user.empty'), { code: 'ENODATA' })
      assert.equal(listXattrs(path).length, 2)
    }
  })

  test('XATTR_CREATE needs a new name, and XATTR_REPLACE an existing one', () => {
    const at = fresh()
    assert.throws(() => setXattr(at, 'user.a', '1', XATTR_REPLACE), { code: 'ENODATA' })
    setXattr(at, 'user.a', '2', XATTR_CREATE)
    assert.throws(() => setXattr(at, 'user.a', '3', XATTR_CREATE), { code: 'EEXIST' })
    setXattr(at, 'user.a', '4', XATTR_REPLACE)
    assert.equal(getXattr(at, 'user.a').toString(), '4')
    assert.throws(() => setXattr(at, 'user.a', '5', 4), { code: 'EINVAL' })
  })

  test('a buffer that is too small fails with ERANGE, and an empty one gets the length', () => {
    const at = fresh()
    setXattr(at, 'user.a', 'value')
    assert.throws(() => getXattrInto(at, 'user.a', 4), { code: 'ERANGE' })
    assert.equal(getXattrInto(at, 'user.a', 5).toString(), 'value')
    assert.equal(getXattrInto(at, 'user.a', 0).length, 5)
  })

  test('a name has at most 255 bytes, and a value at most 64 KiB', () => {
    const at = fresh()
    const longest = `user.${'n'.repeat(250)}`
    setXattr(at, longest, 'x')
    assert.deepEqual(listXattrs(at), [longest])
    assert.throws(() => setXattr(at, `${longest}n`, 'x'), { code: 'ERANGE' })
    setXattr(at, longest, Buffer.alloc(maxBytes, 7))
    assert.equal(getXattr(at, longest).length, maxBytes)
    assert.throws(() => setXattr(at, longest, Buffer.alloc(65_537)), { code: 'E2BIG' })
    assert.throws(() => setXattr(at, '', 'x'), { code: 'ERANGE' })
    assert.throws(() => setXattr(at, 'user.', 'x'), { code: 'EINVAL' })
  })

  test('attributes stay with a file over hard links and renames, and end with it', () => {
    const at = fresh()
    writeFileSync(join(at, 'a'), 'x')
    setXattr(join(at, 'a'), 'user.k', 'v')
    linkSync(join(at, 'a'), join(at, 'b'))
    renameSync(join(at, 'a'), join(at, 'c'))
    for (const name of ['b', 'c']) assert.equal(getXattr(join(at, name), 'user.k').toString(), 'v')
    writeFileSync(join(at, 'new'), 'x')
    renameSync(join(at, 'new'), join(at, 'c'))
    assert.deepEqual(listXattrs(join(at, 'c')), [])
    assert.equal(getXattr(join(at, 'b'), 'user.k').toString(), 'v')
  })

  test('setting or removing an attribute changes ctime and not mtime', async () => {
    const at = fresh()
    for (const path of [join(at, 'dir'), join(at, 'file')]) {
      if (path.endsWith('dir')) mkdirSync(path)
      else writeFileSync(path, 'x')
      for (const change of [
        () => setXattr(path, 'user.a', '1'),
        () => removeXattr(path, 'user.a'),
      ]) {
        const before = lstatSync(path, { bigint: true })
        await past(before.ctimeNs)
        change()
        const after = lstatSync(path, { bigint: true })
        assert.ok(after.ctimeNs > before.ctimeNs, path)
        assert.equal(after.mtimeNs, before.mtimeNs)
      }
    }
  })
}

function testKinds(fresh: Fresh): void {
  test('unknown namespaces fail with EOPNOTSUPP', () => {
    const at = fresh()
    setXattr(at, 'trusted.a', '1')
    setXattr(at, 'security.a', '2')
    assert.deepEqual(listXattrs(at), ['security.a', 'trusted.a'])
    for (const name of ['other.a', 'user', 'system.a', 'a']) {
      assert.throws(() => setXattr(at, name, 'x'), { code: 'EOPNOTSUPP' })
      assert.throws(() => getXattr(at, name), { code: 'EOPNOTSUPP' })
    }
  })

  test('symlinks and special files take trusted.* attributes, and no user.*', () => {
    const at = fresh()
    symlinkSync('nowhere', join(at, 'link'))
    makeNode(join(at, 'fifo'), 0o010644)
    for (const path of [join(at, 'link'), join(at, 'fifo')]) {
      assert.throws(() => setXattr(path, 'user.a', 'x'), { code: 'EPERM' })
      setXattr(path, 'trusted.a', 'x')
      assert.equal(getXattr(path, 'trusted.a').toString(), 'x')
    }
  })
}

function testSpecial(fresh: Fresh): void {
  test('FIFOs, sockets and devices keep their kind, mode and device number', () => {
    const at = fresh()
    const kinds = [
      ['fifo', 0o010640, 0],
      ['socket', 0o140600, 0],
      ['null', 0o020666, 0x103],
      ['disk', 0o060660, 0x12345678],
    ] as const
    const before = process.umask(0)
    for (const [name, mode, device] of kinds) makeNode(join(at, name), mode, device)
    process.umask(before)
    for (const [name, mode, device] of kinds) {
      const stat = lstatSync(join(at, name))
      assert.deepEqual([stat.mode, stat.size], [mode, 0], name)
      assert.equal(stat.rdev, device, name)
      assert.throws(() => makeNode(join(at, name), mode, device), { code: 'EEXIST' })
    }
    renameSync(join(at, 'fifo'), join(at, 'moved'))
    linkSync(join(at, 'moved'), join(at, 'second'))
    assert.equal(lstatSync(join(at, 'second')).nlink, 2)
    assert.equal(lstatSync(join(at, 'second')).isFIFO(), true)
  })

  test('a FIFO passes on what is written to it, and stores nothing', () => {
    const at = fresh()
    makeNode(join(at, 'fifo'), 0o010600)
    const script = `cat '${at}/fifo' & echo through > '${at}/fifo'; wait`
    assert.equal(spawnSync('sh', ['-c', script]).stdout.toString(), 'through\n')
    assert.equal(lstatSync(join(at, 'fifo')).size, 0)
  })
}

function testPrivileges(fresh: Fresh): void {
  /** cap_net_raw, as setcap(8) stores it. */
  const capability = Buffer.from('0000000200200000000000000000000000000000', 'hex')

  test('a change to a file removes its capabilities', () => {
    const at = fresh()
    const changes: ((path: string) => void)[] = [
      (path) => writeFileSync(path, 'more', { flag: 'a' }),
      (path) => writeFileSync(path, 'other'),
      (path) => truncateSync(path, 1),
      (path) => chownSync(path, 1, 1),
    ]
    changes.forEach((change, index) => {
      const path = join(at, `file${index}`)
      writeFileSync(path, 'content')
      setXattr(path, 'security.capability', capability)
      assert.equal(readFileSync(path, 'utf8'), 'content')
      assert.equal(getXattr(path, 'security.capability').length, capability.length)
      change(path)
      assert.throws(() => getXattr(path, 'security.capability'), { code: 'ENODATA' })
    })
  })

  test('trusted.* attributes are for root only', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'x', { mode: 0o666 })
    chmodSync(file, 0o666)
    setXattr(file, 'trusted.a', 'x')
    setXattr(file, 'user.a', 'x')
    assert.deepEqual(listXattrs(file), ['trusted.a', 'user.a'])
    as(STRANGER, () => {
      assert.deepEqual(listXattrs(file), ['user.a'])
      assert.throws(() => getXattr(file, 'trusted.a'), { code: 'ENODATA' })
      assert.throws(() => setXattr(file, 'trusted.a', 'y'), { code: 'EPERM' })
      assert.equal(getXattr(file, 'user.a').toString(), 'x')
      setXattr(file, 'user.a', 'y')
    })
    chmodSync(file, 0o644)
    as(STRANGER, () => assert.throws(() => setXattr(file, 'user.a', 'z'), { code: 'EACCES' }))
  })
}

/** Until the clock shows more than this, and what a mount takes for one moment is over. */
async function past(timeNs: bigint): Promise<void> {
  while (BigInt(Date.now()) * 1_000_000n <= timeNs + 50_000_000n) await new Promise(setImmediate)
}
