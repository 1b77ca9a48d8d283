// A process that mounts a file system in memory at argv[2], says 'ready', and serves until it is told to exit (a line
// on its input) or killed.
import { once } from 'node:events'
import { mountKernel } from '../../node/mount/drivers/kernel/driver.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const fileSystem = new MemoryFileSystem()
fileSystem.putFile('mine', 'content')
await mountKernel(fileSystem, process.argv[2] ?? '', {})
process.stdout.write('ready')
await once(process.stdin, 'data')
process.exit(0)
