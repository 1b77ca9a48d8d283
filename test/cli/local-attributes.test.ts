// The part of the mode and owner of a file in the namespace that applies on this machine.
import assert from 'node:assert/strict'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LocalAttributes } from '../../cli/local-attributes.ts'

const isRoot = process.geteuid?.() === 0
const OTHER = 54_321

/** As a user of that number, with a umask of 027. */
function as(uid: number, preserve: boolean): LocalAttributes {
  const mask = process.umask(0o027)
  try {
    if (isRoot) process.seteuid?.(uid)
    return new LocalAttributes({ preserve })
  } finally {
    if (isRoot) process.seteuid?.(0)
    process.umask(mask)
  }
}

describe('local attributes', () => {
  test('by default a file has its permissions less the umask, and no special bits', () => {
    for (const [mode, here] of [
      [0o6755, 0o750],
      [0o1777, 0o750],
      [0o640, 0o640],
    ] as const)
      assert.equal(as(0, false).mode({ mode, uid: 0, gid: 0 }), here)
  })

  test(
    'preserved setuid and setgid bits are kept only with their owner and group',
    { skip: isRoot ? false : 'needs root' },
    async () => {
      const gid = process.getegid?.() ?? 0
      const stranger = { mode: 0o6755, uid: OTHER + 1, gid: OTHER }
      assert.equal(as(OTHER, true).mode(stranger), 0o755)
      assert.equal(as(OTHER, true).mode({ ...stranger, uid: OTHER, gid }), 0o6755)
      assert.equal(as(0, true).mode(stranger), 0o6755)
      const folder = await mkdtemp(join(tmpdir(), 'shoal-attributes-'))
      const file = await open(join(folder, 'f'), 'wx')
      await as(0, true).setOn(file, stranger)
      const made = await stat(join(folder, 'f'), { bigint: true })
      assert.deepEqual(
        [made.uid, made.gid, made.mode & 0o7777n],
        [BigInt(OTHER + 1), BigInt(OTHER), 0o6755n],
      )
      assert.ok(as(0, true).isSame(made, stranger))
      assert.ok(!as(0, true).isSame(made, { ...stranger, uid: 0 }))
      assert.ok(!as(0, false).isSame(made, stranger))
      await file.close()
      await rm(folder, { recursive: true })
    },
  )
})
