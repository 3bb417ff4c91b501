/**
 * The npm package `ws`, which speaks RFC 6455 here: handshake, frames, masks, UTF-8 and the closing handshake.
 *
 * It was chosen because one library gives one behaviour on the three runtimes. The servers built into them differ, and
 * none has all that is needed: `Deno.upgradeWebSocket` takes frames and messages of any size; `Bun.serve` and Deno
 * decide themselves on bad handshakes, and show neither the bytes on a socket nor its back-pressure in the same way;
 * crossws passes these differences on. `ws` works on any stream, so that what is decided before and beside it is ours:
 * statuses, deadlines, limits of frames, queues.
 *
 * The package is a dependency under the name `@enetjs/ws`, because Bun puts a module of its own in the place of
 * whatever is imported as `ws`: that one takes no streams.
 *
 * It is loaded when a server begins to listen, since it asks for variables of the environment when it is loaded.
 *
 * @module
 */
import type { Socket } from "node:net";
import { ENetError } from "../../errors.ts";

/** A connection as `ws` has it. */
export interface WsSocket {
  on(event: "message", listener: (data: Uint8Array<ArrayBuffer>, isBinary: boolean) => void): this;
  on(event: "ping" | "pong", listener: (data: Uint8Array) => void): this;
  on(event: "close", listener: (code: number, reason: Uint8Array) => void): this;
  on(event: "error", listener: (error: Error & { code: string }) => void): this;
  /** 1 is open. */
  readonly readyState: number;
  close(code?: number, reason?: string): void;
  pause(): void;
  resume(): void;
}

/** The part of a request that `ws` asks for. */
export interface UpgradeRequest {
  readonly method: "GET";
  readonly headers: Readonly<Record<string, string>>;
  readonly socket: Socket;
}

/** A server of `ws` that has no socket to listen on. */
export interface WsServer {
  handleUpgrade(
    request: UpgradeRequest,
    stream: Socket,
    head: Uint8Array,
    done: (socket: WsSocket) => void,
  ): void;
  on(event: "wsClientError", listener: (error: Error, stream: Socket) => void): this;
}

/** How a frame is encoded. */
interface FrameOptions {
  readonly opcode: number;
  readonly fin: true;
  readonly mask: false;
  readonly readOnly: true;
}

interface Library {
  readonly WebSocketServer: new (options: Readonly<Record<string, unknown>>) => WsServer;
  readonly Sender: {
    frame(data: Uint8Array, options: FrameOptions): Uint8Array[];
  };
}

let library: Library | undefined;

/**
 * Loads the package.
 *
 * @throws {ENetError} `ENETJS_ERR_PERMISSION` when Deno may not read the variables that the package asks for.
 * @throws {Error} When it is not installed, or what stands there is Bun's own module.
 */
export async function loadWs(): Promise<void> {
  if (library !== undefined) return;
  let loaded: Library;
  try {
    loaded = await import("@enetjs/ws") as unknown as Library;
  } catch (error) {
    if ((error as Error).name !== "NotCapable") throw error;
    throw new ENetError(
      "ENETJS_ERR_PERMISSION",
      "The package ws asks for two variables of the environment; run with " +
        "--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE",
      { cause: error },
    );
  }
  if (typeof loaded.Sender?.frame !== "function") {
    throw new Error(
      "Bun has put its own module in the place of ws, as it does for packages from JSR; " +
        "install the gateway from npm: bun add @enetjs/enet",
    );
  }
  library = loaded;
}

/** Makes a server that upgrades streams. Answering pings is left to `client.ts`. */
export function createWsServer(maximumMessageSize: number, closeTimeoutMs: number): WsServer {
  const { WebSocketServer } = library!;
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: maximumMessageSize,
    maxFragments: 16_384,
    // A message arrives in pieces of about 1,400 bytes at least, unless somebody takes pains to cut it smaller.
    maxBufferedChunks: 1024 + Math.ceil(maximumMessageSize / 256),
    closeTimeout: closeTimeoutMs,
  });
}

/** Encodes a frame, header and payload, for any number of clients, once the package is loaded. Copies the payload. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const [header, ...rest] = library!.Sender.frame(payload, {
    opcode,
    fin: true,
    mask: false,
    readOnly: true,
  });
  const frame = new Uint8Array(header.length + payload.length);
  frame.set(header);
  for (const part of rest) frame.set(part, header.length);
  return frame;
}

/** The close code that `ws` sends for a fault that it reports. */
export function codeOfFault({ code }: { readonly code: string }): number {
  if (code === "WS_ERR_INVALID_UTF8") return 1007;
  if (code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") return 1008;
  return code.startsWith("WS_ERR_UNSUPPORTED_") ? 1009 : 1002;
}
