// Extended attributes and special files, with which Node cannot deal: through the C library of
// Linux. Synchronous: never on a mount that this very process serves.
import { constants } from 'node:os'
import { ShoalError } from '../../protocol/errors.ts'

export interface NativeFiles {
  /** As lsetxattr(2): of a symlink itself. throws ShoalError that names the error number. */
  setXattr(path: Buffer, name: Buffer, value: Uint8Array): void
  /** As mknod(2). mode: with the type. */
  makeNode(path: Buffer, mode: number, device: number): void
}

/** Undefined where the optional package koffi is missing, or on another system. */
export async function openNativeFiles(): Promise<NativeFiles | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    const libc = koffi.load(null)
    const setxattr = libc.func('int lsetxattr(void *, void *, void *, size_t, int)')
    const mknod = libc.func('int mknod(void *, unsigned int, unsigned long)')
    const check = (call: string, result: unknown): void => {
      if (result !== -1) return
      const number = koffi.errno()
      const name = Object.entries(constants.errno).find(([, known]) => known === number)?.[0]
      throw new ShoalError('EIO', `${call}: ${name ?? `error ${number}`}`)
    }
    return {
      setXattr: (path, name, value) =>
        check('setxattr', setxattr(ended(path), ended(name), Buffer.from(value), value.length, 0)),
      makeNode: (path, mode, device) => check('mknod', mknod(ended(path), mode, device)),
    }
  } catch {
    // koffi is optional
    return undefined
  }
}

/** As C has strings. */
function ended(text: Buffer): Buffer {
  return Buffer.concat([text, Buffer.of(0)])
}
