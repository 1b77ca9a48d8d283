// The keys under which placement groups are announced.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { toHex } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  PLACEMENT_GROUPS,
  placementGroup,
  stripeIn,
  groupAnnouncement,
} from '../../protocol/placement/placement-group.ts'
import type { VolumeId } from '../../protocol/ids.ts'

const VOLUMES = ['ab', 'cd'].map((byte) => byte.repeat(32) as VolumeId)

describe('announcement', () => {
  test('each group of each volume has a key of its own', () => {
    const keys = new Set<string>()
    for (const volume of VOLUMES) {
      for (let group = 0; group < PLACEMENT_GROUPS; group++) {
        keys.add(toHex(groupAnnouncement(volume, group)))
      }
    }
    assert.equal(keys.size, 2 * PLACEMENT_GROUPS)
  })

  test('docs/formats/network.md shows one as it is', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/formats/network.md'), 'utf8')
    const [volume] = VOLUMES
    assert.ok(volume !== undefined)
    assert.ok(page.includes(`\n${toHex(groupAnnouncement(volume, 5))}\n`))
  })

  test('a place in a group is in that group, wherever its hash lies', () => {
    for (let group = 0; group < PLACEMENT_GROUPS; group += 7) {
      const hash = blake3(new Uint8Array([group & 0xff, group >> 8]))
      assert.equal(placementGroup(stripeIn(group, hash)), group)
    }
  })
})
