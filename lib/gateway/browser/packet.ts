import type { PacketFlag } from "../../packet_flag.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The bytes of a message, which belong to the program. It has what `Packet` of `@enetjs/enet` has for reading. */
export class EnetPacket {
  /** The bytes; their `buffer` holds nothing else. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How the message was sent. */
  readonly flags: PacketFlag;

  /**
   * Made by the library.
   *
   * @param bytes the bytes
   * @param flags how the message was sent
   */
  constructor(bytes: Uint8Array<ArrayBuffer>, flags: number) {
    this.bytes = bytes;
    this.flags = flags as PacketFlag;
  }

  /** Size in bytes. */
  get length(): number {
    return this.bytes.length;
  }

  /**
   * The bytes as UTF-8 text; malformed sequences become U+FFFD.
   *
   * @returns the text
   */
  text(): string {
    return decoder.decode(this.bytes);
  }
}

/** What iterating over an `EnetSocket` yields. */
export interface EnetMessage {
  /** The channel it came on, from 0. */
  readonly channelId: number;
  /** Its bytes. */
  readonly packet: EnetPacket;
}

/** The bytes of what a program sends. */
export function bytesOf(data: unknown): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (data instanceof EnetPacket) return data.bytes;
  throw new TypeError(`data must be text, a buffer, a view or a packet, not ${data}`);
}
