// The requests that a radosgw has served since it started, by its own counters: nothing stands
// between it and the program that is measured. They are read over its admin socket (Ceph, "Admin
// Socket"): a command in JSON and a zero byte; the answer's length in four bytes, and the answer.
import { connect } from 'node:net'
import { join } from 'node:path'
import type { S3Server } from '../../test/cold/s3-server.ts'

const LENGTH_BYTES = 4

export interface Traffic {
  readonly requests: number
  /** Bytes of the objects that were asked for. */
  readonly gotBytes: number
}

async function trafficOf(server: S3Server): Promise<Traffic> {
  const socket = connect(join(server.folder, 'run', 'client.rgw.a.asok'))
  socket.write(`${JSON.stringify({ prefix: 'perf dump', logger: 'rgw' })}\0`)
  const answer = Buffer.concat(await socket.toArray())
  const { rgw } = JSON.parse(answer.subarray(LENGTH_BYTES).toString()) as {
    readonly rgw: { readonly req: number; readonly get_b: number }
  }
  return { requests: rgw.req, gotBytes: rgw.get_b }
}

/** The traffic while `work` ran. */
export async function trafficDuring(
  server: S3Server,
  work: () => Promise<unknown>,
): Promise<Traffic> {
  const before = await trafficOf(server)
  await work()
  const after = await trafficOf(server)
  return {
    requests: after.requests - before.requests,
    gotBytes: after.gotBytes - before.gotBytes,
  }
}
