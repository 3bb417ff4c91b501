/**
 * The interface of npm's `enet`, over this library: programs written for that package run when they
 * import this module in its place.
 *
 * @example A server and a client
 * ```ts
 * import * as enet from "@enetjs/enet/compat";
 *
 * enet.createServer({ address: { address: "127.0.0.1", port: 0 } }, (error, server) => {
 *   if (error || !server) throw error;
 *   server.on("message", (_peer, packet, channel) => {
 *     console.log(channel, packet.data()?.toString()); // 0 hello
 *   });
 *   server.start();
 *
 *   enet.createClient((error, client) => {
 *     if (error || !client) throw error;
 *     const peer = client.connect(server.address()!, 1, 1337, () => {
 *       peer?.send(0, "hello", () => {
 *         client.destroy();
 *         setTimeout(() => server.destroy(), 50);
 *       });
 *     });
 *   });
 * });
 * ```
 *
 * @module
 */
export { type AddressFilter } from "../address_filter.ts";
export { ENetError, type ENetErrorCode } from "../errors.ts";
export { type DisconnectReason } from "../disconnect.ts";
export { type HostStats } from "../host_stats.ts";
export { type PeerStats } from "../peer_stats.ts";
export { type TimeoutOptions } from "../tuning.ts";
export { Address, type AddressInfo, type AddressLike } from "./address.ts";
export { PACKET_FLAG, PEER_STATE } from "./constants.ts";
export {
  type CreateCallback,
  createClient,
  createClientAsync,
  createServer,
  createServerAsync,
  createServerFromSocket,
  createServerFromSocketAsync,
} from "./create.ts";
export { init, type PacketFilter } from "./filter.ts";
export { Host, type HostEvents } from "./host.ts";
export { type HostOptions } from "./options.ts";
export { Packet, type PacketData } from "./packet.ts";
export { type ConnectCallback, Peer, type PeerEvents } from "./peer.ts";
export { type SendCallback } from "./sending.ts";
export { type UdpSocket } from "./socket_bridge.ts";
