// For `node --import`: a node that has a bug. An entry in which a folder "boom" is made breaks it,
// half applied: it throws (breaking.ts?throw), or ends the process without a word
// (breaking.ts?end), as one does that is out of memory.
import { Volume } from '../../node/log/volume.ts'

const mayEnd = import.meta.url.endsWith('?end')
const apply = Reflect.get(Volume.prototype, 'apply') as Volume['apply']

Volume.prototype.apply = function (...how) {
  const [, , ops] = how
  if (!ops.some((op) => op?.kind === 'mkdir' && op.name === 'boom')) return apply.apply(this, how)
  if (mayEnd) process.kill(process.pid, 'SIGKILL')
  this.view.put('xbroken', new Uint8Array(1))
  throw new TypeError('a bug')
}
