/**
 * The subprotocol `enet.1`: what a browser and a gateway say to each other in the messages of a WebSocket.
 *
 * Every message is binary. Its first byte is a channel, 0 to 254, or 255 for control. Numbers are big-endian. What is
 * not allowed here is a fault, which ends the connection.
 *
 * A data frame carries a message of the program, or a part of one:
 *
 *     channel u8 | flags u8 | payload
 *
 * The flags are 0, 1, 2, 8 or 10, as in ENet, and `MORE` (128) in every part but the last. Every part but the last has
 * exactly `FRAGMENT` bytes. Only one message of a direction is in parts at a time; whole messages of other channels may
 * come between its parts.
 *
 * A control frame begins with 255, then its type:
 *
 *     HELLO   255 | 1 | channels u8 | data u32 | window u32          browser to gateway, first
 *     WELCOME 255 | 2 | channels u8 | window u32 | largest u32       gateway to browser, first
 *     PING    255 | 3 | token u32
 *     PONG    255 | 4 | token u32 | taken u32
 *
 * OFFER and ANSWER, which agree on a data channel of WebRTC, are in `signalling.ts`, and what goes over that channel in
 * `unreliable_path.ts`.
 *
 * A data frame costs its payload and `FRAME_COST`. A side begins a frame only while the frames that the other side has
 * not taken cost less than its window. `taken` is the cost of all frames that it has taken, modulo 2³². A PING is answered by
 * a PONG with its token at once; a side that has answered for less than it has received sends a PONG with token 0 when
 * it has taken more. There is one PING under way in a direction at a time, and its token is not 0.
 *
 * Either side ends the connection by a close frame: its code says why, its reason is the 32-bit data of the disconnect
 * in decimal, empty for 0.
 *
 * This file is shared by both sides, and runs in browsers.
 *
 * @module
 */

/** The name of the subprotocol. */
export const PROTOCOL = "enet.1";

/** The first byte of control frames. */
export const CONTROL = 255;

/** Types of control frames. */
export const TYPE = { HELLO: 1, WELCOME: 2, PING: 3, PONG: 4, OFFER: 5, ANSWER: 6 } as const;

/** The flag of every part of a message but the last. */
export const MORE = 128;

/** Payload of every part but the last, and the most of the last one. */
export const FRAGMENT = 16_384;

/** What a data frame costs beside its payload. */
export const FRAME_COST = 64;

/** Bytes before the payload. */
export const HEADER = 2;

/** The flag of messages that arrive in any order. */
export const UNSEQUENCED = 2;

/** Flags that a message may have. */
export const FLAGS: readonly number[] = [0, 1, 2, 8, 10];

/** Close codes of the protocol. */
export const CLOSE = {
  /** The program has disconnected. */
  DISCONNECT: 4000,
  /** The gateway does not let the browser in. */
  REFUSED: 4001,
  /** Nothing has been heard of the other side for too long. */
  TIMEOUT: 4002,
  /** The other side has exceeded a limit. */
  LIMIT: 4003,
  /** The other side has broken the rules of the protocol. */
  FAULT: 4004,
} as const;

/** How a connection has ended. */
export interface WireEnd {
  /** `"refused"` only before the WELCOME. */
  readonly reason: "remote" | "timeout" | "reset" | "refused";
  /** The 32-bit data of the disconnect, or 0. */
  readonly data: number;
}

/** The reason of a close frame that carries the data of a disconnect. */
export function closeReason(data: number): string {
  return data === 0 ? "" : String(data);
}

/** What a close frame of the other side means; 1006 stands for none, and on Deno 0. */
export function endOf(code: number, text: string): WireEnd {
  const data = /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : 0;
  switch (code) {
    case CLOSE.REFUSED:
      return { reason: "refused", data };
    case CLOSE.DISCONNECT:
    case CLOSE.LIMIT:
      return { reason: "remote", data };
    case 1000: // a WebSocket of another program was closed
    case 1001: // a page was left, or a server shut down
    case 1005:
      return { reason: "remote", data: 0 };
    case CLOSE.TIMEOUT:
    case 1006:
    case 0:
      return { reason: "timeout", data: 0 };
    default:
      return { reason: "reset", data: 0 };
  }
}

