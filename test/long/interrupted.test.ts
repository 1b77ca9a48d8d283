// kill -9 in the middle of what brings thousands of files back (test/cluster/interruptions.ts).
import { test } from 'node:test'
import { killWhileBringingBack } from '../cluster/interruptions.ts'

const FILES = 2000

test(`what brings ${FILES} files back can be killed in the middle`, { timeout: 900_000 }, (t) =>
  killWhileBringingBack(t, FILES),
)
