// The API of a running node, over its control socket. A call here is a call there: same names, same
// errors.
import { LOCAL_PIN_ROUTE, PINS_ROUTE, SCRUB_ROUTE, SECURITY_ROUTE } from '../node/control/wire.ts'
import { ColdClient } from './cold-client.ts'
import type {
  CallOptions,
  CreateVolumeRequest,
  MountRequest,
  NodeApi,
  Settings,
  VolumeInfo,
} from '../node/control/api.ts'
import type { GarbageReport } from '../node/control/garbage.ts'
import type { ClassPin, ColdPin, Pin, PinProgress, PinsCounted } from '../node/control/pins.ts'
import type { SecurityCheck, SecurityEntry, SecurityReadOptions } from '../node/control/security.ts'
import type { MountStatus, NodeStatus, PeerStatus, VolumeStatus } from '../node/control/status.ts'
import type { Invitation, InviteRequest, TicketStatus } from '../node/control/tickets.ts'
import type { ScrubEvent, UpkeepOptions } from '../node/control/upkeep.ts'

/** As ColdClient, with all other calls. */
export class Client extends ColdClient implements NodeApi {
  status(options?: CallOptions): Promise<NodeStatus> {
    return this.call('status', {}, options)
  }

  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]> {
    return this.call('listPeers', {}, options)
  }

  addPeer(address: string, options?: CallOptions): Promise<PeerStatus> {
    return this.call('addPeer', { address }, options)
  }

  removePeer(
    peer: string,
    {
      volume,
      now,
      ...options
    }: CallOptions & {
      readonly volume?: string | undefined
      readonly now?: boolean | undefined
    } = {},
  ): Promise<void> {
    return this.call('removePeer', { peer, volume, now }, options)
  }

  peerInfo(peer: string, options?: CallOptions): Promise<PeerStatus> {
    return this.call('peerInfo', { peer }, options)
  }

  pingPeer(peer: string, options?: CallOptions): Promise<number> {
    return this.call('pingPeer', { peer }, options)
  }

  invite(request: InviteRequest, options?: CallOptions): Promise<Invitation> {
    return this.call('invite', request, options)
  }

  listTickets(options?: CallOptions): Promise<readonly TicketStatus[]> {
    return this.call('listTickets', {}, options)
  }

  revokeTickets(id: string | undefined, options?: CallOptions): Promise<readonly TicketStatus[]> {
    return this.call('revokeTickets', { id }, options)
  }

  join(ticket: string, options?: CallOptions): Promise<VolumeInfo> {
    return this.call('join', { ticket }, options)
  }

  createVolume(request: CreateVolumeRequest, options?: CallOptions): Promise<VolumeInfo> {
    return this.call('createVolume', request, options)
  }

  listVolumes(options?: CallOptions): Promise<readonly VolumeStatus[]> {
    return this.call('listVolumes', {}, options)
  }

  volumeInfo(volume: string, options?: CallOptions): Promise<VolumeInfo> {
    return this.call('volumeInfo', { volume }, options)
  }

  retryVolume(volume: string, options?: CallOptions): Promise<VolumeInfo> {
    return this.call('retryVolume', { volume }, options)
  }

  setVolume(volume: string, settings: Settings, options?: CallOptions): Promise<VolumeInfo> {
    return this.call('setVolume', { volume, settings }, options)
  }

  acceptCheckpoint(
    peer: string,
    { volume, ...options }: CallOptions & { readonly volume?: string | undefined } = {},
  ): Promise<VolumeInfo> {
    return this.call('acceptCheckpoint', { peer, volume }, options)
  }

  async *scrub({ volume, signal }: UpkeepOptions = {}): AsyncGenerator<readonly ScrubEvent[]> {
    yield* this.pages<ScrubEvent>(SCRUB_ROUTE, { volume }, { signal })
  }

  collectGarbage({ volume, signal }: UpkeepOptions = {}): Promise<GarbageReport> {
    return this.call('collectGarbage', { volume }, { signal })
  }

  addPin(
    path: string,
    { class: cls }: { readonly class: string },
    options?: CallOptions,
  ): Promise<ClassPin> {
    return this.call('addPin', { path, class: cls }, options)
  }

  addColdPin(path: string, tier: string, options?: CallOptions): Promise<ColdPin> {
    return this.call('addColdPin', { path, tier }, options)
  }

  async *addLocalPin(
    path: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<readonly PinProgress[]> {
    yield* this.pages<PinProgress>(LOCAL_PIN_ROUTE, { path }, { signal })
  }

  removePin(path: string, options?: CallOptions): Promise<void> {
    return this.call('removePin', { path }, options)
  }

  async *listPins({ volume, signal }: UpkeepOptions = {}): AsyncGenerator<
    readonly (PinsCounted | Pin)[]
  > {
    yield* this.pages<PinsCounted | Pin>(PINS_ROUTE, { volume }, { signal })
  }

  async *readSecurity({
    sinceMs,
    limit,
    follow,
    signal,
  }: CallOptions & SecurityReadOptions = {}): AsyncGenerator<readonly SecurityEntry[]> {
    yield* this.pages<SecurityEntry>(SECURITY_ROUTE, { sinceMs, limit, follow }, { signal })
  }

  checkSecurity(options?: CallOptions): Promise<SecurityCheck> {
    return this.call('checkSecurity', {}, options)
  }

  repair({ volume, signal }: UpkeepOptions = {}): Promise<void> {
    return this.call('repair', { volume }, { signal })
  }

  mount(folder: string, options: CallOptions & MountRequest = {}): Promise<MountStatus> {
    const { signal, ...how } = options
    return this.call('mount', { folder, ...how }, { signal })
  }

  unmount(
    folder: string,
    options: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    return this.call('unmount', { folder, force: options.force }, options)
  }

  listMounts(options?: CallOptions): Promise<readonly MountStatus[]> {
    return this.call('listMounts', {}, options)
  }

  /** Returns as soon as the node has begun to stop: it cannot answer once it has. */
  stop(): Promise<void> {
    return this.call('stop', {})
  }
}
