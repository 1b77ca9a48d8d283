// The places where a simulation makes a rare event likely (FoundationDB's buggify). Always true of
// a site: what happens there is what the real world could do as well, by a loss, a delay, a full
// disk or a setting, so every promise of a node holds through it; and it is one call, which costs
// nothing in production and is in no loop over bytes. Sorted by room, each asked in one place.

export const UNLUCKY_SITES = [
  /** A checkpoint is due as soon as there is a new entry. */
  'checkpoint.early',
  /** A node does not make the checkpoint whose turn it is, and looks again later. */
  'checkpoint.left-for-later',
  /** The state of a proposal that was computed here is forgotten, and computed anew. */
  'checkpoint.candidate-forgotten',
  /** The log below a checkpoint is dropped at a later look. */
  'checkpoint.log-kept',
  /** Nodes of a checkpoint are asked for one by one. */
  'checkpoint.one-node-a-request',
  /** A peer that is asked for its checkpoint has none just now. */
  'checkpoint.refused',
  /** A folder seems to change while it is cloned. */
  'clones.changed-meanwhile',
  /** The namespace is put into a tier a minute later. */
  'cold.backup-later',
  /** A demotion ends half way, and goes on in the next pass. */
  'cold.demotion-stops',
  /** A pack is put before it is full. */
  'cold.pack-ends-early',
  /** A recall is broken off after shards were placed, before it is logged. */
  'cold.recall-breaks-off',
  /** The answer of a voter is lost, after it has promised or accepted. */
  'consensus.answer-lost',
  /** A voter is never asked. */
  'consensus.question-lost',
  /** A read makes sure by a proposal of what it found chosen. */
  'consensus.read-is-unsure',
  /** The right to propose that was kept from the last change is lost. */
  'consensus.turn-lost',
  /** Segments that are hardly dead are compacted. */
  'gc.compacts-thoroughly',
  /** Garbage is looked for though nothing says that there is any. */
  'gc.pass-early',
  /** A release of local copies ends half way, before it is noted what went. */
  'gc.release-stops',
  /** Local copies are released as soon as their stripes are safe. */
  'gc.releases-early',
  /** Stripes that others gave up are looked at in the next run. */
  'gc.review-later',
  /** A background job is late by twice the time between its runs. */
  'jobs.late',
  /** A background job runs again at once. */
  'jobs.runs-again',
  /** A batch of ops is committed as soon as it is opened. */
  'log.batch-committed-at-once',
  /** Ops that are to be in one entry begin another one. */
  'log.batch-ends-early',
  /** A commit of what is in the journal comes only after the longest pause. */
  'log.commits-late',
  /** The journal takes nothing: what comes is made durable right away. */
  'log.journal-full',
  /** Entries that came too late are restated one by one. */
  'log.restates-one',
  /** Lines of the security log are written one by one. */
  'observe.one-line-a-write',
  /** A member that is away is dialled after the longest pause. */
  'peers.dials-late',
  /** A receiver of a shard has no room for it just now. */
  'peers.no-room',
  /** A shard is durable, but who put it is not told: it is put again, here or elsewhere. */
  'peers.receipt-lost',
  /** A round of audits leaves a peer out. */
  'repair.audit-leaves-out',
  /** A repair pass looks anew what is to be done after a stripe. */
  'repair.looks-again',
  /** The peer that a shard is to be given to does not take it. */
  'repair.move-refused',
  /** A repair pass ends after a stripe, and another goes on soon. */
  'repair.pass-ends-early',
  /** Shards are read from the slowest holders first. */
  'repair.sources-reversed',
  /** A task of a stripe is done once more. */
  'repair.task-twice',
  /** A write of the store commits by itself. */
  'store.commits-early',
  /** A journal goes on in its other file. */
  'store.journal-turns',
  /** The next record begins a new segment. */
  'store.segment-ends-early',
  /** It is forgotten whether the holders of a stripe showed their shards. */
  'stripes.answer-forgotten',
  /** A stripe is closed after its first chunks. */
  'stripes.closes-early',
  /** A chunk that was fetched to be read is not kept for the next read. */
  'stripes.fetched-not-kept',
  /** The DHT knows nobody who has a stripe. */
  'stripes.nobody-found',
  /** A peer that a shard is offered to does not take it. */
  'stripes.shard-refused',
  /** The ways to find a chunk are tried in the reverse order. */
  'stripes.ways-reversed',
  /** A peer is asked for its log though nothing is missing. */
  'sync.asks-for-no-reason',
  /** A beacon is not sent at its time. */
  'sync.beacon-left-out',
  /** A beacon names the actor alone that wrote last. */
  'sync.beacon-short',
  /** An exchange of logs is broken off after a frame of entries. */
  'sync.ends-early',
  /** A message is not gossiped. */
  'sync.gossip-lost',
  /** An entry is gossiped without its body, for which others have to ask. */
  'sync.head-alone',
  /** A periodic exchange of a volume is left out. */
  'sync.leaves-out',
  /** An exchange that there is reason for is not begun, as if the peer had gone. */
  'sync.never-begins',
  /** Entries are sent one by one. */
  'sync.one-entry-a-frame',
  /** The loss of one file is a mass loss. */
  'volume.one-file-is-many',
] as const

export type UnluckySite = (typeof UNLUCKY_SITES)[number]
