// A process that mounts a file system in memory at argv[2] by the driver argv[3], says 'ready', and
// serves until it is told to exit, to fail or to unmount (a line on its input), or killed.
import { once } from 'node:events'
import { mountBy } from '../../node/mount/drivers/drivers.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const fileSystem = new MemoryFileSystem()
fileSystem.putFile('mine', 'content')
const driver = process.argv[3] === 'fuse-native' ? 'fuse-native' : 'kernel'
const mount = await mountBy(fileSystem, process.argv[2] ?? '', { driver })
process.stdout.write('ready')
const [line] = (await once(process.stdin, 'data')) as [Buffer]
if (line.toString() === 'fail\n') throw new Error('as it was told')
if (line.toString() === 'unmount\n') await mount.unmount()
process.exit(0)
