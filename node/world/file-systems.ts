// The file systems of this machine that have nothing of their user to copy: those whose files the
// kernel makes up as they are read, without an end some of them, and mounts of Shoal, which has
// already what they show.
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { MOUNT_TYPE, parseMountInfo } from './mount-info.ts'

/** Those of Linux: their names, by what statfs(2) says of them (linux/magic.h). */
const MADE_UP: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x1cd1, 'devpts'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0xcafe4a11, 'bpf'],
  [0x6165676c, 'pstore'],
  [0xde5e81e4, 'efivarfs'],
  [0x62656570, 'configfs'],
  [0x19800202, 'mqueue'],
  [0x958458f6, 'hugetlbfs'],
  [0xf97cff8c, 'selinuxfs'],
  [0x43415d53, 'smackfs'],
  [0x42494e4d, 'binfmt_misc'],
  [0x65735543, 'fusectl'],
  [0x67596969, 'rpc_pipefs'],
  [0x6e667364, 'nfsd'],
  [0x6e736673, 'nsfs'],
  [0x6c6f6f70, 'binderfs'],
  [0x7655821, 'resctrl'],
])

export class FileSystems {
  /** By device. */
  readonly #known = new Map<bigint, string | undefined>()

  /** Why nothing is copied from the file system that a folder is on; undefined if it is. */
  async reasonFor(folder: string | Buffer, device: bigint): Promise<string | undefined> {
    if (!this.#known.has(device)) this.#known.set(device, await reasonOf(folder, device))
    return this.#known.get(device)
  }
}

async function reasonOf(folder: string | Buffer, device: bigint): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  if (typesOf(device).includes(MOUNT_TYPE)) return 'a mount of Shoal, which has it already'
  const name = MADE_UP.get(await typeOf(folder))
  return name && `a file system of the kernel (${name}), with no files to keep`
}

async function typeOf(folder: string | Buffer): Promise<number> {
  try {
    return (await statfs(folder)).type
  } catch {
    // It is gone, or a dead mount: whoever reads it says so.
    return 0
  }
}

/** The types of what is mounted of a device, as stat(2) numbers it. */
function typesOf(device: bigint): readonly string[] {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn)
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'))
    .filter((entry) => entry.device === `${major}:${minor}`)
    .map(({ type }) => type)
}
