// Decoders of what comes from the machine that a node runs on: its disk, the kernel, and its
// owner's programs.
import { CALLS } from '../../../node/control/calls.ts'
import { decodeJson } from '../../../node/control/wire.ts'
import { Request } from '../../../node/mount/drivers/kernel/request.ts'
import { aclWithMode, inheritedAccess, isAcl, modeWithAcl } from '../../../node/mount/posix-acl.ts'
import { decodeBundleHead } from '../../../node/store/bundle-head.ts'
import { decodeRecordHead } from '../../../node/store/record.ts'
import { concatBytes, utf8 } from '../../../protocol/bytes.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { Target } from '../watch.ts'

/** Takes every call, and does nothing. */
const IDLE_NODE = new Proxy({} as NodeApi, { get: () => async (): Promise<void> => undefined })

/** `name` and a JSON object, a line each. */
async function call(input: Uint8Array): Promise<void> {
  const [name = '', ...rest] = Buffer.from(input).toString('utf8').split('\n')
  let request: unknown
  try {
    request = decodeJson(rest.join('\n'))
  } catch {
    return // the server answers that it is no JSON
  }
  await CALLS.get(`POST /v1/${name}`)?.run(IDLE_NODE, request, {})
}

export const machineTargets: readonly Target[] = [
  {
    name: 'control-call',
    run: call,
    honest: () =>
      [
        'status\n{}',
        'invite\n{"role":"writer","uses":3,"expiresInMs":1000}',
        'setAttributes\n{"path":"/a","mode":493,"modifiedNs":"1700000000000000000"}',
        'mount\n{"folder":"/mnt","readOnly":true,"umask":18}',
        'setVolume\n{"volume":"main","settings":{"class":"rs4+2"}}',
      ].map(utf8),
    codes: ['usage'],
  },
  { name: 'record-head', run: decodeRecordHead, honest: () => [new Uint8Array(60)] },
  {
    name: 'bundle-head',
    run: (input) => decodeBundleHead(input, 100_000),
    honest: () => [concatBytes([Uint8Array.of(0, 0, 0, 1), new Uint8Array(40).fill(1)])],
  },
  {
    name: 'kernel-request',
    run: (input) => {
      const request = Request.parse(input)
      if (request === undefined || !request.isWhole) return undefined
      return [
        request.pages,
        request.u32(),
        request.u64(),
        request.name(),
        request.text(),
        request.i64(),
        request.bytes(8),
      ]
    },
    honest: () => {
      const frame = Buffer.alloc(120, 'name\0')
      frame.writeUInt32LE(frame.length)
      return [frame]
    },
    codes: ['EINVAL', 'ENAMETOOLONG', 'EFBIG'],
  },
  {
    name: 'posix-acl',
    run: (input) => {
      if (!isAcl(input)) return undefined
      return [aclWithMode(input, 0o640), modeWithAcl(0o7777, input), inheritedAccess(input, 0o644)]
    },
    honest: () => {
      const entries = [1, 2, 4, 8, 16, 32].map((tag) => [tag, 0, 7, 0, 1, 2, 3, 4])
      return [Uint8Array.from([2, 0, 0, 0, ...entries.flat()])]
    },
    codes: ['EINVAL'],
  },
]
