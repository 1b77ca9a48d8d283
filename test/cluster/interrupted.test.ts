// kill -9 in the middle of what brings files back, a few hundred of them (interruptions.ts).
import { test } from 'node:test'
import { killWhileBringingBack } from './interruptions.ts'

const FILES = 400

test('what brings back can be killed in the middle', { timeout: 300_000 }, (t) =>
  killWhileBringingBack(t, FILES),
)
