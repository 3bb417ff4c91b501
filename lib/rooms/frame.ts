/**
 * What hosts send each other, as bytes. A frame begins with the version of this protocol and its type. Frames come
 * from servers of the same program. They are checked all the same: a server of another version may be among them.
 *
 * @module
 */
import { PacketFlag } from "../packet_flag.ts";

/** The version of this protocol. */
const VERSION = 1;

/** Types of frames. */
export const FRAME = {
  /** Presence, see `presence_message.ts`. */
  PRESENCE: 1,
  /** A message to the members of the room, or to the user, of the topic. */
  MESSAGE: 2,
  /** A message to several rooms, or to all but some. */
  SEVERAL: 3,
  /** A message of a log, with those who do not get it. */
  LOGGED: 4,
  /** A message of a lease's holder, with its fence. */
  FENCED: 5,
} as const;

const FLAGS: readonly number[] = Object.values(PacketFlag);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes before the data of {@linkcode FRAME.MESSAGE}. */
const HEADER = 4;

/** Bytes of a peer in {@linkcode FRAME.LOGGED}: the host, and the number of the peer. */
const PEER_BYTES = 16;

/** As many peers may be left out of a logged message. */
export const MOST_EXCEPTED = 255;

/** Bytes that a frame has at most beside the data: the rooms of {@linkcode FRAME.SEVERAL} take the most. */
export const MOST_OVERHEAD = 65_536;

/** A message to peers. */
export interface FrameMessage {
  readonly channelId: number;
  readonly flags: PacketFlag;
  /** A part of the frame. */
  readonly data: Uint8Array;
}

/** Whom {@linkcode FRAME.SEVERAL} is for: topics. */
export interface Audience {
  readonly to: readonly string[];
  readonly except: readonly string[];
}

function frame(
  type: number,
  channelId: number,
  flags: number,
  header: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(HEADER + header.length + data.length);
  bytes[0] = VERSION;
  bytes[1] = type;
  bytes[2] = channelId;
  bytes[3] = flags;
  bytes.set(header, HEADER);
  bytes.set(data, HEADER + header.length);
  return bytes;
}

const NOTHING = new Uint8Array();

/** The frame of a message to one room or one user. */
export function encodeMessage(channelId: number, flags: number, data: Uint8Array): Uint8Array {
  return frame(FRAME.MESSAGE, channelId, flags, NOTHING, data);
}

/** The frame of a message to several rooms. */
export function encodeSeveral(
  audience: Audience,
  channelId: number,
  flags: number,
  data: Uint8Array,
): Uint8Array {
  const text = encoder.encode(JSON.stringify([audience.to, audience.except]));
  if (text.length >= MOST_OVERHEAD - HEADER) {
    throw new RangeError(
      `the names of the rooms have ${text.length} bytes, too many for a message`,
    );
  }
  const header = new Uint8Array(2 + text.length);
  new DataView(header.buffer).setUint16(0, text.length);
  header.set(text, 2);
  return frame(FRAME.SEVERAL, channelId, flags, header, data);
}

/** The frame of a message for a log. Peers are named as {@linkcode Member.id}. */
export function encodeLogged(
  except: readonly string[],
  channelId: number,
  flags: number,
  data: Uint8Array,
): Uint8Array {
  const header = new Uint8Array(1 + except.length * PEER_BYTES);
  const view = new DataView(header.buffer);
  header[0] = except.length;
  for (const [i, id] of except.entries()) {
    const [host, peer] = id.split("-");
    view.setBigUint64(1 + i * PEER_BYTES, BigInt(`0x${host}`));
    view.setBigUint64(9 + i * PEER_BYTES, BigInt(peer));
  }
  return frame(FRAME.LOGGED, channelId, flags, header, data);
}

/** The frame of a message of a lease's holder. */
export function encodeFenced(
  fence: number,
  channelId: number,
  flags: number,
  data: Uint8Array,
): Uint8Array {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(fence));
  return frame(FRAME.FENCED, channelId, flags, header, data);
}

/** The frame of presence. */
export function encodePresenceFrame(message: Uint8Array): Uint8Array {
  return frame(FRAME.PRESENCE, 0, 0, NOTHING, message);
}

/** The type of a frame; 0 for what is none of this version. */
export function typeOf(bytes: Uint8Array): number {
  const isFrame = bytes.length >= HEADER && bytes[0] === VERSION && bytes[2] < 255 &&
    FLAGS.includes(bytes[3]);
  return isFrame ? bytes[1] : 0;
}

/** The data of a frame of one of the types, which begins at an offset behind the common header. */
function messageOf(bytes: Uint8Array, offset = 0): FrameMessage {
  return {
    channelId: bytes[2],
    flags: bytes[3] as PacketFlag,
    data: bytes.subarray(HEADER + offset),
  };
}

/** What follows the header of a frame of presence, or of {@linkcode FRAME.MESSAGE}. */
export const decodeMessage = (bytes: Uint8Array): FrameMessage => messageOf(bytes);

/** Topics have letters, digits and few other characters, see `topicOf`. */
const isTopics = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.every((topic) => typeof topic === "string" && /^[\w.=-]{1,640}$/.test(topic));

/** Reads a frame of {@linkcode FRAME.SEVERAL}; undefined when it is damaged. */
export function decodeSeveral(bytes: Uint8Array): FrameMessage & Audience | undefined {
  if (bytes.length < HEADER + 2) return undefined;
  const length = bytes[HEADER] << 8 | bytes[HEADER + 1];
  const start = HEADER + 2;
  if (start + length > bytes.length) return undefined;
  try {
    const [to, except] = JSON.parse(decoder.decode(bytes.subarray(start, start + length)));
    if (!isTopics(to) || !isTopics(except)) return undefined;
    return { to, except, ...messageOf(bytes, 2 + length) };
  } catch {
    return undefined;
  }
}

/** Reads a frame of {@linkcode FRAME.LOGGED}; undefined when it is damaged. */
export function decodeLogged(
  bytes: Uint8Array,
): FrameMessage & { readonly except: readonly string[] } | undefined {
  const count = bytes[HEADER] ?? 0;
  const length = 1 + count * PEER_BYTES;
  if (bytes.length < HEADER + length) return undefined;
  const except: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset + HEADER);
  for (let at = 1; at < length; at += PEER_BYTES) {
    const host = view.getBigUint64(at).toString(16).padStart(16, "0");
    except.push(`${host}-${view.getBigUint64(at + 8)}`);
  }
  return { except, ...messageOf(bytes, length) };
}

/** Reads a frame of {@linkcode FRAME.FENCED}; undefined when it is damaged. */
export function decodeFenced(
  bytes: Uint8Array,
): FrameMessage & { readonly fence: number } | undefined {
  if (bytes.length < HEADER + 8) return undefined;
  const fence = Number(new DataView(bytes.buffer, bytes.byteOffset + HEADER).getBigUint64(0));
  return Number.isSafeInteger(fence) ? { fence, ...messageOf(bytes, 8) } : undefined;
}
