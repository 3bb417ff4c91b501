/**
 * What the server and the clients of the gateway's measurement agree on.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  CONTROL,
  encodeHello,
  encodePing,
  encodePong,
  FRAME_COST,
  HEADER,
  PROTOCOL,
  TYPE,
  u32,
} from "../../lib/gateway/link/wire.ts";
import { HOSTNAME } from "./_common.ts";

/** The first byte of a message that begins a stream to its client. */
export const STREAM = 1;

/** The stream: so many bytes at a time, and how often. It is 1.3 MB a second. */
export const STREAM_BYTES = 65_536;
/** See above. */
export const STREAM_EVERY_MS = 50;

/** How clients speak, beside the frames of WebSockets. */
export interface Dialect {
  /** The subprotocol that they ask for. */
  readonly protocol: string | undefined;
  /** What a client says first, which the server answers. */
  readonly greeting: Uint8Array | undefined;
  /** What a client says once a second. */
  ping(): Uint8Array | undefined;
  /** Bytes before the program's in a message. */
  readonly header: Uint8Array;
}

/** Messages as they are. */
export const BARE: Dialect = {
  protocol: undefined,
  greeting: undefined,
  ping: () => undefined,
  header: new Uint8Array(0),
};

let token = 0;

/** As an `EnetSocket` speaks: reliable messages on channel 0. */
export const ENET: Dialect = {
  protocol: PROTOCOL,
  greeting: encodeHello({ channels: 1, data: 0, window: 131_072 }),
  ping: () => encodePing(++token),
  header: Uint8Array.of(0, 1),
};

/** What a client answers, and counts. */
export class Answers {
  #taken = 0;

  /** The answer to a message of the gateway; `"data"` for one that is the program's. */
  to(message: Uint8Array): Uint8Array | "data" | undefined {
    if (message[0] !== CONTROL) {
      this.#taken += message.length - HEADER + FRAME_COST;
      return "data";
    }
    return message[1] === TYPE.PING ? encodePong(u32(message, HEADER), this.#taken) : undefined;
  }
}

/** The request of a client for a subprotocol, or none. */
export function request(protocol: string | undefined): string {
  return `GET / HTTP/1.1\r\nHost: ${HOSTNAME}\r\nUpgrade: websocket\r\n` +
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    (protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`) +
    "Sec-WebSocket-Version: 13\r\n\r\n";
}

/** A frame whose mask is zero, which leaves a short payload as it is. */
export function frameOf(payload: Uint8Array, opcode = 2): Buffer {
  return Buffer.concat([Uint8Array.of(0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}

/** Takes the frames of a server out of the chunks in which they come. */
export class FrameReader {
  readonly #frame: (opcode: number, payload: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(frame: (opcode: number, payload: Buffer) => void) {
    this.#frame = frame;
  }

  /** Takes a chunk. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1];
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length - at < header) break;
      const size = short < 126
        ? short
        : short === 126
        ? bytes.readUInt16BE(at + 2)
        : Number(bytes.readBigUInt64BE(at + 2));
      if (bytes.length - at < header + size) break;
      const opcode = bytes[at] & 15;
      at += header;
      this.#frame(opcode, bytes.subarray(at, at += size));
    }
    this.#rest = bytes.subarray(at);
  }
}
