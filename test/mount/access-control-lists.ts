// The rules of acl(5), case by case, and inheritance from a folder. In folders of any file system
// that has it.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ACCESS, DEFAULT, aclOf, aclText } from './acl.ts'
import { STRANGER, as, modeOf, readBy } from './someone.ts'
import { getXattr, listXattrs, makeNode, removeXattr, setXattr } from './system-calls.ts'

/** A new folder, of root and readable by all. */
export type Fresh = () => string

export function testAccessControlLists(fresh: Fresh): void {
  testAccess(fresh)
  testInheritance(fresh)
}

function testAccess(fresh: Fresh): void {
  test('setting an ACL changes the mode, and chmod changes the ACL', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'x', { mode: 0o640 })
    assert.throws(() => getXattr(file, ACCESS), { code: 'ENODATA' })
    setXattr(file, ACCESS, aclOf('u:rwx user:12345:rw- g:r-- m:rw- o:--x'))
    assert.equal(modeOf(file), 0o761)
    assert.deepEqual(listXattrs(file), [ACCESS])
    chmodSync(file, 0o4604)
    assert.equal(modeOf(file), 0o4604)
    assert.equal(aclText(getXattr(file, ACCESS)), 'u:rw- user:12345:rw- g:r-- m:--- o:r--')
    chmodSync(file, 0o670)
    assert.equal(aclText(getXattr(file, ACCESS)), 'u:rw- user:12345:rw- g:r-- m:rwx o:---')
  })

  test('an ACL that is equivalent to a mode is stored as the mode', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'x', { mode: 0o600 })
    setXattr(file, ACCESS, aclOf('u:rw- g:r-x o:--x'))
    assert.equal(modeOf(file), 0o651)
    assert.deepEqual(listXattrs(file), [])
    setXattr(file, ACCESS, aclOf('u:rw- user:12345:r-- g:r-x m:r-x o:---'))
    setXattr(file, ACCESS, aclOf('u:rwx g:--- o:---'))
    assert.equal(modeOf(file), 0o700)
    assert.deepEqual(listXattrs(file), [])
    setXattr(file, ACCESS, aclOf('u:rw- user:12345:r-- g:r-x m:r-x o:---'))
    removeXattr(file, ACCESS)
    assert.equal(modeOf(file), 0o650)
    assert.deepEqual(listXattrs(file), [])
    removeXattr(file, ACCESS)
  })

  test('an invalid ACL is refused, and so is a default ACL on a file', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'x')
    assert.throws(() => setXattr(file, ACCESS, 'nonsense'), { code: 'EOPNOTSUPP' })
    assert.throws(() => setXattr(file, ACCESS, aclOf('u:rwx user:1:rwx g:rwx o:rwx')), {
      code: 'EINVAL',
    })
    assert.throws(() => setXattr(file, DEFAULT, aclOf('u:rwx g:rwx o:rwx')), { code: 'EACCES' })
  })

  test('an ACL grants access to those it names and nobody else, once it is set', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'secret', { mode: 0o600 })
    assert.equal(readBy(STRANGER, file), undefined)
    setXattr(file, ACCESS, aclOf('u:rw- user:12345:r-- g:--- m:r-- o:---'))
    assert.equal(readBy(STRANGER, file), 'secret')
    assert.equal(readBy({ uid: 12_346, gid: 12_345 }, file), undefined)
    chmodSync(file, 0o600)
    assert.equal(readBy(STRANGER, file), undefined)
    chmodSync(file, 0o640)
    assert.equal(readBy(STRANGER, file), 'secret')
    setXattr(file, ACCESS, aclOf('u:rw- g:--- group:12345:r-- m:r-- o:---'))
    assert.equal(readBy({ uid: 12_346, gid: 12_345 }, file), 'secret')
    removeXattr(file, ACCESS)
    assert.equal(readBy(STRANGER, file), undefined)
  })

  test('setting an ACL clears set-gid for a caller outside the group', () => {
    const at = fresh()
    const file = join(at, 'file')
    writeFileSync(file, 'x')
    chownSync(file, STRANGER.uid, 0)
    chmodSync(file, 0o2755)
    setXattr(file, ACCESS, aclOf('u:rwx g:r-x o:r-x'))
    assert.equal(modeOf(file), 0o2755)
    as(STRANGER, () => setXattr(file, ACCESS, aclOf('u:rwx user:1:r-- g:r-x m:r-x o:r-x')))
    assert.equal(modeOf(file), 0o755)
  })
}

