// The real disk, held to the seam. test/simulations does the same for the simulated one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemDisk } from '../../node/world/disk.ts'
import { diskSuite } from './disk.ts'

diskSuite('SystemDisk', async () => {
  const home = await mkdtemp(join(tmpdir(), 'shoal-disk-'))
  return { disk: new SystemDisk(home), end: () => rm(home, { recursive: true }) }
})
