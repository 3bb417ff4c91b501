import type { ActiveConditions } from "./active_conditions.ts";
import type { AddressFilter } from "./address_filter.ts";
import type { Accept } from "./admission.ts";
import type { ResolvedLimits } from "./limits.ts";

/**
 * What can be read and assigned on a live host. Each is also an option of `Host.listen` and `Host.create`. A wrong
 * value is a {@linkcode TypeError} or {@linkcode RangeError} and changes nothing. Assigning to a closed host
 * throws `ENETJS_ERR_CLOSED`.
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
  /** Most channels of a connection that others open, 1–255. Default 255. */
  channels: number;
  /** Downstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  incomingBandwidth: number;
  /** Upstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  outgoingBandwidth: number;
  /** Compression of datagrams; both sides must have the same. Default `"none"`. */
  compression: "none" | "range-coder";
  /**
   * Checksum of datagrams; both sides must have the same. `"crc32"` depends on the connect id, 32 random bits
   * of each connection. So an attacker that cannot read its datagrams cannot forge one, such as a disconnect,
   * from a peer's address. It is no encryption. Default `"none"`.
   */
  checksum: "none" | "crc32";
  /**
   * Largest datagram in bytes, 576–4096, of connections that this host opens; the other side uses the same.
   * Default 1400; while it has that value, all connections over IPv6 have at most 1232.
   */
  mtu: number;
  /** Most peers of one IPv4 address, or of the /64 of an IPv6 address, 1–4095. Default 4095. */
  duplicatePeers: number;
  /** Largest packet that is sent or received, in bytes. Default 33,554,432 (32 MiB). */
  maximumPacketSize: number;
  /**
   * Received bytes of one peer that may wait in native memory for the program, with 64 more for every
   * message. Above it nothing more is acknowledged, and the other side's queue grows. All the native memory
   * of a connection stays below `maximumWaitingData` + `maximumPacketSize` + 1 MiB, whatever its peer sends.
   * Messages that an ended connection has left waiting count towards the next connections of its address.
   * Default 33,554,432 (32 MiB).
   */
  maximumWaitingData: number;
  /**
   * Bytes for what all peers have sent: messages, events and datagrams that wait, in native memory and in
   * JavaScript, and packets that are lent to the program. What the program keeps itself does not
   * count. When half of it is in use, each peer has an equal share of the last quarter. The host refuses data of a
   * peer that has used its share, so that one cannot starve the others. The third quarter is for messages that have
   * begun to arrive; only the parts that have arrived count. At the limit the host refuses all data and new
   * connections. At least the sum of `maximumWaitingData` and `maximumPacketSize`, or 0. Default 0, which stands
   * for 268,435,456 (256 MiB), or for twice that sum where that is more. What is read is the number of bytes in
   * force.
   */
  maximumHostData: number;
  /** The socket's receive buffer (`SO_RCVBUF`) in bytes. Default 262,144, ENet's. */
  receiveBufferSize: number;
  /** The socket's send buffer (`SO_SNDBUF`) in bytes. Default 262,144, ENet's. */
  sendBufferSize: number;
  /**
   * Milliseconds of silence of this thread, 1–60000, after which the pump acknowledges and pings
   * in its place. Default 10.
   */
  stallLimitMs: number;
  /**
   * How much may be unacknowledged to a peer, and how fast it leaves. `"adaptive"`: it follows the link, see
   * docs/real-networks.md; ENet's 64 KiB are the least. `"enet"`: ENet's
   * window, 64 KiB. A window that a bandwidth limit has set stays ENet's. Default `"adaptive"`.
   */
  congestion: "adaptive" | "enet";
  /**
   * Whether this thread stays awake for the next message, which then comes without the delay of a wake-up;
   * the event loop goes on meanwhile. `"auto"` stays awake for 100 µs, as long as the messages of one peer
   * follow each other that closely. `"always"` stays awake for 1 ms after every event. Default `"auto"`.
   */
  spin: "never" | "auto" | "always";
  /**
   * Milliseconds, 1–60000, for which the program is given messages before timers and sockets get their turn. All
   * hosts and channels of a thread share them: a flood on one host delays a timer by about that long. A call of
   * `service()` gives handlers messages for as long, and leaves the others for the next call. Default 5.
   */
  turnBudgetMs: number;
  /**
   * Bytes queued to one peer above which `send` returns false, until no more than half of them are.
   * Default 262,144 (256 KiB). Of what is on the way over a link with distance, 64 KiB count: the window does
   * not need a higher mark.
   */
  highWaterMark: number;
  /**
   * What ENet may drop in place of sending it, for peers that connect afterwards. With `"game"`, unreliable
   * messages leave when they are sent, unless a bandwidth limit is exceeded. With `"enet"`, ENet's throttle also
   * works while round trips take longer than they did. It then drops a share of the unreliable messages, and sends
   * reliable ones in a smaller window. `peer.throttle()` sets the throttle of one connection in either case.
   * Default `"game"`.
   */
  throttle: "game" | "enet";
  /**
   * What peers that connect afterwards are asked for. With `"game"`, the host sends them a THROTTLE_CONFIGURE with
   * deceleration 0. A peer on ENet then drops nothing either when its round trips take longer. Default
   * `"unchanged"`: nothing is sent.
   */
  remoteThrottle: "unchanged" | "game";
  /**
   * Whether datagrams that are not ENet's are reported; never empty ones, those above 4096 bytes, and those that
   * claim to come from port 0. Default false.
   */
  datagrams: boolean;
  /**
   * Which addresses may talk to the host. Native code applies it before ENet sees a datagram. A connected
   * peer that is denied times out. What is read is frozen; assign an {@linkcode AddressFilter}. Default all.
   */
  filter: Readonly<Required<AddressFilter>>;
  /**
   * How much may come from an address and from a peer; assign {@linkcode Limits}. A limit that is absent from an
   * assigned object gets its default. Accounts keep what they have used. What is read is frozen: assign a
   * whole object, `host.limits = { ...host.limits, peer: { … } }`. Default 1024 connections a second for each
   * address, with a burst of 4096, and nothing else.
   */
  limits: ResolvedLimits;
  /**
   * A simulated network between the host and its socket, for tests; assign {@linkcode Conditions} or `null`. It can
   * be assigned at any time, as a whole. The random decisions and the counters start anew then. What is under
   * way arrives when it would have; after `null`, it arrives at once. What is read is frozen. Default `null`.
   *
   * Where libenet's calls do not reach this library, assigning conditions is `ENETJS_ERR_UNGUARDED`.
   */
  conditions: ActiveConditions | null;
  /**
   * Decides which clients may connect, before a client has an answer and before it takes a peer. A client that is
   * refused gets `ENETJS_ERR_REFUSED` with the number in `error.data`. A client on ENet in C gets a disconnect
   * event with that number. See docs/connecting.md. With undefined, every client may. An attempt that is being
   * decided stays with the function that was called for it. Default undefined.
   *
   * It is for a host that listens: on one of `Host.create`, to which nobody can connect, assigning a function
   * is a {@linkcode TypeError}. Where nothing protects the host, it is `ENETJS_ERR_UNGUARDED`.
   */
  accept: Accept | undefined;
}
