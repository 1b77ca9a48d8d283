// Whatever put or removal a run, or the removal of old backups, is broken off at: all backups that
// are there are whole, and the next run ends well.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { backupKeys } from '../../../protocol/backup/key.ts'
import type { BackupMode } from '../../../protocol/backup/mode.ts'
import { PACK_ID_BYTES } from '../../../protocol/backup/pack.ts'
import { expired } from '../../../protocol/backup/retention.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { makeBackup } from '../../../node/backup/make-backup.ts'
import { PackReader } from '../../../node/backup/pack-reader.ts'
import { BackupPlace } from '../../../node/backup/place.ts'
import { prune } from '../../../node/backup/prune.ts'
import { Repository } from '../../../node/backup/repository.ts'
import { RestoredTree } from '../../../node/backup/restored-tree.ts'
import { TreeReader } from '../../../node/backup/tree-reader.ts'
import { verifyPlace } from '../../../node/backup/verify-place.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemRandom } from '../../../node/world/random.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { MemoryTier } from '../cold/memory-tier.ts'
import { MemorySource } from './memory-source.ts'

const { signal } = new AbortController()
const clock = new SystemClock()
const random = new SystemRandom()
const keys = backupKeys(xorshiftBytes(1, 32))

/** A tier that fails from its n-th change on, as one of a machine that is gone. */
class FailingTier extends MemoryTier {
  changesLeft = Infinity

  override async put(...put: Parameters<MemoryTier['put']>): Promise<void> {
    this.#change()
    await super.put(...put)
  }

  override async remove(names: readonly string[]): Promise<void> {
    // One by one, as a machine may be gone between any two.
    for (const name of names) {
      this.#change()
      await super.remove([name])
    }
  }

  #change(): void {
    if (this.changesLeft-- <= 0) throw new ShoalError('cold-unreachable', 'the place is gone')
  }
}

class Rig {
  readonly tier = new FailingTier()
  readonly source = new MemorySource()
  readonly place = new BackupPlace({ tier: this.tier, keys, random })
  #seed = 1

  change(files: number): void {
    for (let at = 0; at < files; at++) {
      const seed = this.#seed++
      this.source.files.set(
        `/folder ${seed % 3}/${seed % 7}`,
        xorshiftBytes(seed, 500 * (seed % 60)),
      )
    }
  }

  async run(mode: BackupMode): Promise<void> {
    const repository = await Repository.open(this.place, { signal, isNew: true })
    assert.deepEqual(repository.problems, [])
    await makeBackup(
      {
        repository,
        source: this.source,
        clock,
        check: async () => undefined,
        onProgress: () => undefined,
        onFailure: (path) => assert.fail(path),
      },
      {
        job: 'b',
        node: 'anna',
        volume: 'main',
        volumeId: toHex(xorshiftBytes(9, 32)),
        path: '/',
        mode,
        set: toHex(random.bytes(PACK_ID_BYTES)),
        folder: this.source.root,
        numberBefore: 0,
      },
      signal,
    )
  }

  async keepLast(count: number): Promise<void> {
    const repository = await Repository.open(this.place, { signal })
    const old = expired(repository.backups, { last: count })
    await prune({ repository, clock, signal }, old)
  }

  /** Reads all of all backups. returns how many there are. */
  async verify(): Promise<number> {
    const repository = await Repository.open(this.place, { signal, isNew: true })
    const problems: unknown[] = []
    const listener = {
      onProblem: (problem: unknown): void => void problems.push(problem),
      onProgress: (): void => undefined,
    }
    await verifyPlace(repository, listener, { sample: 1, random, signal })
    assert.deepEqual(problems, [])
    return repository.backups.length
  }

  async restoreNewest(): Promise<ReadonlyMap<string, string>> {
    const repository = await Repository.open(this.place, { signal })
    const reader = new TreeReader(new PackReader({ repository }))
    assert.ok(repository.newest !== undefined)
    const tree = new RestoredTree(repository.newest.root, reader, signal)
    const found = new Map<string, string>()
    const visit = async (folder: string): Promise<void> => {
      for await (const page of tree.list(folder))
        for (const { name, kind } of page) {
          const path = `${folder === '/' ? '' : folder}/${name}`
          if (kind === 'folder') await visit(path)
          else
            for await (const [file] of tree.readSmallFiles([path]))
              found.set(path, file !== undefined && 'bytes' in file ? toHex(file.bytes) : 'failed')
        }
    }
    await visit('/')
    return found
  }
}

const MODES: readonly BackupMode[] = ['incremental', 'differential', 'full']

describe('a backup place', () => {
  for (const mode of MODES)
    test(`is whole wherever a machine dies that makes ${mode} backups and removes old ones`, async () => {
      let steps = 0
      for (let crashAt = 0; ; crashAt++) {
        const rig = new Rig()
        for (let turn = 0; turn < 3; turn++) {
          rig.change(12)
          await rig.run(mode)
        }
        rig.change(12)
        rig.tier.changesLeft = crashAt
        let hasDied = false
        try {
          await rig.run(mode)
          await rig.keepLast(2)
        } catch (error) {
          assert.match(String(error), /the place is gone/)
          hasDied = true
        }
        rig.tier.changesLeft = Infinity
        assert.ok((await rig.verify()) >= 2)
        rig.change(3)
        await rig.run(mode)
        await rig.keepLast(1)
        assert.equal(await rig.verify(), 1)
        const wanted = Array.from(rig.source.files, ([path, bytes]) => [path, toHex(bytes)])
        assert.deepEqual(await rig.restoreNewest(), new Map(wanted as [string, string][]))
        if (!hasDied) break
        steps++
      }
      assert.ok(steps > 8, `${steps} steps`)
    })

  test('takes no more than the last backup needs once the others are gone', async () => {
    const rig = new Rig()
    for (let turn = 0; turn < 6; turn++) {
      rig.change(20)
      await rig.run('incremental')
    }
    await rig.keepLast(1)
    const bytes = [...rig.tier.objects.values()].reduce((sum, { length }) => sum + length, 0)
    const files = [...rig.source.files.values()].reduce((sum, { length }) => sum + length, 0)
    // A pack of which half is needed is left as it is.
    assert.ok(bytes < 2 * files + 20_000, `${bytes} for ${files}`)
  })
})
