// Ends the process without waiting for its threads. One of V8's that compiles may wait for a
// collection while the process, which is ending, waits for it (nodejs/node#54918), and one that
// reads from /dev/fuse waits for the kernel. Node knows no such exit, hence _exit(2) from the C
// library, through koffi.

/** Nothing is flushed, and no listener of 'exit' is called. */
export type ExitNow = (code: number) => void

/** Undefined where the optional package koffi is missing: then the process ends as Node does. */
export async function loadExitNow(): Promise<ExitNow | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    return koffi.load(null).func('void _exit(int)') as ExitNow
  } catch {
    // koffi is optional
    return undefined
  }
}
