// Extended attributes, access control lists and special files: on the mount of a real node, and the
// same cases on the file system of the temporary folder, to try the cases themselves; then what a
// second node sees of them.
import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import { ACCESS, DEFAULT, aclOf, aclText } from './acl.ts'
import { testExtendedAttributes } from './extended-attributes.ts'
import { skip, until } from './mounted.ts'
import { STRANGER, readBy } from './someone.ts'
import { getXattr, listXattrs, makeNode, removeXattr, setXattr } from './system-calls.ts'

const skipLocal = skip === false ? lackOf(tmpdir()) : skip

describe('extended attributes on a mount and elsewhere', { skip, timeout: 120_000 }, () => {
  let cluster: TestCluster | undefined
  let [here, there, local] = ['', '', '']
  before(async () => {
    cluster = await TestCluster.start(2)
    for (const node of cluster.nodes) {
      await node.shoal('mount', '--allow-other', node.mountFolder)
      for (const above of [join(node.folder, '..'), node.folder]) await chmod(above, 0o755)
    }
    ;[here = '', there = ''] = cluster.nodes.map((node) => node.mountFolder)
    local = await mkdtemp(join(tmpdir(), 'shoal-xattr-'))
    await chmod(local, 0o755)
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await rm(local, { recursive: true, force: true })
  })

  testExtendedAttributes('a mount', () => here, { maxBytes: 65_536 })
  describe('on another file system', { skip: skipLocal }, () =>
    testExtendedAttributes('the temporary folder', () => local, { maxBytes: 3000 }),
  )

  test('a file has at most 128 extended attributes', () => {
    const file = join(here, 'many')
    writeFileSync(file, '')
    for (let i = 0; i < 128; i++) setXattr(file, `user.${i}`, 'x')
    assert.throws(() => setXattr(file, 'user.128', 'x'), { code: 'ENOSPC' })
    setXattr(file, 'user.127', 'y')
    assert.equal(listXattrs(file).length, 128)
    removeXattr(file, 'user.0')
    setXattr(file, 'user.128', 'x')
  })

  const asLocal = 'random ACLs and modes give the same on a mount as in the temporary folder'
  test(asLocal, { skip: skipLocal }, () => {
    const random = numbers(5)
    const folders = [here, local].map((folder) => {
      const made = mkdtempSync(join(folder, 'acl-'))
      chmodSync(made, 0o755)
      return made
    })
    for (let step = 0; step < 150; step++) {
      const change = anyChange(random)
      for (const folder of folders) change(folder)
      const [mounted, expected] = folders.map(picture)
      assert.deepEqual(mounted, expected, `step ${step}`)
    }
  })

  test('a change on one node shows on another whose kernel had cached the old value', async () => {
    const [file, seen] = [here, there].map((folder) => join(folder, 'shared'))
    assert.ok(file !== undefined && seen !== undefined)
    writeFileSync(file, 'secret', { mode: 0o600 })
    await until(() => readdirSync(there).includes('shared'))
    await until(() => lstatSync(seen).size === 6)
    assert.deepEqual(listXattrs(seen), [])
    assert.equal(readBy(STRANGER, seen), undefined)
    const { ctimeMs } = lstatSync(seen)

    setXattr(file, 'user.color', 'red')
    await until(() => listXattrs(seen).includes('user.color'))
    assert.equal(getXattr(seen, 'user.color').toString(), 'red')
    await until(() => lstatSync(seen).ctimeMs > ctimeMs)
    setXattr(file, ACCESS, aclOf('u:rw- user:12345:r-- g:--- m:r-- o:---'))
    await until(() => readBy(STRANGER, seen) === 'secret')
    assert.equal(lstatSync(seen).mode & 0o777, 0o640)
    chmodSync(seen, 0o600)
    await until(() => readBy(STRANGER, file) === undefined)
    removeXattr(seen, 'user.color')
    await until(() => !listXattrs(file).includes('user.color'))
  })

  test('special files and default ACLs of one node show on the other', async () => {
    const folder = join(here, 'folder')
    mkdirSync(folder)
    setXattr(folder, DEFAULT, aclOf('u:rwx user:12345:rwx g:r-x m:rwx o:---'))
    makeNode(join(folder, 'fifo'), 0o010644)
    makeNode(join(folder, 'null'), 0o020644, 0x103)
    const seen = join(there, 'folder')
    await until(() => readdirSync(there).includes('folder') && readdirSync(seen).length === 2)
    assert.ok(lstatSync(join(seen, 'fifo')).isFIFO())
    const { rdev, mode } = lstatSync(join(seen, 'null'))
    assert.deepEqual([rdev, mode], [0x103, 0o020640])
    writeFileSync(join(seen, 'file'), 'x', { mode: 0o666 })
    assert.equal(
      aclText(getXattr(join(seen, 'file'), ACCESS)),
      'u:rw- user:12345:rwx g:r-x m:rw- o:---',
    )
  })
})