function testInheritance(fresh: Fresh): void {
  const inherited = 'u:rwx user:12345:rwx g:r-x m:rwx o:r--'

  test('a new file inherits the default ACL of its folder in place of the umask', () => {
    const at = fresh()
    setXattr(at, DEFAULT, aclOf(inherited))
    const before = process.umask(0o077)
    try {
      writeFileSync(join(at, 'file'), 'x', { mode: 0o666 })
      mkdirSync(join(at, 'dir'), { mode: 0o777 })
      makeNode(join(at, 'fifo'), 0o010660)
      makeNode(join(at, 'node'), 0o100600)
      symlinkSync('nowhere', join(at, 'link'))
    } finally {
      process.umask(before)
    }
    assert.equal(modeOf(join(at, 'file')), 0o664)
    const ofFile = 'u:rw- user:12345:rwx g:r-x m:rw- o:r--'
    assert.equal(aclText(getXattr(join(at, 'file'), ACCESS)), ofFile)
    assert.deepEqual(listXattrs(join(at, 'file')), [ACCESS])
    assert.equal(modeOf(join(at, 'dir')), 0o774)
    assert.equal(aclText(getXattr(join(at, 'dir'), ACCESS)), inherited)
    assert.equal(aclText(getXattr(join(at, 'dir'), DEFAULT)), inherited)
    assert.equal(modeOf(join(at, 'fifo')), 0o660)
    assert.equal(modeOf(join(at, 'node')), 0o600)
    const ofNode = 'u:rw- user:12345:rwx g:r-x m:--- o:---'
    assert.equal(aclText(getXattr(join(at, 'node'), ACCESS)), ofNode)
    assert.deepEqual(listXattrs(join(at, 'link')), [])
  })

  test('a default ACL that is equivalent to a mode gives new files that mode', () => {
    const at = fresh()
    setXattr(at, DEFAULT, aclOf('u:rwx g:r-x o:---'))
    writeFileSync(join(at, 'file'), 'x', { mode: 0o666 })
    mkdirSync(join(at, 'dir'))
    assert.equal(modeOf(join(at, 'file')), 0o640)
    assert.deepEqual(listXattrs(join(at, 'file')), [])
    assert.equal(modeOf(join(at, 'dir')), 0o750)
    assert.deepEqual(listXattrs(join(at, 'dir')), [DEFAULT])
  })

  test('without a default ACL the umask applies', () => {
    const at = fresh()
    const before = process.umask(0o027)
    try {
      writeFileSync(join(at, 'file'), 'x', { mode: 0o666 })
      mkdirSync(join(at, 'dir'), { mode: 0o777 })
      makeNode(join(at, 'fifo'), 0o010666)
    } finally {
      process.umask(before)
    }
    assert.deepEqual(
      ['file', 'dir', 'fifo'].map((name) => modeOf(join(at, name))),
      [0o640, 0o750, 0o640],
    )
  })

  test('a set-gid folder passes on its group, and set-gid to new folders', () => {
    const at = fresh()
    chownSync(at, 0, 4321)
    chmodSync(at, 0o2775)
    writeFileSync(join(at, 'file'), 'x')
    mkdirSync(join(at, 'dir'))
    symlinkSync('nowhere', join(at, 'link'))
    for (const name of ['file', 'dir', 'link']) assert.equal(lstatSync(join(at, name)).gid, 4321)
    assert.equal(modeOf(join(at, 'dir')) & 0o7000, 0o2000)
    assert.equal(modeOf(join(at, 'file')) & 0o7000, 0)
  })
}
