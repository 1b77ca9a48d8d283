// Which programs keep a mount busy: those with a file of it open, or that are in it, as far as this
// process may see. Only links of /proc are read, which asks nothing of the mount. Source: proc(5),
// as fuser(1) uses it.
import { readFile, readdir, readlink } from 'node:fs/promises'

/** More are not named. */
const NAMED_MAX = 5

/** For people: "vim (process 812), bash (process 77)"; empty if none is found. */
export async function usersOf(folder: string): Promise<string> {
  const users: string[] = []
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid) || !(await isIn(folder, pid))) continue
    if (users.length === NAMED_MAX) return `${users.join(', ')} and others`
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    users.push(`${name.trim()} (process ${pid})`)
  }
  return users.join(', ')
}

async function isIn(folder: string, pid: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const links = ['cwd', 'root', 'exe', ...descriptors.map((descriptor) => `fd/${descriptor}`)]
  for (const link of links) {
    const target = await readlink(`/proc/${pid}/${link}`).catch(() => '')
    if (target === folder || target.startsWith(`${folder}/`)) return true
  }
  return false
}
