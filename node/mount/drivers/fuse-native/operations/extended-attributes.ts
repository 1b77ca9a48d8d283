// Operations on extended attributes. Access lists are not among them: the kernel would keep them
// for a driver of libfuse 2, but not enforce them.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { bytesOf } from '../paths.ts'
import { DONE, nothing } from './served.ts'
import type { Operations, Reply, Served } from './served.ts'

const SYSTEM = 'system.'
/**
 * Names in it are for the administrator of a machine only (xattr(7)); here, nobody knows who asks.
 */
const TRUSTED = 'trusted.'

export function extendedAttributeOperations({ fileSystem, paths }: Served): Operations {
  return {
    getxattr: {
      run: (_call, path: string, name: string, room: Buffer) =>
        paths.at(path, async ({ inode }) => {
          refuseSystem(name)
          const value = await fileSystem.getXattr(inode, bytesOf(name))
          if (value === undefined) throw new ShoalError('ENODATA', `${name} is not set`)
          return fitting(value, room)
        }),
      failed: (_path: string, _name: string, room: Buffer) => [room.buffer],
    },
    setxattr: {
      run: (_call, path: string, name: string, value: Buffer, _position: number, flags: number) =>
        paths.at(path, async ({ inode }) => {
          refuseSystem(name)
          const kept = new Uint8Array(value)
          const options = { flags, keepsSetGid: true }
          await fileSystem.setXattr(inode, bytesOf(name), kept, options)
          return [0, value.buffer]
        }),
      failed: (_path: string, _name: string, value: Buffer) => [value.buffer],
    },
    listxattr: {
      run: (_call, path: string, room: Buffer) =>
        paths.at(path, async ({ inode }) => {
          const names = await fileSystem.listXattrs(inode)
          const shown = names.filter(
            (name) => !name.startsWith(SYSTEM) && !name.startsWith(TRUSTED),
          )
          return fitting(Buffer.from(shown.map((name) => `${name}\0`).join(''), 'latin1'), room)
        }),
      failed: (_path: string, room: Buffer) => [room.buffer],
    },
    removexattr: {
      run: (_call, path: string, name: string) =>
        paths.at(path, async ({ inode }) => {
          refuseSystem(name)
          await fileSystem.removeXattr(inode, bytesOf(name))
          return DONE
        }),
      failed: nothing,
    },
  }
}

function refuseSystem(name: string): void {
  if (name.startsWith(SYSTEM)) throw new ShoalError('unsupported', `${name} by this driver`)
}

/** Without room: how much would be needed. */
function fitting(value: Uint8Array, room: Buffer): Reply {
  if (room.length > 0) {
    if (value.byteLength > room.length)
      throw new ShoalError('ERANGE', `${value.byteLength} bytes do not fit into ${room.length}`)
    room.set(value)
  }
  return [value.byteLength, room.buffer]
}
