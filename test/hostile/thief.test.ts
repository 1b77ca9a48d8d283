// A thief who has the disk of a protected home, but not its secret, reads nothing of it: no name,
// no content, no key.
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadHome } from '../../node/home.ts'
import { unlock, readLock } from '../../node/world/home-key.ts'
import { toHex } from '../../protocol/bytes.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const SECRET = 'correct horse battery staple'
/** Data that the owner would not have anybody read. */
const MARKS = {
  folder: 'medical-records',
  file: 'diagnosis.txt',
  'long name': `letters-${'of-somebody-'.repeat(14)}`,
  'small content': 'the patient is not well',
  'large content': 'AND SO ON AND SO FORTH '.repeat(8),
  attribute: 'user.doctor',
  tier: 'attic-of-mine',
} as const

let cluster: TestCluster
let node: TestNode
/** Its home when nothing ran in it, before it was protected, and after. */
let plain: string
let sealed: string

before(async () => {
  cluster = await TestCluster.start(1)
  ;[node] = cluster.nodes as [TestNode]
  plain = join(cluster.folder, 'plain')
  sealed = join(cluster.folder, 'sealed')
})
after(() => cluster[Symbol.asyncDispose]())

/** The marks found in the bytes of a folder, and in which file. */
async function findIn(
  folder: string,
  marks: Readonly<Record<string, Uint8Array>>,
): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path)
    for (const [what, mark] of Object.entries(marks))
      if (bytes.includes(Buffer.from(mark)) || path.includes(Buffer.from(mark).toString()))
        found.push(`${what} in ${path}`)
  }
  return found
}

async function fill(node: TestNode): Promise<void> {
  const from = join(node.folder, MARKS.folder)
  await mkdir(from)
  await writeFile(join(from, MARKS.file), MARKS['small content'])
  await writeFile(join(from, MARKS['long name']), '')
  await writeFile(join(from, 'large'), MARKS['large content'].repeat(20_000))
  await node.shoal('put', from, '/')
  await node.shoal('rm', `/${MARKS.folder}/${MARKS['long name']}`)
  await node.shoal('put', join(from, MARKS['long name']), `/${MARKS.folder}/`)
  const tier = await mkdtemp(join(tmpdir(), 'tier-'))
  await node.shoal('cold', 'add', MARKS.tier, `dir:${tier}`)
}

test('a thief of a protected home finds neither names nor contents nor keys', async () => {
  await fill(node)
  // All keys that the node has.
  const member = await HostileMember.of(node)
  const secrets = member.volume.membership.allSecrets().map(([, secret]) => secret)
  const { seed } = member.identity
  await member[Symbol.asyncDispose]()
  const marks: Record<string, Uint8Array> = { seed, 'seed as text': Buffer.from(toHex(seed)) }
  for (const [n, secret] of secrets.entries()) marks[`secret ${n}`] = secret
  for (const [what, mark] of Object.entries(MARKS))
    if (what !== 'attribute') marks[what] = Buffer.from(mark)
  const before = await findIn(node.home, marks)
  for (const what of ['folder', 'file', 'small content', 'tier', 'seed as text'])
    assert.ok(
      before.some((place) => place.startsWith(`${what} in`)),
      `${what} is there before`,
    )

  const file = join(cluster.folder, 'passphrase')
  await writeFile(file, `${SECRET}\n`, { mode: 0o600 })
  await cp(node.home, plain, { recursive: true })
  await node.shoal('key', 'protect', '--passphrase-file', file)
  await cp(node.home, sealed, { recursive: true })
  assert.deepEqual(await findIn(node.home, marks), [])
  assert.match(await node.shoal('key', 'status'), /protected by a passphrase/)

  // It runs on, and what it writes is sealed, too.
  process.env['SHOAL_PASSPHRASE_FILE'] = file
  try {
    await node.start()
    assert.equal(await node.shoal('cat', `/${MARKS.folder}/${MARKS.file}`), MARKS['small content'])
    const listed = await node.shoal('ls', `/${MARKS.folder}`)
    for (const name of [MARKS.file, MARKS['long name'], 'large']) assert.ok(listed.includes(name))
    await node.shoal('mkdir', '/written-while-protected')
    await node.invite()
    await node.kill('SIGKILL')
    marks['later name'] = Buffer.from('written-while-protected')
    assert.deepEqual(await findIn(node.home, marks), [])
    await node.start()
    assert.match(await node.shoal('ls', '/'), /written-while-protected/)
    assert.match(await node.shoal('events', '--security'), /ticket-made/)
    assert.equal((await node.run('events', '--check')).code, 0)
    await node.kill('SIGTERM')
  } finally {
    delete process.env['SHOAL_PASSPHRASE_FILE']
  }
  const { code, stderr } = await node.run('up')
  assert.deepEqual(
    [code, /is protected: provide --passphrase-file/.test(stderr)],
    [1, true],
    stderr,
  )
  const wrong = join(cluster.folder, 'wrong')
  await writeFile(wrong, 'a guess that is wrong')
  assert.match(
    (await node.run('up', '--passphrase-file', wrong)).stderr,
    /wrong passphrase for this home/,
  )

  await node.shoal('key', 'unprotect', '--passphrase-file', file)
  await node.start()
  assert.equal(await node.shoal('cat', `/${MARKS.folder}/${MARKS.file}`), MARKS['small content'])
  assert.equal((await node.run('events', '--check')).code, 0)
})

test('wherever protecting breaks off, the home is as it was or protected, and lost never', async () => {
  const { seed } = await loadHome(plain)
  const ask = async (): Promise<Uint8Array> => Buffer.from(SECRET)

  // All is made, and nothing counts yet.
  const [before, after] = [join(cluster.folder, 'before'), join(cluster.folder, 'after')]
  for (const broken of [before, after]) {
    await cp(plain, broken, { recursive: true })
    for (const name of ['identity.key', 'index', 'logs'])
      await cp(join(sealed, name), join(broken, `${name}.sealed`), { recursive: true })
  }
  assert.deepEqual((await loadHome(before)).seed, seed)
  assert.deepEqual(
    (await readdir(before)).filter((name) => name.endsWith('.sealed')),
    [],
  )
  // It counts, and only some of it has taken its place.
  await cp(join(sealed, 'home.key'), join(after, 'home.key'))
  await rm(join(after, 'index'), { recursive: true })
  const { key, seed: opened } = await loadHome(after, ask)
  assert.deepEqual(Buffer.from(opened), Buffer.from(seed))
  assert.ok(key !== undefined)
  assert.deepEqual((await readdir(after)).sort(), (await readdir(sealed)).sort())
  // The same of taking it back.
  const back = join(cluster.folder, 'back')
  await cp(sealed, back, { recursive: true })
  for (const name of ['identity.key', 'index', 'logs'])
    await cp(join(plain, name), join(back, `${name}.plain`), { recursive: true })
  await unlink(join(back, 'home.key'))
  assert.deepEqual((await loadHome(back)).seed, seed)
  const lock = await readLock(sealed)
  assert(lock !== undefined)
  await assert.rejects(unlock(lock, Buffer.from('something else')), { code: 'EACCES' })
})