/** The tested feature that a file system lacks, or false. */
function lackOf(parent: string): string | false {
  const folder = mkdtempSync(join(parent, 'shoal-xattr-'))
  try {
    for (const name of ['user.a', 'trusted.a', 'security.a']) setXattr(folder, name, 'x')
    setXattr(folder, ACCESS, aclOf('u:rwx user:1:r-x g:r-x m:r-x o:r-x'))
    makeNode(join(folder, 'null'), 0o020600, 0x103)
    return false
  } catch (error) {
    return `${parent} has not all that is tested: ${String(error)}`
  } finally {
    rmSync(folder, { recursive: true })
  }
}

type Change = (folder: string) => void

/** One of a few names is made, or given a mode or a list. */
function anyChange(random: (max: number) => number): Change {
  // To write to a fifo is to wait for a reader.
  const name = `n${random(4)}`
  const mode = random(0o10000)
  const acl = aclOf(anyAcl(random))
  const at = (folder: string): string => join(folder, name)
  const changes: readonly Change[] = [
    (folder) => writeFileSync(at(folder), 'x', { mode: mode & 0o777 }),
    (folder) => mkdirSync(at(folder), { mode: mode & 0o777 }),
    (folder) => makeNode(join(folder, 'fifo'), 0o010000 | (mode & 0o777)),
    (folder) => setXattr(join(folder, 'fifo'), ACCESS, acl),
    (folder) => chmodSync(at(folder), mode),
    (folder) => setXattr(at(folder), ACCESS, acl),
    (folder) => setXattr(folder, DEFAULT, acl),
    (folder) => removeXattr(folder, DEFAULT),
    (folder) => removeXattr(at(folder), ACCESS),
  ]
  const change = changes[random(changes.length)]
  return (folder) => {
    try {
      change?.(folder)
    } catch {
      // What one of the folders refuses and the other does not shows in the picture.
    }
  }
}

function anyAcl(random: (max: number) => number): string {
  const bits = (): string => ['---', 'r--', 'rw-', 'r-x', 'rwx', '--x'][random(6)] ?? ''
  const isLong = random(3) > 0
  const named = isLong ? [`user:12345:${bits()}`] : []
  const groups = isLong && random(2) > 0 ? [`group:12345:${bits()}`] : []
  const mask = isLong ? [`m:${bits()}`] : []
  return [`u:${bits()}`, ...named, `g:${bits()}`, ...groups, ...mask, `o:${bits()}`].join(' ')
}

/** Names with modes and lists. */
function picture(folder: string): readonly string[] {
  const listed = (path: string, name: string): string =>
    listXattrs(path).includes(name) ? aclText(getXattr(path, name)) : '-'
  return [
    listed(folder, DEFAULT),
    ...readdirSync(folder)
      .toSorted()
      .map((name) => {
        const path = join(folder, name)
        const mode = lstatSync(path).mode.toString(8)
        return `${name} ${mode} ${listed(path, ACCESS)} ${listed(path, DEFAULT)}`
      }),
  ]
}

/** Numerical Recipes' linear congruential generator. returns numbers below `max`. */
function numbers(seed: number): (max: number) => number {
  let state = seed
  return (max) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % max
  }
}
