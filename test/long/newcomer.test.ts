// README walked as a newcomer would: from an empty HOME and a clone for each machine, with real
// installs, processes, mounts and programs, first on two machines, then on six. After each part,
// what a person would look at.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { S3Server } from '../cold/s3-server.ts'
import { need, needAll } from '../programs/need.ts'
import { Machines, readBlocks, whyNoMount } from '../readme-walk.ts'

needAll(whyNoMount(), S3Server.missing())
need('git', 'rsync', 'python3')

const root = join(import.meta.dirname, '../..')
const blocks = readBlocks(readFileSync(join(root, 'README.md'), 'utf8'))
const TWO = ['anna', 'ben']
const OTHERS = ['cleo', 'dora', 'emil', 'finn']
const SIX = [...TWO, ...OTHERS]
/** The time for what is written to spread, and for a machine that was away to catch up. */
const SETTLED_MS = 4 * 60_000
const ROWS = 1000

const INSERT = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('create table if not exists t (n integer primary key, text)')
with db:
    for n in range(${ROWS}): db.execute('insert into t (text) values (?)', ('row',))
db.close()
`
const COUNT = `
import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
print(*next(db.execute('pragma integrity_check')), *next(db.execute('select count(*) from t')))
`

describe('a newcomer with README', () => {
  const machines = new Machines({ clones: true })
  let s3: S3Server
  const sh = (machine: string, script: string): Promise<string> => machines.shell(machine, script)
  const walk = async (...sections: readonly string[]): Promise<void> => {
    const some = blocks.filter(({ section }) => sections.includes(section))
    assert.ok(some.length > 0, `README has ${sections.join()}`)
    for (const block of some) await machines.run(block)
  }

  before(async () => {
    s3 = await S3Server.start()
    for (const machine of SIX) makeClone(machines.clone(machine))
    const insert = join(machines.folder, 'insert.py')
    writeFileSync(insert, INSERT)
    writeFileSync(join(machines.folder, 'count.py'), COUNT)
  })

  after(async () => {
    await s3.stop()
    await machines.end()
  })

  test('npm start installs, makes a home for its owner only, and says what to do next', async (t) => {
    const startMs = performance.now()
    const [start] = blocks
    assert.equal(start?.script, 'npm start')
    const output = await machines.start('anna', start.script)
    t.diagnostic(`npm start took ${Math.round((performance.now() - startMs) / 1000)} s`)
    assert.match(output, /Mounted at +\S+\/anna\/Shoal \(volume "main", a new folder\)/)
    assert.match(output, /Invite with +npx shoal invite/)
    assert.match(output, /Stop with +Ctrl-C/)
    assert.equal(statSync(join(machines.home('anna'), '.shoal')).mode & 0o077, 0)
    assert.match(await sh('anna', 'npx shoal status'), /^main +admin +\S+ +empty/m)
    // What npm has fetched for one machine serves the others.
    for (const other of SIX.slice(1)) {
      const modules = join(machines.clone(other), 'node_modules')
      const installed = join(machines.clone('anna'), 'node_modules')
      execFileSync('cp', ['--archive', '--link', installed, modules])
    }
  })

  test('two machines share a tree, a strong volume, and what each of them did', async () => {
    await walk('Two machines, five minutes')
    for (const machine of TWO) {
      const status = await sh(machine, 'npx shoal status')
      assert.doesNotMatch(status, /conflict/)
      assert.match(status, /^jobs +\w+/m)
      assert.match(status, /^main +\w+/m)
    }
    const both = await Promise.allSettled(TWO.map((who) => sh(who, 'npx shoal mkdir jobs:/once')))
    assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1, 'one makes it')
    const info = await sh('anna', 'npx shoal volume info main')
    assert.match(info, /^History +who did what is dropped at each checkpoint/m)
    assert.match(await sh('ben', 'npx shoal log /notes/hello.txt'), /vm|hello/)
  })

  test('rsync, git and sqlite work on one, and the other sees all of it', async () => {
    const project = join(machines.home('anna'), 'project')
    mkdirSync(project)
    await sh('anna', `rsync -a "${root}/docs" "${root}/protocol" ~/project/`)
    await sh('anna', GIT_PROJECT)
    await sh('anna', 'rsync -a ~/project/docs ~/project/protocol ~/Shoal/desk/')
    await sh('anna', 'git clone -q --no-local ~/project ~/Shoal/clone')
    await sh('anna', `python3 ${machines.folder}/insert.py ~/Shoal/desk/data.db`)
    await settled(TWO, 2)
    await allThere(TWO)
    await sh(
      'ben',
      `git -C ~/Shoal/clone -c user.name=ben -c user.email=b commit -q --allow-empty -m 2`,
    )
    await sh('ben', `python3 ${machines.folder}/insert.py ~/Shoal/desk/data.db`)
    await settled(TWO, 2)
    assert.equal(await sh('anna', 'git -C ~/Shoal/clone log --format=%s'), '2\n1\n')
    assert.equal(await databaseOf('anna'), `ok ${2 * ROWS}\n`)
  })

  test('with one of two off the other has everything, and says who is missing', async () => {
    await machines.stop('ben')
    await allThere(['anna'])
    await assert.rejects(sh('anna', 'npx shoal mkdir jobs:/alone'), /vm/)
    await sh('anna', 'echo later > ~/Shoal/notes/later.txt')
    await machines.until(async () => {
      const status = await sh('anna', 'npx shoal status')
      assert.match(status, /not yet everywhere: \S+ has not confirmed the latest changes/)
      assert.match(status, /on 1 of 2 nodes/)
    })
    await machines.start('ben')
    await settled(TWO, 2)
    assert.equal(await sh('ben', 'cat ~/Shoal/notes/later.txt'), 'later\n')
  })

  test('six machines lose any two by the plug, and read every byte', async (t) => {
    await walk('Six machines, any two may be lost')
    await settled(SIX, 6)
    const status = await sh('anna', 'npx shoal status')
    t.diagnostic(status)
    assert.match(status, /any 2 peers may be lost/)
    assert.match(status, /holds: [\d,]+ files, .*; names and small files on 6 of 6 nodes/)
    await machines.kill('cleo')
    await machines.kill('emil')
    const left = SIX.filter((machine) => machine !== 'cleo' && machine !== 'emil')
    await allThere(left)
    await machines.until(async () => {
      const { peers } = await machines.status('anna')
      assert.equal(peers.filter(({ isConnected }) => isConnected).length, 3)
    })
    await sh('finn', 'echo meanwhile > ~/Shoal/notes/meanwhile.txt')
    for (const machine of ['cleo', 'emil']) {
      assert.match(await machines.start(machine), /Mounted at/)
    }
    await settled(SIX, 6)
    await allThere(SIX)
    assert.equal(await sh('cleo', 'cat ~/Shoal/notes/meanwhile.txt'), 'meanwhile\n')
  })

  test('a folder as a cold tier, and exchange with IPFS, are as README says', async () => {
    await walk('Data that nobody reads', 'To IPFS and back')
  })

  test('a bucket needs its key once, in the shell where it is added', async () => {
    const bucket = await s3.makeBucket()
    const { accessKeyId, secretAccessKey } = s3.key
    const key = `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`
    const place = `s3://${bucket}/shoal --endpoint ${s3.endpoint}`
    await assert.rejects(sh('anna', `npx shoal cold add bucket ${place}`), /--credentials FILE/)
    await sh('anna', `${key} npx shoal cold add bucket ${place}`)
    await machines.stop('anna')
    await machines.start('anna')
    await sh('anna', 'npx shoal cold push /desk --tier bucket')
    const tiers = await sh('anna', 'npx shoal cold ls; npx shoal --json cold ls')
    assert.match(tiers, /bucket .* ok$/m)
    for (const secret of [accessKeyId, secretAccessKey]) assert.ok(!tiers.includes(secret))
    assert.match(await sh('anna', 'npx shoal cold verify bucket'), /bucket/)
  })

  test('Ctrl-C ends each of them well, and no mount is left', async () => {
    await machines.stopAll()
  })

  /** All have confirmed what there is, nothing waits, and status counts what find(1) finds. */
  async function settled(some: readonly string[], nodes: number): Promise<void> {
    await Promise.all(
      some.map((machine) =>
        machines.until(async () => {
          const { volumes } = await machines.status(machine)
          const main = volumes.find(({ name }) => name === 'main')
          assert.ok(main !== undefined)
          const { unplacedBytes, logCopies, stripes, files, bytes, tolerates, upkeep } = main
          assert.deepEqual([unplacedBytes, logCopies], [0, { nodes, behind: [] }], machine)
          assert.deepEqual([tolerates, upkeep.outdated], [nodes === 2 ? 1 : 2, 0], machine)
          assert.deepEqual([stripes.degraded, stripes.atRisk, stripes.lost], [0, 0, 0], machine)
          const sizes = (await sh(machine, 'find ~/Shoal -type f -printf "%s\\n"'))
            .trim()
            .split('\n')
          const sum = sizes.reduce((total, size) => total + Number(size), 0)
          assert.deepEqual([files, bytes], [sizes.length, sum], machine)
        }, SETTLED_MS),
      ),
    )
  }

  /** On each of these, all that the programs have written, byte by byte. */
  async function allThere(some: readonly string[]): Promise<void> {
    const project = join(machines.home('anna'), 'project')
    for (const machine of some) {
      for (const folder of ['docs', 'protocol']) {
        const there = `${project}/${folder}/ ~/Shoal/desk/${folder}/`
        const differs = await sh(machine, `rsync -r -l -c -n -i --delete ${there}`)
        assert.equal(differs, '', machine)
      }
      await sh(machine, 'git -C ~/Shoal/clone fsck --strict --no-progress')
      assert.match(await databaseOf(machine), /^ok \d+\n$/)
      assert.equal(await sh(machine, 'cat ~/Shoal/notes/hello.txt'), 'hello from anna\n')
    }
  }

  function databaseOf(machine: string): Promise<string> {
    return sh(machine, `python3 ${machines.folder}/count.py ~/Shoal/desk/data.db`)
  }
})

const GIT_PROJECT = `cd ~/project
git init -q
git add .
git -c user.name=anna -c user.email=a commit -q -m 1`

/** A clone with what is changed here and not yet committed. */
function makeClone(folder: string): void {
  mkdirSync(folder)
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const files = execFileSync('git', list, { cwd: root, maxBuffer: 2 ** 24 })
  const options = ['--archive', '--from0', '--files-from=-']
  execFileSync('rsync', [...options, `${root}/`, `${folder}/`], { input: files })
}
