import type { AddressFilter } from "./address.ts";
import type { Accept } from "./admission.ts";
import type { ResolvedLimits } from "./limits.ts";

/**
 * What can be read and assigned on a live host; {@linkcode HostOptions} says more about each. Values are
 * checked like options: a wrong one is a {@linkcode TypeError} or {@linkcode RangeError} and changes nothing.
 * Assigning to a closed host throws `ENETJS_ERR_CLOSED`.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1" });
 * host.duplicatePeers = 4;
 * host.limits = { peer: { messages: { perSecond: 100 } } };
 * console.log(host.duplicatePeers, host.limits.peer.messages.burst); // 4 100
 * ```
 */
export interface HostSettings {
  /** Most channels of a connection that others open from now on. */
  channels: number;
  /** Downstream bandwidth in bytes per second, 0 for unlimited. */
  incomingBandwidth: number;
  /** Upstream bandwidth in bytes per second, 0 for unlimited. */
  outgoingBandwidth: number;
  /** Compression of datagrams. Both sides must change together. */
  compression: "none" | "range-coder";
  /** Checksum of datagrams. Both sides must change together. */
  checksum: "none" | "crc32";
  /** Largest datagram in bytes of connections that this host opens from now on. */
  mtu: number;
  /** Most peers of one IPv4 address; more that are connected stay. */
  duplicatePeers: number;
  /** Largest packet that is sent or received, in bytes. */
  maximumPacketSize: number;
  /** Received bytes of one peer that may wait for the program. */
  maximumWaitingData: number;
  /** Bytes for what all peers have sent and the program has not taken; 0 restores the default. */
  maximumHostData: number;
  /** The socket's receive buffer in bytes, as asked for; the system may grant less. */
  receiveBufferSize: number;
  /** The socket's send buffer in bytes, as asked for; the system may grant less. */
  sendBufferSize: number;
  /** Milliseconds of silence of this thread after which the pump services in its place. */
  stallLimitMs: number;
  /** Whether this thread stays awake for the next message. */
  spin: "never" | "auto" | "always";
  /** Milliseconds for which messages are handed out before timers and sockets get their turn. */
  turnBudgetMs: number;
  /** Bytes queued to one peer above which `send` returns false. */
  highWaterMark: number;
  /** Whether datagrams that are not ENet's are reported. */
  datagrams: boolean;
  /** Which addresses may talk to the host. What is read is frozen; assign an {@linkcode AddressFilter}. */
  filter: Readonly<Required<AddressFilter>>;
  /** How much may come from an address and from a peer. What is read is frozen; assign {@linkcode Limits}. */
  limits: ResolvedLimits;
  /** Decides who may connect from now on, of a host that listens; undefined: everybody may. */
  accept: Accept | undefined;
}
