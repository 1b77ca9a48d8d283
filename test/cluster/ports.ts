// Ports that the nodes of tests listen on. A node keeps its port over restarts, so the kernel must
// not give it to anybody else while the node is down: it is none of those that the kernel chooses
// itself (ip_local_port_range begins at 32768), and no other test of the run has it.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [FIRST, END] = [10_000, 32_768]

/** A TCP port that is free on 127.0.0.1, and given to nobody else in this run. */
export async function claimPort(): Promise<number> {
  const folder = join(tmpdir(), 'shoal-test-ports')
  await mkdir(folder, { recursive: true })
  for (;;) {
    const port = randomInt(FIRST, END)
    if ((await claim(join(folder, String(port)))) && (await isFree(port))) return port
  }
}

/** Resolves with false if another test has it. A process that has ended has none. */
async function claim(file: string): Promise<boolean> {
  try {
    const owner = Number(await readFile(file, 'utf8'))
    if (owner !== process.pid && !existsSync(`/proc/${owner}`)) await rm(file, { force: true })
  } catch {
    // Nobody has claimed it.
  }
  return writeFile(file, String(process.pid), { flag: 'wx' }).then(
    () => true,
    () => false,
  )
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
