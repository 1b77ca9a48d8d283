// A home is for its owner alone: it holds the keys of volumes. What is open and ours is closed;
// what somebody else could put in its place is refused, as ssh(1) refuses keys (StrictModes). Below
// a folder of 0700 nobody else gets at anything.
import { chmod, readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'

const ROOT = 0
const OTHERS = 0o077
const OTHERS_WRITE = 0o022
const STICKY = 0o1000
/** A folder of a new file system: root's, and closed. */
const NOT_OURS = 'lost+found'

/**
 * Take all permissions of others from a home, which is there, and what lies directly in it.
 * returns the names of what was open, '.' for the home. throws ShoalError 'EPERM' where somebody
 * else has a hand in it.
 */
export async function closeHome(folder: string): Promise<readonly string[]> {
  const self = process.geteuid?.()
  if (self === undefined) return []
  const home = await realpath(folder)
  await checkWay(home, self)
  const open: string[] = []
  const close = async (name: string): Promise<void> => {
    const path = join(home, name)
    const found = await stat(path).catch(dangling)
    if (found === undefined) return
    if (found.uid !== self) throw notOurs(path, found.uid, self)
    if ((found.mode & OTHERS) === 0) return
    await chmod(path, found.mode & 0o7777 & ~OTHERS)
    open.push(name)
  }
  await close('.')
  for (const name of await readdir(home)) if (name !== NOT_OURS) await close(name)
  return open
}

/** Can nobody but root and us rename the home away? throws ShoalError 'EPERM'. */
export async function checkWay(
  home: string,
  self: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (self === undefined) return
  for (let path = dirname(home), below = home; below !== path; below = path, path = dirname(path)) {
    const { uid, gid, mode } = await stat(path)
    if (uid !== ROOT && uid !== self) throw notOurs(path, uid, self)
    // A group of a user's own, by its number, has nobody else in it.
    const writable = uid === self && gid === uid ? OTHERS_WRITE & ~0o020 : OTHERS_WRITE
    if ((mode & writable) === 0 || (mode & STICKY) !== 0) continue
    throw new ShoalError(
      'EPERM',
      `other users could replace ${below}, because ${path} is writable by them. ` +
        `Fix it with "chmod go-w ${path}", or choose another --home.`,
    )
  }
}

function notOurs(path: string, uid: number, self: number): ShoalError {
  return new ShoalError(
    'EPERM',
    `${path} belongs to user ${uid}, and this node runs as user ${self}: ` +
      'run it as the owner of its home, or choose another --home.',
  )
}

/** A symlink to nothing. */
function dangling(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw asShoalError(error)
}
