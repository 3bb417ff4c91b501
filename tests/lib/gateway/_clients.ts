/**
 * Servers without pings, for the tests of their clients.
 *
 * @module
 */
import {
  listenSockets,
  type SocketClient,
  type SocketHandlers,
  type SocketServer,
  type SocketServerOptions,
} from "../../../lib/gateway/mod.ts";

/** The opcode of a close frame. */
export const CLOSE = 8;

/** Listens on a free port, and sends no pings unless asked to. */
export function listen(
  options: SocketServerOptions = {},
  handlers: SocketHandlers = {},
): Promise<SocketServer> {
  return listenSockets({ hostname: "127.0.0.1", pingIntervalMs: 0, ...options }, handlers);
}

/** The only client that a server has. */
export function only(server: SocketServer): SocketClient {
  const [client] = server.clients.values();
  return client;
}
