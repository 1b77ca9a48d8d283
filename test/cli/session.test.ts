// Consistency on the control socket and on the command line: the level and the token reach the
// node, and the token in its answer is returned, for every call and however it ends.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openClient } from '../../node/control/client.ts'
import { formatSession } from '../../protocol/clock/session.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MemoryNode } from './memory-node.ts'
import { SHOAL, outcomeOf, withNode } from './shoal.ts'
import type {
  FileCallOptions,
  FileContent,
  FileStat,
  NewFile,
  ReadRange,
} from '../../node/control/files.ts'
import type { ActorId, VolumeId } from '../../protocol/ids.ts'
import type { Place } from './shoal.ts'

const OTHER = tokenOf('ee'.repeat(32) as VolumeId, 1)

/** The token of a session that has seen so many entries of one actor. */
function tokenOf(volume: VolumeId, seq: number): string {
  return formatSession(volume, new Map([['ab'.repeat(16) as ActorId, seq]]))
}

/** Writes down how it was called, and answers with a token a call. */
class SessionNode extends MemoryNode {
  readonly calls: string[] = []
  volume: VolumeId | undefined
  #count = 0

  async tokenAfter(count: number): Promise<string> {
    this.volume ??= (await this.volumeInfo('main')).id
    return tokenOf(this.volume, count)
  }

  override async stat(path: string, options?: FileCallOptions): Promise<FileStat> {
    try {
      return await super.stat(path)
    } finally {
      await this.#called('stat', options)
    }
  }

  override async *list(
    path: string,
    options?: FileCallOptions,
  ): AsyncGenerator<readonly FileStat[]> {
    yield* super.list(path)
    await this.#called('list', options)
  }

  override async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
    options?: FileCallOptions,
  ): Promise<void> {
    await super.writeFile(path, content, attributes)
    await this.#called('writeFile', options)
  }

  override async readFile(
    path: string,
    options?: FileCallOptions & ReadRange,
  ): Promise<FileContent> {
    await this.#called('readFile', options)
    return super.readFile(path, options)
  }

  override async remove(): Promise<void> {
    throw new ShoalError('NO_QUORUM', '1 of 3 voters answered; missing: shelf (no answer yet)')
  }

  async #called(name: string, options: FileCallOptions = {}): Promise<void> {
    const { consistency = '', session, onSession } = options
    const seen = session === undefined ? 'nothing' : await this.#describe(session)
    this.calls.push(`${name} ${consistency} ${seen}`)
    onSession?.(await this.tokenAfter(++this.#count))
  }

  async #describe(session: string): Promise<string> {
    for (let count = 1; count <= this.#count; count++)
      if (session === (await this.tokenAfter(count))) return String(count)
    return 'a token of elsewhere'
  }
}

function withSessions(
  use: (place: Place & { readonly node: SessionNode }) => Promise<void>,
): Promise<void> {
  const node = new SessionNode()
  return withNode((place) => use({ ...place, node }), node)
}

