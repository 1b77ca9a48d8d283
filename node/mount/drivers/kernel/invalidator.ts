// Makes the kernel forget what a change from elsewhere made stale, also what is on its way to it just now.
//
// - The kernel is told at once, and once more when the answers under way at that moment have arrived: they may carry
//   what was true before the change.
// - Content is only dropped when no read of it is under way, as the kernel would make all notifications wait for it.
// - Nothing is told about what the kernel cannot have cached.
import type { Invalidator } from '../../file-system.ts'
import type { Notifier } from './notifier.ts'
import type { Session } from './session.ts'

export class KernelInvalidator implements Invalidator {
  readonly #session: Session
  readonly #notifier: Notifier

  constructor(components: { session: Session; notifier: Notifier }) {
    this.#session = components.session
    this.#notifier = components.notifier
  }

  inode(inode: number): void {
    const metadata = this.#session.metadataSettled()
    const reads = this.#session.readsSettled(inode)
    this.#inode(inode, reads === undefined)
    if (metadata === undefined && reads === undefined) return
    void Promise.all([metadata, reads]).then(() => this.#inode(inode, true))
  }

  entry(parent: number, name: string): void {
    const metadata = this.#session.metadataSettled()
    this.#entry(parent, name)
    void metadata?.then(() => this.#entry(parent, name))
  }

  settled(): Promise<void> {
    return this.#notifier.settled()
  }

  #inode(inode: number, withContent: boolean): void {
    if (this.#session.references.has(inode)) this.#notifier.inode(inode, withContent)
  }

  #entry(parent: number, name: string): void {
    if (this.#session.references.has(parent)) this.#notifier.entry(parent, name)
  }
}
