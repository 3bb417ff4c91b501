/**
 * ENet, the reliable-UDP protocol of games and realtime tools, for Deno, Bun and Node.
 *
 * Runs on Deno 2.9.4, Bun 1.4 and Node 26.10, or later, and on Node 22 and 24 with npm's `koffi`. What was
 * tested where stands in `docs/platforms.md`. The native part comes from the npm package of the platform, also when the sources
 * come from JSR. On Bun and Node, install the library from npm. Deno needs `--allow-ffi`.
 *
 * @example A server and a client
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using server = await Host.listen({ hostname: "127.0.0.1", peers: 64 }, {
 *   receive: (peer, channelId, packet) => peer.send(channelId, packet),
 * });
 *
 * await using client = await Host.create();
 * const peer = await client.connect(server.address, { channels: 2, data: 1337 });
 * peer.send(0, "hello");
 * for await (const { channelId, packet } of peer) {
 *   console.log(channelId, packet.text()); // 0 hello
 *   break;
 * }
 * ```
 *
 * @module
 */
export {
  type ActiveConditions,
  type ConditionStats,
  type DatagramFates,
} from "./lib/active_conditions.ts";
export { type Accept, type AcceptVerdict, type ConnectAttempt } from "./lib/admission.ts";
export { type Address, type AddressLike } from "./lib/address.ts";
export { type AddressFilter } from "./lib/address_filter.ts";
export { type Capture, type CaptureOptions, type CaptureStats } from "./lib/capture.ts";
export { type CloseOptions, type Undelivered } from "./lib/close.ts";
export {
  type AddressConditions,
  type BurstLoss,
  type Conditions,
  type LinkConditions,
  LinkQuality,
  type TwoWayConditions,
} from "./lib/conditions.ts";
export { type ConnectOptions, type RetryOptions } from "./lib/connect.ts";
export { type Diagnostics, diagnostics, type Versions, versions } from "./lib/diagnostics.ts";
export { DisconnectCode, type DisconnectReason, type PeerEnd } from "./lib/disconnect.ts";
export {
  ENetError,
  type ENetErrorCode,
  ERROR_MEANINGS,
  type TokenFault,
  type Unreachable,
} from "./lib/errors.ts";
export {
  type ConnectEvent,
  type DatagramEvent,
  type DisconnectEvent,
  type HostEvent,
  type HostHandlers,
  type MovedEvent,
  type ReceiveEvent,
} from "./lib/events.ts";
export {
  type Cipher,
  type ConnectSecurity,
  type HostSecurity,
  type KeyPairLike,
} from "./lib/encryption.ts";
export { Group, type GroupSendOptions } from "./lib/group.ts";
export { type BroadcastOptions, Host } from "./lib/host.ts";
export { type HostStats, type RefusalStats, type SecurityStats } from "./lib/host_stats.ts";
export {
  type AddressLimits,
  type Limits,
  type PeerLimits,
  type RateLimit,
  type ResolvedLimits,
  type ResolvedRate,
} from "./lib/limits.ts";
export { type PeerMessage, type ReceiveOptions } from "./lib/message.ts";
export { type HostOptions, type ListenOptions } from "./lib/options.ts";
export { type Data, Packet, PacketFlag } from "./lib/packet.ts";
export { type PacketFromOptions } from "./lib/packet_from.ts";
export { Peer } from "./lib/peer.ts";
export { type PeerHost } from "./lib/peer_host.ts";
export { PEER_STATES, type PeerState } from "./lib/peer_state.ts";
export { type PeerStats } from "./lib/peer_stats.ts";
export { type HostSettings } from "./lib/settings.ts";
export { SharedPort, type SharedPortOptions } from "./lib/shared_port.ts";
export { type StreamChunk, type WritableOptions } from "./lib/streams.ts";
export { type ThrottleOptions, type TimeoutOptions } from "./lib/tuning.ts";
