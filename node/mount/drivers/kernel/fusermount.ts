// Mounting without being root: the set-user-id program fusermount3 mounts, and hands back the
// descriptor over a Unix socket (SCM_RIGHTS). Node can receive no descriptors so, hence recvmsg(2)
// from the C library through koffi, which is loaded only when it is needed.
//
// Source: util/fusermount.c of libfuse 3 (_FUSE_COMMFD); socketpair(2), recvmsg(2), unix(7),
// cmsg(3); struct layouts of 64-bit Linux.
import { ShoalError } from '../../../../protocol/errors.ts'
import { IO_MAX } from './protocol.ts'
import { failureOf } from '../mounter.ts'
import type { Command, MountSettings, Mounter } from '../mounter.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
/** fusermount3 must not inherit our end: it would never see it close. */
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
/** Or the connection would outlive us in some child. */
const MSG_CMSG_CLOEXEC = 0x40000000

const NEEDED =
  'mounting without root needs the package fuse3 (fusermount3), /dev/fuse of mode 0666, ' +
  'and for other users to look in, user_allow_other in /etc/fuse.conf'

export const userMounter: Mounter = { mount, unmountCommand }

interface LibC {
  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number
  recvmsg(socket: number, message: Uint8Array, flags: number): number
  close(descriptor: number): number
  address(bytes: Uint8Array): bigint
}

async function mount(folder: string, settings: MountSettings): Promise<number> {
  const options = [
    'default_permissions',
    `max_read=${IO_MAX}`,
    `fsname=${settings.name}`,
    'subtype=shoal',
    ...(settings.allowOther ? ['allow_other'] : []),
    ...(settings.readOnly ? ['ro'] : []),
  ]
  const command = { program: 'fusermount3', args: ['-o', options.join(','), '--', folder] }
  const libc = await loadLibC()
  const [ours, theirs] = socketPair(libc)
  try {
    const failure = await failureOf(command, theirs, { _FUSE_COMMFD: '3' })
    if (failure !== undefined) {
      throw new ShoalError('mount-failed', `cannot mount at ${folder}: ${failure}; ${NEEDED}`)
    }
    return receiveDescriptor(libc, ours)
  } finally {
    libc.close(ours)
    libc.close(theirs)
  }
}

function unmountCommand(folder: string, force: boolean): Command {
  return { program: 'fusermount3', args: ['-u', ...(force ? ['-z'] : []), '--', folder] }
}

async function loadLibC(): Promise<LibC> {
  try {
    const { default: koffi } = await import('koffi')
    const library = koffi.load(null)
    return {
      socketpair: library.func('int socketpair(int, int, int, _Out_ int *)'),
      recvmsg: library.func('int64_t recvmsg(int, void *, int)'),
      close: library.func('int close(int)'),
      address: (bytes) => koffi.address(bytes),
    }
  } catch (cause) {
    throw new ShoalError('mount-failed', `cannot load the optional package koffi; ${NEEDED}`, {
      cause,
    })
  }
}

function socketPair(libc: LibC): readonly [number, number] {
  const pair = new Int32Array(2)
  const [ours, theirs] =
    libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? [] : pair
  if (ours === undefined || theirs === undefined) {
    throw new ShoalError('mount-failed', 'cannot make a socket pair')
  }
  return [ours, theirs]
}

/** The one descriptor that waits in the socket. */
function receiveDescriptor(libc: LibC, socket: number): number {
  const data = Buffer.alloc(8)
  const iovec = Buffer.alloc(16)
  const control = Buffer.alloc(24)
  const message = Buffer.alloc(56)
  iovec.writeBigUInt64LE(libc.address(data), 0)
  iovec.writeBigUInt64LE(BigInt(data.byteLength), 8)
  message.writeBigUInt64LE(libc.address(iovec), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(libc.address(control), 32)
  message.writeBigUInt64LE(BigInt(control.byteLength), 40)
  const received = libc.recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  const descriptor = control.readInt32LE(16)
  if (received <= 0 || descriptor <= 0) {
    throw new ShoalError('mount-failed', 'fusermount3 mounted but sent no descriptor')
  }
  return descriptor
}
