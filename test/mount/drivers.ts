// The drivers, each with its known exceptions: the same cases run on both.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountKernel } from '../../node/mount/drivers/kernel/driver.ts'
import { mountFuseNative } from '../../node/mount/drivers/fuse-native/driver.ts'
import { loadBinding } from '../../node/mount/drivers/fuse-native/binding.ts'
import { mounted, skip } from './mounted.ts'
import type { TestContext } from 'node:test'
import type { DriverName } from '../../node/control/mounts.ts'
import type { Mounter } from '../../node/mount/mounts.ts'
import type { MountOptions } from '../../node/mount/file-system.ts'
import type { Mounted } from './mounted.ts'

const TIMEOUT_MS = 60_000

interface Driver {
  readonly name: DriverName
  readonly mounter: Mounter
  /** Cases that do not hold, and why: what docs/mount.md says of the driver. */
  readonly exceptions: Readonly<Record<string, string>>
}

export interface MountAsTested {
  /** As mounted(), by the driver that is tested. */
  (options?: MountOptions): Promise<Mounted>
  readonly mounter: Mounter
  readonly driver: DriverName
}

const DRIVERS: readonly Driver[] = [
  { name: 'kernel', mounter: mountKernel, exceptions: {} },
  {
    name: 'fuse-native',
    mounter: mountFuseNative,
    exceptions: {
      '64 MiB are read in few requests': 'reads come in 128 KiB',
      'names are any bytes': 'names are text in fuse-native',
      'each time is kept to the nanosecond, separately':
        'times are milliseconds since 1970, and libfuse 2 only sets both at once',
      'a change through one name of a file shows through the others at once':
        'the kernel knows paths, not inodes, and is not told',
      'rename exchanges, and refuses to replace': 'libfuse 2 has no flags of renameat2',
      'ls requests no extended attributes once the access lists are cached':
        'the kernel does not cache access lists for libfuse 2',
      'a waiting reader can be killed, and an interrupted direct read is aborted':
        'fuse-native does not hear of interrupts',
    },
  },
]

const titles = new Set<string>()
let tested: DriverName = 'kernel'

/** The driver by which cases are run from now on. */
export function testBy(driver: DriverName): void {
  tested = driver
}

/** A case that holds for all drivers, but for their exceptions, which are left out. */
export function behaves(
  title: string,
  run: (mounted: MountAsTested, t: TestContext) => Promise<void>,
): void {
  titles.add(title)
  const { name, mounter, exceptions } = testedDriver()
  if (exceptions[title] !== undefined) return
  test(`${name}: ${title}`, { skip, timeout: TIMEOUT_MS }, (t) => {
    const mount = (how: MountOptions = {}): Promise<Mounted> => mounted(t, how, mounter)
    return run(Object.assign(mount, { mounter, driver: name }), t)
  })
}

/** After the last case. */
export function everyExceptionIsACase(): void {
  const { name, exceptions } = testedDriver()
  test(`${name}: every exception names a case`, () =>
    assert.deepEqual(
      Object.keys(exceptions).filter((title) => !titles.has(title)),
      [],
    ))
}

function testedDriver(): Driver {
  return DRIVERS.find(({ name }) => name === tested) ?? assert.fail(tested)
}

/** Why it cannot be tested here, or false. */
export function lackOfFuseNative(): string | false {
  if (skip !== false) return skip
  try {
    loadBinding()
    return false
  } catch (error) {
    return String(error)
  }
}
