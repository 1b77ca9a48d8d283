// Does what fusermount3 does for whoever may mount: mounts, and sends the descriptor over the
// socket that _FUSE_COMMFD names (SCM_RIGHTS).
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const SOL_SOCKET = 1
const SCM_RIGHTS = 1

const [flag = '', settings = ''] = process.argv.slice(2)
const folder = process.argv.at(-1) ?? ''
if (flag === '-u') process.exit(spawnSync('umount', ['-f', '-l', folder]).status ?? 1)

const device = openSync('/dev/fuse', 'r+')
const kept = settings.split(',').filter((setting) => !/^(fsname|subtype)=/.test(setting))
const all = ['fd=3', 'rootmode=40000', 'user_id=0', 'group_id=0', ...kept].join(',')
const mounted = spawnSync('mount', ['-i', '-t', 'fuse.shoal', '-o', all, 'shoal', folder], {
  stdio: ['ignore', 'inherit', 'inherit', device],
})
if (mounted.status === 0) sendDescriptor(Number(process.env['_FUSE_COMMFD']), device)
closeSync(device)
process.exitCode = mounted.status ?? 1

/** A msghdr with one byte of data and one descriptor; layouts of 64-bit Linux. */
function sendDescriptor(socket: number, descriptor: number): void {
  const [data, iovec, control, message] = [1, 16, 24, 56].map((bytes) => Buffer.alloc(bytes)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  iovec.writeBigUInt64LE(koffi.address(data), 0)
  iovec.writeBigUInt64LE(1n, 8)
  control.writeBigUInt64LE(20n, 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(descriptor, 16)
  message.writeBigUInt64LE(koffi.address(iovec), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(koffi.address(control), 32)
  message.writeBigUInt64LE(24n, 40)
  const sendmsg = koffi.load(null).func('int64_t sendmsg(int, void *, int)')
  if (Number(sendmsg(socket, message, 0)) !== 1) throw new Error('sendmsg failed')
}
