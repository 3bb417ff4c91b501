import type { Native } from "../ffi/symbols.ts";
import { show } from "./_validate.ts";
import type { Memory } from "./_memory.ts";
import { copyBytes } from "./_slab.ts";
import { check, ENetError } from "./errors.ts";

/** What can be sent: text (as UTF-8), any buffer or view of one, or a packet. */
export type Data = string | ArrayBufferLike | ArrayBufferView | Packet;

/**
 * How a packet is sent; ENet's names and numbers. 0 is unreliable and sequenced.
 *
 * Source: `ENetPacketFlag` in `enet/enet.h`.
 */
export const PacketFlag = {
  /** May be lost, never arrives after a later one of its channel. */
  UNRELIABLE: 0,
  /** Arrives exactly once and in order, or the connection ends. */
  RELIABLE: 1,
  /** May be lost, and may arrive in any order. */
  UNSEQUENCED: 2,
  /** An unreliable packet over the MTU goes in unreliable fragments, not in reliable ones. */
  UNRELIABLE_FRAGMENT: 8,
} as const;

/** Where a packet's bytes are. */
type Source =
  /** In JavaScript memory of their own. */
  | { readonly kind: "owned"; readonly bytes: Uint8Array }
  /** In the arena of a host, until the event is over. */
  | { readonly kind: "arena"; readonly memory: Memory; readonly offset: number }
  /** In a native packet, until the event is over. */
  | { readonly kind: "native"; readonly native: Native; readonly handle: number }
  /** Nowhere any more. */
  | { readonly kind: "released" };

const RELEASED: Source = { kind: "released" };

/** A packet over a source. */
export let createPacket: (source: Source, length: number, flags: number) => Packet;
/** Ends the borrowing; a packet whose bytes have been copied keeps them. */
export let releasePacket: (packet: Packet) => void;
/** Where the bytes are now. */
export let sourceOf: (packet: Packet) => Source;

/**
 * The bytes of one message.
 *
 * A received packet borrows native memory until its event is over: until the next iteration, the
 * next `service`, or the return of the handler. {@linkcode Packet.bytes} in that time makes a copy
 * that stays; sending the packet on in that time makes none in JavaScript.
 *
 * @example
 * ```ts
 * import { Packet } from "@enetjs/enet";
 *
 * const packet = Packet.from("hello");
 * console.log(packet.length, packet.text()); // 5 hello
 * ```
 */
export class Packet {
  /** Size in bytes. */
  readonly length: number;
  /**
   * The {@linkcode PacketFlag} bits it was received with. What is sent on is reliable unless
   * `send` is told otherwise.
   */
  readonly flags: number;
  #source: Source;

  private constructor(source: Source, length: number, flags: number) {
    this.#source = source;
    this.length = length;
    this.flags = flags;
  }

  /**
   * A packet of bytes that are copied now.
   *
   * @param data text, a buffer, a view, or another packet
   * @returns a packet that can be sent any number of times, to any number of peers
   * @throws {TypeError} if it is none of these, or a detached buffer
   * @throws {ENetError} `ENETJS_ERR_RELEASED` for a packet whose event is over
   */
  static from(data: Data): Packet {
    const bytes = typeof data === "string"
      ? new TextEncoder().encode(data)
      : copyBytes(viewOf(data));
    return new Packet({ kind: "owned", bytes }, bytes.length, PacketFlag.RELIABLE);
  }

  /**
   * The bytes, in memory of their own that is valid for ever. The first access while they are
   * borrowed copies them; later ones return the same array.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the event is over and they were never copied
   */
  get bytes(): Uint8Array {
    if (this.#source.kind === "owned") return this.#source.bytes;
    const bytes = this.#copy();
    this.#leave({ kind: "owned", bytes });
    return bytes;
  }

  /**
   * The bytes without a copy where there need be none. Valid only until the event is over, or until
   * somebody begins to iterate over a peer; what is read through a view that was kept longer is not
   * this packet.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the event is over
   */
  get view(): Uint8Array {
    const source = this.#source;
    return source.kind === "arena"
      ? source.memory.bytes.subarray(source.offset, source.offset + this.length)
      : this.bytes;
  }

  /**
   * The bytes as UTF-8 text; malformed sequences become U+FFFD.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` as for {@linkcode Packet.bytes}
   */
  text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  #copy(): Uint8Array {
    const source = this.#source;
    if (source.kind === "arena") return copyBytes(this.view);
    if (source.kind === "native") {
      const bytes = new Uint8Array(this.length);
      check(
        source.native.enetjs_packet_read(source.handle, bytes, bytes.length),
        "Reading a packet",
      );
      return bytes;
    }
    throw new ENetError(
      "ENETJS_ERR_RELEASED",
      `The packet of ${this.length} bytes was borrowed for its event, which is over: read its bytes in time`,
    );
  }

  #leave(next: Source): void {
    const source = this.#source;
    this.#source = next;
    if (source.kind === "native") source.native.enetjs_packet_release(source.handle);
  }

  // What the rest of the library may do, and users may not.
  static {
    createPacket = (source, length, flags) => new Packet(source, length, flags);
    releasePacket = (packet) => {
      if (packet.#source.kind !== "owned") packet.#leave(RELEASED);
    };
    sourceOf = (packet) => packet.#source;
  }
}

/** Bytes of a buffer, a view or a packet. */
export function viewOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return live(data, data.buffer);
  if (data instanceof Packet) return data.view;
  if (ArrayBuffer.isView(data)) {
    return live(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), data.buffer);
  }
  if (data instanceof ArrayBuffer && !data.detached) return new Uint8Array(data);
  if (data instanceof SharedArrayBuffer) return new Uint8Array(data);
  if (data instanceof ArrayBuffer) throw new TypeError("data is a detached ArrayBuffer");
  throw new TypeError(
    `data must be a string, an ArrayBuffer, a view of one or a Packet, not ${show(data)}`,
  );
}

function live(bytes: Uint8Array, buffer: ArrayBufferLike): Uint8Array {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError("data is a view of a detached ArrayBuffer");
  }
  return bytes;
}
