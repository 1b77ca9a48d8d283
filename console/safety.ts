// Says in one sentence how safe everything is, and what a person can do about it. Pure.
import { TEXT } from './texts.ts'
import { shown } from './format.ts'
import type { NodeStatus, VolumeStatus } from '../node/control/status.ts'
import type { Wire } from './wire.ts'

export type Level = 'good' | 'warning' | 'critical'

export interface Safety {
  readonly level: Level
  readonly sentence: string
  /** Next steps and remarks, the most urgent first. */
  readonly next: readonly string[]
}

type Status = Pick<Wire<NodeStatus>, 'volumes' | 'peers'>
type Volume = Wire<VolumeStatus>

export function safetyOf({ volumes, peers }: Status): Safety {
  const words = TEXT.safety
  if (volumes.length === 0)
    return { level: 'warning', sentence: words.nothing, next: [words.firstStep] }
  const broken = volumes.filter(({ stripes }) => stripes.lost > 0)
  if (broken.length > 0) return unreadable(broken, peers)
  const stopped = volumes.find(({ log }) => log.isHalted || log.stoppedAt !== undefined)
  if (stopped !== undefined) {
    const sentence = words.stopped(shown(stopped.name))
    return { level: 'critical', sentence, next: [words.restart] }
  }
  const least = Math.min(...volumes.map(({ tolerates }) => tolerates))
  const remarks = remarksOf(volumes, peers)
  if (volumes.some(({ logCopies }) => logCopies.nodes <= 1))
    return { level: 'warning', sentence: words.alone, next: [words.inviteOne] }
  if (least === 0) return { level: 'warning', sentence: words.none, next: remarks }
  const zones = new Set(peers.map(({ zone }) => zone).filter((zone) => (zone ?? '') !== ''))
  const sentence = zones.size > 0 ? words.zones(least) : words.some(least)
  return { level: remarks.length > 0 ? 'warning' : 'good', sentence, next: remarks }
}

function unreadable(broken: readonly Volume[], peers: Status['peers']): Safety {
  const words = TEXT.safety
  const stripes = broken.reduce((sum, one) => sum + one.stripes.lost, 0)
  const names = broken.map(({ name }) => shown(name)).join(', ')
  const who = awayNames(peers)
  const next = who === '' ? words.bringAny : words.bringBack(who)
  return { level: 'critical', sentence: words.lost(stripes, names), next: [next] }
}

function remarksOf(volumes: readonly Volume[], peers: Status['peers']): readonly string[] {
  const words = TEXT.safety
  const sum = (of: (volume: Volume) => number): number =>
    volumes.reduce((total, volume) => total + of(volume), 0)
  const waiting = sum(({ waiting: { forPeers } }) => forPeers)
  const lacking = sum(({ stripes }) => stripes.degraded + stripes.atRisk) - waiting
  const noRoom = sum(({ waiting }) => waiting.forRoom)
  const unplaced = sum(({ unplacedBytes }) => unplacedBytes)
  return [
    ...(lacking > 0 ? [words.repairs(lacking)] : []),
    ...(waiting > 0 ? [words.waits(waiting, awayNames(peers) || words.somebody)] : []),
    ...(noRoom > 0 ? [words.needMore] : []),
    ...(unplaced > 0 ? [words.unplaced(unplaced)] : []),
  ]
}

function awayNames(peers: Status['peers']): string {
  return peers
    .filter(({ state, isConnected }) => state !== 'online' || !isConnected)
    .map(({ name }) => shown(name))
    .join(', ')
}
