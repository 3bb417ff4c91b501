/**
 * A WebSocket client made of a TCP socket, which can say anything: half a handshake, wrong frames, bytes cut anywhere.
 * It uses nothing of the library under test.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import type { SocketServer } from "../../../lib/gateway/socket/contract.ts";
import { withDeadline } from "../../_helpers.ts";

/** Time that one step of a test may take. */
export const STEP_MS = 30_000;

/** A frame that a server has sent. */
export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** How a frame is made. What is left out is as it should be. */
export interface FrameShape {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length that the header claims. Default: that of the payload. */
  readonly claimed?: number | bigint;
}

const MASK = Buffer.from([0x12, 0xF3, 0x56, 0x9A]);

/** A frame of a client. */
export function frame(opcode: number, payload: string | Uint8Array = "", shape: FrameShape = {}) {
  const { fin = true, rsv = 0, masked = true } = shape;
  const bytes = Buffer.from(payload as string);
  const size = BigInt(shape.claimed ?? bytes.length);
  const first = Number(fin) << 7 | rsv << 4 | opcode;
  const flag = masked ? 0x80 : 0;
  const header = Buffer.alloc(10);
  header[0] = first;
  let length = 2;
  if (size < 126n) header[1] = flag | Number(size);
  else if (size < 65_536n) {
    header[1] = flag | 126;
    header.writeUInt16BE(Number(size), 2);
    length = 4;
  } else {
    header[1] = flag | 127;
    header.writeBigUInt64BE(size, 2);
    length = 10;
  }
  if (!masked) return Buffer.concat([header.subarray(0, length), bytes]);
  const hidden = Buffer.from(bytes.map((byte, i) => byte ^ MASK[i % 4]));
  return Buffer.concat([header.subarray(0, length), MASK, hidden]);
}

/** The payload of a close frame. */
export function closing(code: number, reason: string | Uint8Array = ""): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason as string)]);
}

/** The headers of a handshake, with changes; `undefined` leaves one out. */
export function handshake(
  changes: Readonly<Record<string, string | undefined>> = {},
  line = "GET / HTTP/1.1",
): string {
  const headers: Record<string, string | undefined> = {
    Host: "localhost",
    Upgrade: "websocket",
    Connection: "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line}\r\n${lines.join("")}\r\n`;
}

/** As much of a server as is needed to connect. */
type Listening = Pick<SocketServer, "address" | "url">;

/** A connection to a server. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #hasEnded = false;
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk as Buffer]);
      this.#change();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#hasEnded = true;
        this.#change();
      });
    }
    socket.on("error", () => {});
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Waits until something is so, or the server has ended the connection. */
  async #until(condition: () => boolean, what: string): Promise<void> {
    while (!condition() && !this.#hasEnded) {
      await withDeadline(this.#changed.promise, STEP_MS, what);
    }
  }

  /** Connects, without a handshake. */
  static async connect(server: Listening, options: tls.ConnectionOptions = {}) {
    const { address } = server;
    const isTls = server.url.startsWith("wss");
    const socket = "unixSocket" in address
      ? net.connect({ path: address.unixSocket })
      : isTls
      ? tls.connect({ host: "127.0.0.1", port: address.port, ...options })
      : net.connect({ host: "127.0.0.1", port: address.port, noDelay: true });
    const client = new RawClient(socket);
    await withDeadline(
      new Promise((resolve, reject) => {
        socket.once(isTls ? "secureConnect" : "connect", () => resolve(undefined));
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("the connection was closed")));
      }),
      STEP_MS,
      "a connection",
    );
    return client;
  }

  /** Connects, and does the handshake. */
  static async open(server: Listening, headers: Record<string, string | undefined> = {}) {
    const client = await RawClient.connect(server);
    client.write(handshake(headers));
    const head = await client.head();
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`The handshake was refused: ${head}`);
    return client;
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** What has come and was not taken. */
  get received(): Buffer {
    return this.#received;
  }

  /** Whether the server has ended the connection. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** The head of the answer to a handshake; all that came when the server ended before. */
  async head(): Promise<string> {
    const end = () => this.#received.indexOf("\r\n\r\n");
    await this.#until(() => end() >= 0, "the answer to a handshake");
    return this.#take(end() < 0 ? this.#received.length : end() + 4).toString("latin1");
  }

  /** The next frame; `undefined` when the server has ended the connection. */
  async next(): Promise<Frame | undefined> {
    await this.#until(() => this.#size() !== undefined, "a frame");
    const size = this.#size();
    if (size === undefined) return undefined;
    const bytes = this.#take(size.header + size.payload);
    return {
      fin: bytes[0] >= 0x80,
      rsv: bytes[0] >> 4 & 7,
      opcode: bytes[0] & 15,
      payload: bytes.subarray(size.header),
    };
  }

  /** The sizes of the first frame, once it is whole. */
  #size(): { header: number; payload: number } | undefined {
    const bytes = this.#received;
    if (bytes.length < 2) return undefined;
    const short = bytes[1] & 0x7F;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < header) return undefined;
    const payload = short === 126
      ? bytes.readUInt16BE(2)
      : short === 127
      ? Number(bytes.readBigUInt64BE(2))
      : short;
    return bytes.length < header + payload ? undefined : { header, payload };
  }

  /** All frames until the connection ends, as `text hello`, `pong 1`, `close 1000`. */
  async transcript(): Promise<string[]> {
    const lines: string[] = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) {
      lines.push(describe(next));
      if (next.opcode === 8) this.socket.end();
    }
    return lines;
  }

  /** Resolves when the server has ended the connection. */
  async ended(): Promise<void> {
    await this.#until(() => false, "the end of a connection");
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }
}

const NAMES: Readonly<Record<number, string>> = {
  0: "continuation",
  1: "text",
  2: "binary",
  8: "close",
  9: "ping",
  10: "pong",
};

function show(payload: Uint8Array, isBinary: boolean): string {
  if (payload.length > 40) {
    const digest = createHash("sha1").update(payload).digest("hex").slice(0, 8);
    return `of ${payload.length} bytes, ${digest}`;
  }
  return Buffer.from(payload).toString(isBinary ? "hex" : "utf8");
}

/** A frame as one line. */
export function describe({ fin, rsv, opcode, payload }: Frame): string {
  const name = NAMES[opcode] ?? `opcode ${opcode}`;
  const flags = `${fin ? "" : " (more)"}${rsv === 0 ? "" : ` (rsv ${rsv})`}`;
  if (opcode === 8) return `close ${payload.length < 2 ? "" : payload.readUInt16BE(0)}`.trim();
  return `${name}${flags} ${show(payload, opcode === 2)}`.trim();
}
