// `shoal up --detach`: the same command again in a process of its own, which reports through an IPC channel when it is
// ready or why it is not. Then the channel closes and nothing ties the two together.
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../protocol/errors.ts'
import { decodeJson, encodeJson } from '../node/control/wire.ts'
import type { ErrorBody } from '../node/control/wire.ts'
import type { NodeStatus } from '../node/control/api.ts'
import type { ErrorCode } from '../protocol/errors.ts'
import type { Context } from './context.ts'
