// Makes the kernel forget what a change from elsewhere made stale, also what is on its way to it
// just now.
//
// - The kernel is told at once, and once more when the answers under way at that moment have
//   arrived: they may carry what was true before the change.
// - Pages that are being read or written are dropped when that is over: the kernel has them locked,
//   and would make all notifications wait for them.
// - Nothing is told about what the kernel cannot have cached.
import type { Invalidator } from '../../file-system.ts'
import type { Notifier } from './notifier.ts'
import type { ByteRange } from './request.ts'
import type { Session, Transfer } from './session.ts'

const ALL: ByteRange = { start: 0, end: Infinity }

export class KernelInvalidator implements Invalidator {
  readonly #session: Session
  readonly #notifier: Notifier
  /** Those after which their pages are dropped. */
  readonly #stale = new WeakSet<Transfer>()

  constructor(components: { session: Session; notifier: Notifier }) {
    this.#session = components.session
    this.#notifier = components.notifier
  }

  inode(inode: number): void {
    const metadata = this.#session.metadataSettled(inode)
    this.#inode(inode, ALL)
    void metadata?.then(() => this.#inode(inode, ALL))
  }

  entry(parent: number, name: string): void {
    const metadata = this.#session.metadataSettled(parent)
    this.#entry(parent, name)
    void metadata?.then(() => this.#entry(parent, name))
  }

  settled(): Promise<void> {
    return this.#notifier.settled()
  }

  /** Drop attributes, and of the content what lies in `range`. */
  #inode(inode: number, { start, end }: ByteRange): void {
    if (!this.#session.references.has(inode)) return
    const free: ByteRange[] = []
    let at = start
    const transfers = this.#session.transfers(inode)
    for (const transfer of transfers.toSorted((a, b) => a.pages.start - b.pages.start)) {
      const { pages } = transfer
      if (pages.end <= at || pages.start >= end) continue
      if (at < pages.start) free.push({ start: at, end: pages.start })
      at = pages.end
      if (this.#stale.has(transfer)) continue
      this.#stale.add(transfer)
      void transfer.settled.then(() => this.#inode(inode, pages))
    }
    if (at < end) free.push({ start: at, end })
    this.#notifier.inode(inode, free)
  }

  #entry(parent: number, name: string): void {
    if (this.#session.references.has(parent)) this.#notifier.entry(parent, name)
  }
}
