// kill -9 at any moment during a put, a few times (kills.ts).
import { test } from 'node:test'
import { killDuringPuts } from './kills.ts'

const ROUNDS = 7

test(
  `a node killed ${ROUNDS} times during puts keeps all it acknowledged and serves nothing torn`,
  { timeout: 400_000 },
  () => killDuringPuts(ROUNDS),
)
