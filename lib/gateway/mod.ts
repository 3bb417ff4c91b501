/**
 * The gateway: browsers reach ENet over WebSockets. {@linkcode Gateway} makes them peers of a host. Below it is a
 * WebSocket server, {@linkcode listenSockets}, which can be used by itself.
 *
 * @example A WebSocket server that sends each message to everybody
 * ```ts
 * import { listenSockets } from "@enetjs/enet/gateway";
 *
 * await using server = await listenSockets({ hostname: "127.0.0.1", path: "/chat" }, {
 *   message(client, bytes, isText) {
 *     server.broadcast(isText ? new TextDecoder().decode(bytes) : bytes);
 *   },
 * });
 * console.log(server.clients.size); // 0
 * ```
 *
 * @module
 */
export type {
  CloseServerOptions,
  Message,
  PreparedMessage,
  SendOptions,
  SlowPolicy,
  SocketAddress,
  SocketClient,
  SocketHandlers,
  SocketRequest,
  SocketServer,
  SocketServerOptions,
  SocketServerStats,
  SocketState,
  SocketTls,
  Verdict,
} from "./socket/contract.ts";
export type { Distribution, MetricFamily, MetricSample } from "../metrics/family.ts";
export { Gateway, type GatewayStats } from "./gateway.ts";
export type { GatewayOptions, WebRtcOptions } from "./options.ts";
export type { GatewayRefusals } from "./reception.ts";
export type { WebRtcStats } from "./rtc_server.ts";
export { prepareMessage } from "./socket/message.ts";
export { listenSockets } from "./socket/server.ts";
