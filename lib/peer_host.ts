import type { Address, AddressLike } from "./address.ts";
import type { CloseOptions, Undelivered } from "./close.ts";
import type { HostStats } from "./host_stats.ts";
import type { Data, PacketFlag } from "./packet.ts";
import type { HostSettings } from "./settings.ts";

/**
 * The host of a peer, as `peer.host` gives it: the `Host` itself, without what concerns receiving and connecting.
 *
 * Its type names no class, so that `Host` may depend on `Peer`, and `Peer` need not depend on `Host`.
 */
export interface PeerHost<AnyPeer> extends HostSettings {
  /** The local address, also after the host is closed. */
  readonly address: Address;
  /** Whether the host is closed. */
  readonly closed: boolean;
  /** The connected peers whose connect events the program has taken. */
  readonly peers: AnyPeer[];
  /** Counters of the host since it was created; after it is closed, their last values. */
  readonly stats: HostStats;
  /** Queues a message to every connected peer, or to some of them; see `Host.broadcast`. */
  broadcast(
    channelId: number,
    data: Data,
    flags?: PacketFlag,
    options?: { to?: AnyPeer | Iterable<AnyPeer>; except?: AnyPeer | Iterable<AnyPeer> },
  ): number;
  /** Sends what is queued now; see `Host.flush`. */
  flush(): void;
  /** Sends a raw datagram from the host's socket; see `Host.sendDatagram`. */
  sendDatagram(address: AddressLike, data: Data): boolean;
  /** Closes the host; see `Host.close`. */
  close(options?: CloseOptions): Promise<Undelivered>;
}
