// The other process of bare-tls.ts.
import { connect } from 'node:tls'

const port = Number(process.argv[2])
let left = Number(process.argv[3])
const onread = {
  buffer: Buffer.allocUnsafeSlow(64 * 1024),
  callback: (count: number): boolean => {
    left -= count
    if (left === 0) process.send?.('all')
    return true
  },
}
// Its types do not know that it takes `onread`, as net.connect() does.
const options = { port, host: '127.0.0.1', rejectUnauthorized: false, onread }
const socket = connect(options)
process.on('disconnect', () => socket.destroy())
