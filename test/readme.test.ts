// README's commands do what README says, its links lead somewhere, and what it names is there.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { Machines, readBlocks, whyNoMount } from './readme-walk.ts'

const root = join(import.meta.dirname, '..')
const blocks = readBlocks(readFileSync(join(root, 'README.md'), 'utf8'))

describe('README', () => {
  test('every npm script that it names is there', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const text = readFileSync(join(root, 'README.md'), 'utf8')
    const named = [...text.matchAll(/\bnpm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? '')
    assert.deepEqual(
      named.filter((name) => !(name in scripts)),
      [],
    )
  })

  test('every link to a file, here and in docs, leads somewhere', () => {
    const documents = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
    const broken = documents.flatMap((document) =>
      [...readFileSync(join(root, document), 'utf8').matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
        .map(([, target]) => join(dirname(document), target ?? ''))
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${document}: ${target}`),
    )
    assert.deepEqual(broken, [])
  })

  test(
    'its walk for two and for six machines works as printed',
    { skip: whyNoMount() },
    async () => {
      const machines = new Machines()
      try {
        for (const block of blocks) await machines.run(block)
        await machines.everyoneHas('notes/hello.txt', 'hello from anna\n')
        const status = await machines.shell('anna', 'npx shoal status')
        assert.match(status, /any 2 peers may be lost/)
        assert.doesNotMatch(status, /conflict/)
        await machines.stop('cleo')
        await machines.stop('emil')
        for (const name of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
          await machines.everyoneHas(`docs/${name}`, readFileSync(join(root, 'docs', name), 'utf8'))
        }
        await machines.stopAll()
      } finally {
        await machines.end()
      }
    },
  )
})