describe('a session', { concurrency: 4 }, () => {
  test('is sent and returned over the socket with every kind of call', async () => {
    await withSessions(async ({ home, node }) => {
      const client = openClient({ home })
      let session: string | undefined
      const onSession = (token: string): void => void (session = token)
      const options = (): FileCallOptions => ({ consistency: 'read-own', session, onSession })
      const parts = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('x')
      }
      await client.writeFile('/f', parts(), {}, options())
      await client.stat('/f', options())
      for await (const _ of client.list('/', options()));
      const { content } = await client.readFile('/f', options())
      await assert.rejects(client.stat('/nothing', options()), { code: 'ENOENT' })
      assert.equal(session, await node.tokenAfter(5))
      for await (const _ of content);
      await client.stat('/f', { consistency: 'strong' })
      await client.stat('/f')
      assert.deepEqual(node.calls, [
        'writeFile read-own nothing',
        'stat read-own 1',
        'list read-own 2',
        'readFile read-own 3',
        'stat read-own 4',
        'stat strong nothing',
        'stat  nothing',
      ])
      await assert.rejects(client.stat('/f', { consistency: 'often' as 'strong' }), {
        code: 'usage',
      })
      client.close()
    })
  })

  test('is carried from command to command by its file', async () => {
    await withSessions(async ({ shoal, folder, node }) => {
      const file = join(folder, 'seen')
      await node.makeFolder('/d')
      for (let round = 0; round < 2; round++) {
        const { code, stderr } = await shoal('ls', '/d', '--session', 'seen')
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
      }
      assert.equal((await shoal('stat', '/nothing', '--session', 'seen')).code, 1)
      assert.equal(await readFile(file, 'utf8'), `${await node.tokenAfter(5)}\n`)
      assert.deepEqual(node.calls, ['stat  nothing', 'list  1', 'stat  2', 'list  3', 'stat  4'])
    })
  })

  test('with several volumes keeps a token of each, and sends each volume its own', async () => {
    await withSessions(async ({ shoal, folder, node }) => {
      const file = join(folder, 'seen')
      await writeFile(file, `${OTHER}\n`)
      await shoal('stat', '/', '--session', 'seen')
      const kept = (await readFile(file, 'utf8')).trim().split('\n')
      assert.deepEqual(kept, [OTHER, await node.tokenAfter(1)])
      await shoal('stat', 'main:/', '--session', 'seen')
      assert.deepEqual(node.calls, ['stat  nothing', 'stat  1'])
    })
  })

  test('is stored in the home with read-own, where SHOAL_SESSION says, or not at all', async () => {
    await withSessions(async ({ shoal, home, folder, node }) => {
      const [usual, named] = [join(home, 'session'), join(folder, 'seen')]
      await shoal('stat', '/')
      await assert.rejects(readFile(usual), { code: 'ENOENT' })
      await shoal('stat', '/', '--consistency', 'read-own')
      assert.equal(await readFile(usual, 'utf8'), `${await node.tokenAfter(1)}\n`)
      const env = { ...process.env, SHOAL_SESSION: named }
      const argv = [SHOAL, '--home', home, 'stat', '/', '--consistency', 'read-own']
      const stdio = ['pipe', 'pipe', 'pipe'] as const
      assert.equal(
        (await outcomeOf(spawn(process.execPath, argv, { env, stdio: [...stdio] }))).code,
        0,
      )
      assert.equal(await readFile(named, 'utf8'), `${await node.tokenAfter(2)}\n`)
      assert.deepEqual(node.calls, [
        'stat  nothing',
        'stat read-own nothing',
        'stat read-own nothing',
      ])
    })
  })

  test('refuses a file that is not a session file, and leaves it unchanged', async () => {
    await withSessions(async ({ shoal, folder }) => {
      const file = join(folder, 'letter')
      await writeFile(file, 'dear all')
      const { code, stderr } = await shoal('stat', '/', '--session', 'letter')
      assert.equal(code, 2)
      assert.match(stderr, /letter is not a session file; use another one, or remove it/)
      assert.equal(await readFile(file, 'utf8'), 'dear all')
    })
  })

  test('is refused before any change when the folder of its file does not exist', async () => {
    await withSessions(async ({ shoal, node }) => {
      const { code, stderr } = await shoal('mkdir', '/made', '--session', 'nowhere/seen')
      assert.equal(code, 2)
      assert.match(
        stderr,
        /cannot create the session file nowhere\/seen: there is no folder nowhere\n/,
      )
      await assert.rejects(node.stat('/made'), { code: 'ENOENT' })
    })
  })
})

test('a command without a quorum fails and names the missing voters', async () => {
  await withSessions(async ({ shoal }) => {
    const { code, stderr } = await shoal('rm', '/x', '--consistency', 'strong')
    assert.equal(code, 1)
    assert.match(stderr, /^shoal: 1 of 3 voters answered; missing: shelf \(no answer yet\)\n$/)
  })
})
