import { Buffer } from "node:buffer";
import { show } from "../internal/validate.ts";
import { type PacketFlag, viewOf } from "../packet.ts";
import { PACKET_FLAG } from "./constants.ts";

/** What can be sent: text (as UTF-8), or bytes. */
export type PacketData = string | Uint8Array | ArrayBufferLike | ArrayBufferView;

const KNOWN_FLAGS = PACKET_FLAG.RELIABLE | PACKET_FLAG.UNSEQUENCED |
  PACKET_FLAG.UNRELIABLE_FRAGMENT | PACKET_FLAG.SENT;

function flagsOf(flags: unknown): number {
  if (flags === undefined || flags === null) return 0;
  if (typeof flags !== "number") {
    throw new TypeError(`flags must be PACKET_FLAG bits, not ${show(flags)}`);
  }
  if (!Number.isInteger(flags) || (flags & ~KNOWN_FLAGS) !== 0) {
    throw new RangeError(`flags must be PACKET_FLAG bits, not ${flags}`);
  }
  return flags & ~PACKET_FLAG.SENT;
}

/** What the rest of this folder may do with packets. */
interface PacketInside {
  /** A packet over bytes that belong to it. */
  received(bytes: Buffer, flags: number): Packet;
  /** The bytes to send, or undefined once destroyed. */
  bytes(packet: Packet): Buffer | undefined;
  /** The flags as the library takes them: reliable wins, as in ENet. */
  flags(packet: Packet): PacketFlag;
  /** Notes that ENet has delivered or sent it. */
  sent(packet: Packet): void;
}

let inside: PacketInside;

/**
 * A message. It copies its bytes, and can be sent any number of times, to any peers.
 *
 * @example
 * ```ts
 * import { Packet, PACKET_FLAG } from "@enetjs/enet/compat";
 *
 * const packet = new Packet("hello", PACKET_FLAG.RELIABLE);
 * console.log(packet.data()?.toString(), packet.dataLength()); // hello 5
 * ```
 */
export class Packet {
  #bytes: Buffer | undefined;
  #flags: number;

  /**
   * Makes a packet of text or bytes.
   *
   * @param data what to send
   * @param flags {@linkcode PACKET_FLAG} bits. Default 0, unreliable
   * @throws {TypeError} if `data` is neither text nor bytes, or `flags` is no number
   * @throws {RangeError} for unknown flags
   */
  constructor(data: PacketData, flags?: number) {
    this.#flags = flagsOf(flags);
    this.#bytes = typeof data === "string" ? Buffer.from(data) : Buffer.from(viewOf(data));
  }

  /** The bytes, or undefined once destroyed. They stay valid. */
  data(): Buffer | undefined {
    return this.#bytes;
  }

  /** Length in bytes; 0 once destroyed. */
  dataLength(): number {
    return this.#bytes?.length ?? 0;
  }

  /** {@linkcode PACKET_FLAG} bits; 0 once destroyed. */
  flags(): number {
    return this.#bytes === undefined ? 0 : this.#flags;
  }

  /** Whether it has been delivered or, if it is unreliable, sent; known where `send` had a callback. */
  wasSent(): boolean {
    return (this.flags() & PACKET_FLAG.SENT) !== 0;
  }

  /** Frees the bytes. Messages that were sent from them are still delivered. */
  destroy(): void {
    this.#bytes = undefined;
  }

  static {
    inside = {
      received(bytes, flags) {
        const packet = new Packet("", 0);
        packet.#bytes = bytes;
        packet.#flags = flags;
        return packet;
      },
      bytes: (packet) => packet.#bytes,
      flags(packet) {
        const flags = packet.#flags & ~PACKET_FLAG.SENT;
        return ((flags & PACKET_FLAG.RELIABLE) !== 0 ? PACKET_FLAG.RELIABLE : flags) as PacketFlag;
      },
      sent: (packet) => void (packet.#flags |= PACKET_FLAG.SENT),
    };
  }
}

export const packets: PacketInside = inside;
