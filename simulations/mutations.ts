// Bugs that are put in on purpose, to show that the simulator finds them: each is a patch of the
// nodes' source, made as it is loaded (patches.ts), with the number of seeds of a scenario within
// which it is caught.
import { ShoalError } from '../protocol/errors.ts'
import type { Patch } from './patches.ts'

export interface Mutation {
  readonly name: string
  readonly scenario: string
  /** Seeds from 1 on. */
  readonly caughtWithinSeeds: number
  readonly patches: readonly Patch[]
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'skip the cycle check',
    scenario: 'partition',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'protocol/tree/moves.ts',
        find: 'before === undefined || above.isBelow(parent, dir)',
        replace: 'before === undefined',
      },
    ],
  },
  {
    name: 'apply moves without undo',
    scenario: 'partition',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'protocol/tree/moves.ts',
        find: 'for (const done of newer.toReversed()) {',
        replace: 'for (const done of newer.slice(0, 0)) {',
      },
    ],
  },
  {
    name: 'drop a dep of entries',
    scenario: 'partition',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'node/log/author.ts',
        find: 'const deps = actors.dependenciesFor(this.#actor)\n',
        replace: 'const deps = actors.dependenciesFor(this.#actor).slice(1)\n',
      },
    ],
  },
  {
    name: 'publish before the commit',
    scenario: 'crash',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'node/log/volume-commit.ts',
        find: '    this.#entries.push(entry)\n',
        replace:
          '    this.#entries.push(entry)\n    for (const listener of this.#listeners) listener([entry])\n',
      },
    ],
  },
  {
    name: 'forget the sync of a commit',
    scenario: 'crash',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'node/store/store.ts',
        find: 'await this.kv.write(batch, { sync: true })',
        replace: 'await this.kv.write(batch, { sync: false })',
      },
    ],
  },
  {
    name: 'acknowledge before the commit',
    scenario: 'crash',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'node/volume/hosted-volume.ts',
        find: "case 'local':\n        return this.volume.commit()",
        replace: "case 'local':\n        return this.volume.makeRoom()",
      },
    ],
  },
  {
    name: 'the wall clock in place of the hybrid clock',
    scenario: 'clocks',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'node/log/author.ts',
        find: 'return nextHlc(this.#tables.actors.hlc, this.#c.world.clock.wall())',
        replace: 'return nextHlc(0n as Hlc, this.#c.world.clock.wall())',
      },
    ],
  },
  {
    name: 'a version replaces all that is known',
    scenario: 'partition',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'node/tree/target-ops.ts',
        find: 'base: seen(version.base),',
        replace:
          'base: seen(Array.from(versionsOf(view, inode, file ?? { losers: [] }), ({ dot }) => dot)),',
      },
      {
        file: 'node/tree/target-ops.ts',
        find: 'import { twinsOf } from',
        replace:
          "import { versionsOf } from '../../protocol/tree/versions.ts'\nimport { twinsOf } from",
      },
    ],
  },
  {
    name: 'the last version that comes is the only one',
    scenario: 'partition',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'protocol/tree/apply.ts',
        find: 'for (const base of edit.seenDots(op.base)) dropVersion(edit.store, op.inode, inode, base)',
        replace:
          'while (inode.newest !== undefined) dropVersion(edit.store, op.inode, inode, inode.newest.dot)',
      },
    ],
  },
  {
    name: 'a delete covers what it did not see',
    scenario: 'partition',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'protocol/tree/apply.ts',
        find: "setLinkLive(edit, op.link, link, without(edit, 'link', op.link, link.live, saw))",
        replace: 'setLinkLive(edit, op.link, link, [])',
      },
    ],
  },
  {
    name: 'the attribute that comes last wins',
    scenario: 'partition',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'protocol/tree/stamped-attributes.ts',
        find: 'known === undefined || known[1] < stamp',
        replace: 'known === undefined || known[1] !== stamp',
      },
    ],
  },
  {
    name: 'the extended attribute that comes last wins',
    scenario: 'partition',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'protocol/tree/xattrs.ts',
        find: 'known !== undefined && known >= stamp',
        replace: 'known === stamp',
      },
    ],
  },
  {
    name: 'the extended attribute of one node wins, whatever its clock says',
    scenario: 'partition',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'protocol/tree/xattrs.ts',
        find: 'known !== undefined && known >= stamp',
        replace: 'known !== undefined && known.slice(8) >= stamp.slice(8)',
      },
    ],
  },
  {
    name: 'the name that comes last wins',
    scenario: 'partition',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'protocol/tree/apply.ts',
        find: 'if (link.placed < edit.stamp) placeLink(',
        replace: 'if (link.placed !== edit.stamp) placeLink(',
      },
    ],
  },
  {
    name: 'apply an entry before its past',
    scenario: 'default',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/replica/ancestry.ts',
        find: 'if (actor === undefined) return undefined\n      located.push(',
        replace: 'if (actor === undefined) continue\n      located.push(',
      },
    ],
  },
  {
    name: 'an exchange leaves entries out',
    scenario: 'partition',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'node/sync/anti-entropy.ts',
        find: '      entries.push(entry)\n',
        replace: '      if (entry.header.seq % 5 !== 0) entries.push(entry)\n',
      },
    ],
  },
  {
    name: 'no redial after a connection is lost',
    scenario: 'partition',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/peers/reconnect.ts',
        find: 'network.onDisconnect((peer) => this.#plan(peer))',
        replace: 'network.onDisconnect(() => undefined)',
      },
    ],
  },
  {
    name: 'a restart forgets what moves replaced',
    scenario: 'crash',
    caughtWithinSeeds: 40,
    patches: [
      {
        file: 'protocol/tree/moves.ts',
        find: '    for (const [key, value] of records)\n',
        replace: '    for (const [key, value] of [...records].slice(0, 0))\n',
      },
    ],
  },
  {
    name: 'a checkpoint begins with moves that come after it',
    scenario: 'churn',
    caughtWithinSeeds: 20,
    patches: [
      {
        file: 'node/state/checkpoint-view.ts',
        find: 'return from.startsWith(MOVE_PREFIX) ? [] : this.#view.scan(from, to)',
        replace: 'return this.#view.scan(from, to)',
      },
    ],
  },
  {
    name: 'shards are given up before their stripe is put into the tier',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/volume-cold.ts',
        find: '    const pack = await uploadPack(parts, stripes, signal)\n',
        replace:
          '    for (const { id } of stripes) {\n' +
          '      const held = (map.stripe(id)?.holders ?? []).flatMap((peers, index) =>\n' +
          '        peers.map((peer) => ({ index, peer, isHeld: false })))\n' +
          '      if (held.length > 0) await map.recordShards(id, held)\n' +
          '    }\n' +
          '    const pack = await uploadPack(parts, stripes, signal)\n',
      },
    ],
  },
  {
    name: 'the log says that a tier holds a pack before that is read back',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/pack-upload.ts',
        find: '    await verify(pack, parts, signal)\n  } catch (error) {',
        replace: '    void verify(pack, parts, signal).catch(() => undefined)\n  } catch (error) {',
      },
    ],
  },
  {
    name: 'what is put is not compared with what it should be',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/pack-upload.ts',
        find: "      if (!isRight) throw new ShoalError('cold-corrupt', wrong)\n",
        replace: '      void isRight\n',
      },
    ],
  },
  {
    name: 'shards are given up before all know that a tier has them',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/demotion.ts',
        find: '({ since }) => since <= stable',
        replace: '({ since }) => since > 0n || since <= stable',
      },
    ],
  },
  {
    name: 'all shards are given up of what a tier holds',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/demotion.ts',
        find: '.slice(Math.min(held.length, floor))',
        replace: '.slice(floor < Infinity ? 0 : held.length)',
      },
    ],
  },
  {
    name: 'packs are removed that were put just now',
    scenario: 'cold',
    caughtWithinSeeds: 40,
    patches: [
      {
        file: 'node/cold/unused-packs.ts',
        find: 'nowMs - modifiedMs > YOUNG_MS',
        replace: 'nowMs > modifiedMs - YOUNG_MS',
      },
    ],
  },
  {
    name: 'packs are removed of stripes that are not in use, and may be again',
    scenario: 'cold',
    caughtWithinSeeds: 40,
    patches: [
      {
        file: 'node/shard-map/stripe-table.ts',
        find: '      const pack = decodeRecord(value).cold.get(tier)?.pack\n      if (pack !== undefined) yield pack',
        replace:
          '      const record = decodeRecord(value)\n      const pack = record.cold.get(tier)?.pack\n      if (pack !== undefined && isLive(record) && !isCondemned(record)) yield pack',
      },
    ],
  },
  {
    name: 'a recall says that a tier holds nothing before peers do',
    scenario: 'cold',
    caughtWithinSeeds: 10,
    patches: [
      {
        file: 'node/cold/recall.ts',
        find: '    const coded = codeStripe(',
        replace:
          '    await map.recordRecalled(\n' +
          '      headerBytes,\n' +
          '      stripe.holders,\n' +
          '      cold.map(({ tier }) => ({ tier, stripe: id })),\n' +
          '    )\n' +
          '    const coded = codeStripe(',
      },
    ],
  },
]

/** throws ShoalError 'usage' naming those there are. */
export function mutationNamed(name: string): Mutation {
  const found = MUTATIONS.find((mutation) => mutation.name === name)
  if (found !== undefined) return found
  const known = MUTATIONS.map((mutation) => `  ${mutation.name}`).join('\n')
  throw new ShoalError('usage', `there is no mutation "${name}"; there are:\n${known}`)
}