/** The frames of a message; the bytes are copied. */
export function encodeMessage(channelId: number, flags: number, bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let start = 0;
  do {
    const part = bytes.subarray(start, start += FRAGMENT);
    const frame = new Uint8Array(HEADER + part.length);
    frame[0] = channelId;
    frame[1] = start < bytes.length ? flags | MORE : flags;
    frame.set(part, HEADER);
    frames.push(frame);
  } while (start < bytes.length);
  return frames;
}

function control(type: number, ...numbers: readonly number[]): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(HEADER + 4 * numbers.length));
  view.setUint16(0, CONTROL << 8 | type);
  numbers.forEach((number, i) => view.setUint32(HEADER + 4 * i, number % 2 ** 32));
  return view;
}

const bytesOf = (view: DataView<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(view.buffer);

export function encodePing(token: number): Uint8Array {
  return bytesOf(control(TYPE.PING, token));
}

export function encodePong(token: number, taken: number): Uint8Array {
  return bytesOf(control(TYPE.PONG, token, taken));
}

/** A frame with channels before its numbers. */
function greeting(type: number, channels: number, a: number, b: number): Uint8Array<ArrayBuffer> {
  const view = control(type, a, b);
  const bytes = new Uint8Array(view.byteLength + 1);
  bytes.set(bytesOf(view).subarray(0, HEADER));
  bytes[HEADER] = channels;
  bytes.set(bytesOf(view).subarray(HEADER), HEADER + 1);
  return bytes;
}

/** What a browser says first. */
export interface Hello {
  /** Channels that it asks for, 1–255. */
  readonly channels: number;
  /** The data of the connect. */
  readonly data: number;
  /** Cost of the frames that it takes at once. */
  readonly window: number;
}

/** What a gateway says first. */
export interface Welcome {
  /** Channels of the connection, 1–255. */
  readonly channels: number;
  /** Cost of the frames that it takes at once. */
  readonly window: number;
  /** Bytes of the largest message that it takes. */
  readonly largest: number;
}

export function encodeHello({ channels, data, window }: Hello): Uint8Array<ArrayBuffer> {
  return greeting(TYPE.HELLO, channels, data, window);
}

export function encodeWelcome({ channels, window, largest }: Welcome): Uint8Array<ArrayBuffer> {
  return greeting(TYPE.WELCOME, channels, window, largest);
}

/** The numbers of a greeting of a type, or undefined where it is something else. */
function decodeGreeting(type: number, bytes: Uint8Array): [number, number, number] | undefined {
  if (bytes.length !== HEADER + 9 || bytes[0] !== CONTROL || bytes[1] !== type) return undefined;
  const channels = bytes[HEADER];
  if (channels === 0) return undefined;
  return [channels, u32(bytes, HEADER + 1), u32(bytes, HEADER + 5)];
}

/** Decodes a HELLO; undefined where it is none. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  const [channels, data, window] = decodeGreeting(TYPE.HELLO, bytes) ?? [];
  return channels && window ? { channels, data: data!, window } : undefined;
}

/** Decodes a WELCOME; undefined where it is none. */
export function decodeWelcome(bytes: Uint8Array): Welcome | undefined {
  const [channels, window, largest] = decodeGreeting(TYPE.WELCOME, bytes) ?? [];
  return channels && window ? { channels, window, largest: largest! } : undefined;
}

/** A number in a frame. */
export function u32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset);
}

/** Whether a data frame obeys the rules that need no state. */
export function isDataFrame(bytes: Uint8Array, channels: number): boolean {
  if (bytes.length < HEADER || bytes[0] >= channels) return false;
  const length = bytes.length - HEADER;
  const isPart = (bytes[1] & MORE) !== 0;
  return FLAGS.includes(bytes[1] & ~MORE) && (isPart ? length === FRAGMENT : length <= FRAGMENT);
}
