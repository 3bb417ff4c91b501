/**
 * What the `gateway` command runs: the other side of its WebSocket clients.
 *
 * @module
 */
import type { Metric } from "./metrics.ts";
import type { SocketHandlers, SocketServer } from "./socket_contract.ts";

/** What the gateway does with its clients. */
export interface GatewayMode {
  /** What the server calls. */
  readonly handlers: SocketHandlers;
  /** Works until its own end, or the call of `close`. @throws {Error} When it cannot go on. */
  run(server: SocketServer): Promise<void>;
  /** Ends it. The clients are gone by then. */
  close(): Promise<void>;
  /** What it counts. */
  metrics(): Metric[];
}
