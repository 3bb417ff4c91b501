/**
 * The package `ws`, which the benchmark installs in a folder of its own.
 *
 * @module
 */
import type { Server } from "node:https";
import { createRequire } from "node:module";

/** As much of `ws` as is used here. */
export interface Ws {
  WebSocketServer: new (options: WsOptions) => {
    on(name: "connection", listener: (socket: WsSocket) => void): void;
    on(name: "listening", listener: () => void): void;
    address(): { port: number };
  };
  WebSocket: typeof WebSocket;
}

interface WsOptions {
  host?: string;
  port?: number;
  server?: Server;
  perMessageDeflate?: boolean;
}

interface WsSocket {
  on(name: "message", listener: (data: Uint8Array) => void): void;
  send(data: Uint8Array): void;
}

/** Loads it from its folder. */
export function loadWs(folder: string): Ws {
  return createRequire(import.meta.url)(folder);
}
