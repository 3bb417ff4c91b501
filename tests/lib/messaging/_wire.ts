/**
 * The wire as `mod.ts` describes it, written without the library: a socket that sends and reads frames.
 *
 * @module
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { until } from "../../_helpers.ts";

// The types of messages.
export const MESSAGE = 1;
export const REQUEST = 2;
export const REPLY = 3;
export const ERROR = 4;
export const CANCEL = 5;
export const HEARTBEAT = 6;
export const CLOSE = 7;

// The codes of a close.
export const CLOSED = 0x6D636C73;
export const PROTOCOL = 0x6D707274;
export const FULL = 0x66756C6C;

/** A message of the wire. */
export interface Message {
  type: number;
  id?: number;
  flags?: number;
  body?: Uint8Array | string;
  version?: number;
  zero?: number;
}

/** Header and body. */
export function messageOf(message: Message): Uint8Array<ArrayBuffer> {
  const { type, id = 0, flags = 0, body = "", version = 1, zero = 0 } = message;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const whole = new Uint8Array(8 + bytes.length);
  whole.set([version, type, flags, zero]);
  new DataView(whole.buffer).setUint32(4, id);
  whole.set(bytes, 8);
  return whole;
}

/** A frame of tcp. */
export function frameOf(message: Message): Uint8Array<ArrayBuffer> {
  const bytes = messageOf(message);
  const frame = new Uint8Array(4 + bytes.length);
  new DataView(frame.buffer).setUint32(0, bytes.length);
  frame.set(bytes, 4);
  return frame;
}

/** Several arrays of bytes as one. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** One end of a stream. */
export class RawSide implements AsyncDisposable {
  readonly socket: Socket;
  /** What has arrived, as `type id text`. */
  readonly messages: string[] = [];
  /** Whether FIN or RST has arrived. */
  hasEnded = false;
  #bytes = new Uint8Array();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(join([this.#bytes, chunk as Uint8Array])));
    socket.on("end", () => this.hasEnded = true);
    socket.on("close", () => this.hasEnded = true);
    socket.on("error", () => {});
  }

  #read(bytes: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (bytes.length - at >= 4 && bytes.length - at - 4 >= view.getUint32(at)) {
      const end = at + 4 + view.getUint32(at);
      const text = new TextDecoder().decode(bytes.subarray(at + 12, end));
      this.messages.push(`${bytes[at + 5]} ${view.getUint32(at + 8)} ${text}`.trim());
      at = end;
    }
    this.#bytes = bytes.slice(at);
  }

  send(...messages: Message[]): void {
    this.write(join(messages.map(frameOf)));
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits for a message. */
  async seen(message: string): Promise<void> {
    await until(() => this.messages.includes(message), 30_000, `${message}: ${this.messages}`);
  }

  /** Waits for the end of the stream. */
  async ended(): Promise<void> {
    await until(() => this.hasEnded, 30_000, "the end of the stream");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await until(() => this.socket.closed, 20_000, "the socket's close");
  }
}

/** Connects to a port of this machine. */
export async function rawConnect(port: number): Promise<RawSide> {
  const side = new RawSide(connect({ host: "127.0.0.1", port }));
  await once(side.socket, "connect");
  return side;
}

/** Listens, for one client after the other. */
export class RawServer implements AsyncDisposable {
  readonly sides: RawSide[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => this.sides.push(new RawSide(socket)));
  }

  static async listen(): Promise<RawServer> {
    const server = new RawServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The client that has come as the n-th. */
  side(index: number): Promise<RawSide> {
    return until(() => this.sides[index], 20_000, "a client");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.sides) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
