// A member whose names, links, settings and pins are made for whoever looks at them or gets them:
// what a terminal obeys, lines that look like others, ways out of the folder that is written to.
// The victim uses the command as people do, on a terminal.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { HIDDEN_CHARS } from '../../protocol/hidden-chars.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { SpecialFile, TreeOp } from '../../protocol/op/op.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { TestNode } from '../cluster/cluster.ts'

const SHOAL = fileURLToPath(new URL('../../cli/shoal.mjs', import.meta.url))
/**
 * Sets the title of a terminal, rings, begins a command in one character of C1, turns text around,
 * begins a line.
 */
const EVIL = '\u001b]0;owned\u0007\u009b2J\u202efdp\u2066\u007f\nFORGED line'
/** util-linux makes a terminal; its options are others elsewhere. */
const noTerminal = spawnSync('script', ['--version']).stdout?.includes('util-linux')
  ? false
  : 'no script(1)'

let cluster: TestCluster
let victim: TestNode
let mallory: HostileMember
let ids = 0

before(async () => {
  cluster = await TestCluster.start(1)
  ;[victim] = cluster.nodes as [TestNode]
  await victim.shoal('mkdir', '/empty')
  mallory = await HostileMember.join(victim, { role: 'admin' })
})
after(async () => {
  await mallory[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

test(
  'nothing that a member names, says or sets does anything to the terminal of another',
  { skip: noTerminal },
  async () => {
    const { peer } = mallory.identity
    const evil = folder('evil')
    await say([
      evil,
      ...file(evil.id, EVIL, { content: 'x' }),
      ...file(evil.id, `link${EVIL}`, { target: EVIL }),
      ...file(evil.id, `pipe${EVIL}`, { special: { kind: 'fifo', rdev: 0 } }),
    ])
    await say([{ kind: 'pin', id: evil.id, class: EVIL.slice(0, 16) }])
    const info = { kind: 'member-info', peer, name: EVIL, zone: EVIL, capacityBytes: 1 } as const
    await mallory.write([victim], [info])
    const policy = { kind: 'policy', key: 'cold-tier', value: EVIL } as const
    await mallory.write([victim], [policy], { sealed: true, governs: true })
    await eventually('the victim knows it by that name', async () =>
      (await victim.status()).peers.some((one) => one.name === EVIL && one.zone === EVIL),
    )

    const shown = await onTerminal(
      ['ls', '--long', '/evil'],
      ['status'],
      ['peer', 'info', EVIL],
      ['volume', 'info', 'main'],
      ['log', '--verbose', '--all'],
      ['pin', 'ls'],
      ['events', '--security'],
      ['get', '/evil', join(victim.folder, 'shown')],
      ['export', '/evil', join(victim.folder, 'shown.car')],
      ['--json', 'log', '--all'],
    )
    for (const bad of ['\u001b]', '\u0007', '\u009b', '\u202e', '\u2066', '\u007f'])
      assert.ok(!shown.includes(bad), `${JSON.stringify(bad)} came in ${JSON.stringify(shown)}`)
    assert.doesNotMatch(shown, /^FORGED/m)
    assert.match(shown, /\\x1b\]0;owned\\x07\\xc2\\x9b2J\\xe2\\x80\\xaefdp.*\\x0aFORGED line/)

    const json = await victim.shoal('--json', 'ls', '/evil')
    assert.doesNotMatch(json.trimEnd(), HIDDEN_CHARS)
    const names = (JSON.parse(json) as FileStat[]).map((each) => each.name)
    assert.ok(names.includes(EVIL), 'what a program reads is exact')
    assert.doesNotMatch(
      await readFile(join(victim.home, 'logs', 'node.log'), 'utf8'),
      /[^\n\P{Cc}]/u,
    )
  },
)

test('what is got stays in the folder that it is got into', async () => {
  const outside = join(victim.folder, 'outside')
  await mkdir(outside)
  const tree = folder('tree')
  await say([
    tree,
    ...file(tree.id, 'dir', { target: outside }),
    ...file(tree.id, 'file', { target: join(outside, 'file') }),
    ...file(tree.id, 'up', { target: '../../outside' }),
    ...file(tree.id, 'disk', { special: { kind: 'block-device', rdev: 0x800 } }),
    ...file(tree.id, 'x'.repeat(255), { content: 'x' }),
    ...file(tree.id, 'good', { content: 'good' }),
  ])
  const got = join(victim.folder, 'got')
  const get = (): Promise<{ readonly stderr: string }> =>
    victim.run('get', '--preserve', '/tree', got)
  assert.match((await get()).stderr, /disk is a block device/)
  assert.equal(await readFile(join(got, 'good'), 'utf8'), 'good')
  assert.ok((await lstat(join(got, 'dir'))).isSymbolicLink())
  await assert.rejects(lstat(join(got, 'disk')), { code: 'ENOENT' })

  // What was a link is a folder with a file in it now, and what was a link to a file a file.
  const unlinked = ['dir', 'file'].map((name) => victim.shoal('rm', `/tree/${name}`))
  await Promise.all(unlinked)
  const local = join(victim.folder, 'dir')
  await mkdir(local)
  await writeFile(join(local, 'owned'), 'owned')
  await writeFile(join(victim.folder, 'file'), 'owned')
  await victim.shoal('put', local, join(victim.folder, 'file'), '/tree/')
  assert.match((await get()).stderr, /dir/)
  assert.equal(await readFile(join(got, 'file'), 'utf8'), 'owned')
  assert.deepEqual(await readdir(outside), [])

  // The same, where somebody else on this machine put the link there.
  const planted = join(victim.folder, 'planted')
  await mkdir(planted)
  await symlink(outside, join(planted, 'dir'))
  await symlink(join(outside, 'file'), join(planted, 'file'))
  await victim.run('get', '/tree', planted)
  assert.ok(!(await lstat(join(planted, 'file'))).isSymbolicLink())
  assert.deepEqual(await readdir(outside), [])
})

test('names that lead elsewhere are no names', async () => {
  for (const bad of ['..', '.', '', 'a/b', '/etc/passwd', 'a\0b', 'x'.repeat(256)])
    await mallory.give(victim, [mallory.entry(file(ROOT, bad as Name, {}), { sealed: true })])
  const names = (await victim.json<FileStat[]>('ls', '/')).map(({ name }) => name)
  assert.deepEqual(names, ['empty', 'evil', 'tree'])
})

/** Say it to the victim. */
async function say(ops: readonly TreeOp[]): Promise<void> {
  await mallory.write([victim], ops, { sealed: true })
}

function folder(text: string): TreeOp & { readonly kind: 'mkdir' } {
  const name = nameFromText(text)
  const id = freshDirId(mallory.volume.view, ROOT, name)
  return { kind: 'mkdir', id, parent: ROOT, name, attributes: {} }
}

function file(
  parent: NodeId,
  name: string | Name,
  { content, target, special }: { content?: string; target?: string; special?: SpecialFile },
): readonly TreeOp[] {
  const inode = (++ids).toString(16).padStart(32, '0') as NodeId
  const made: TreeOp = {
    kind: 'create',
    inode,
    link: inode,
    parent,
    name: toByteString(utf8(name)) as Name,
    attributes: { mode: 0o644 },
    target: target === undefined ? undefined : utf8(target),
    ...(special !== undefined && { special }),
  }
  if (content === undefined) return [made]
  const bytes = utf8(content)
  const version = { base: [], size: bytes.length, content: { kind: 'inline', bytes } } as const
  return [made, { kind: 'version', inode, ...version, modifiedNs: 0n, touch: [] }]
}

/** The output of these commands on a terminal. */
async function onTerminal(...commands: readonly (readonly string[])[]): Promise<string> {
  const lines = commands.map((words) =>
    [process.execPath, SHOAL, '--home', victim.home, ...words].map((word) => `'${word}'`).join(' '),
  )
  const path = join(victim.folder, 'commands')
  await writeFile(path, lines.join('\n'))
  const child = spawn('script', ['-qec', `sh ${path} || true`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [shown] = await Promise.all([text(child.stdout), once(child, 'close')])
  return shown
}
