import { loadedLibrary } from "../ffi/loader.ts";
import { decoder, encoder } from "../ffi/utf8.ts";
import { CLOSED, DISPOSED, type Gone, OWNED } from "./internal/borrowing.ts";
import { bytesOf, transfer } from "./internal/buffers.ts";
import type { HostMemory } from "./internal/host_memory.ts";
import { count, makeInspectable, preview } from "./internal/inspect.ts";
import { keepWith, releasedError, traceView } from "./internal/lending.ts";
import { requireLibrary } from "./internal/library.ts";
import { NativePacket } from "./internal/native_packet.ts";
import { integer } from "./internal/validate.ts";
import { PacketFlag } from "./packet_flag.ts";
import { type PacketFromOptions, planFrom, sharedBytes } from "./packet_from.ts";

export { PacketFlag };

/** What can be sent: text (as UTF-8), any buffer or view of one, or a packet. */
export type Data = string | ArrayBufferLike | ArrayBufferView | Packet;

/**
 * Where a packet's bytes are. One object for many packets, so that a received message takes no more
 * memory than its packet: the arena that it lies in, or what has become of it.
 */
type Source = typeof OWNED | HostMemory | NativePacket | Gone;

/** Frees packets that were not disposed of. */
const registry = new FinalizationRegistry<NativePacket>((packet) => packet.release());

/** What the rest of the library may do with packets, and users may not. */
interface PacketInside {
  /** A packet over the arena of a host, which becomes `until` when its borrowing ends. */
  fromArena(memory: HostMemory, offset: number, length: number, flags: number, until: Gone): Packet;
  /** A packet over a received native one, which becomes `until` when its borrowing ends. */
  fromNative(packet: NativePacket, flags: number, until: Gone): Packet;
  /** A packet of bytes that are its own, received and borrowed until its event is over. */
  fromBytes(bytes: Uint8Array<ArrayBuffer>, flags: number, until: Gone): Packet;
  /** Makes the bytes of a borrowed packet independent of the event ring and of the host. */
  own(packet: Packet): void;
  /** Whether the bytes are in native memory, which native code counts. */
  isNative(packet: Packet): boolean;
  /** Lends the packet to another consumer, unless it is retained. */
  lend(packet: Packet, until: Gone): void;
  /** Ends the borrowing, unless the packet is retained. */
  release(packet: Packet): void;
  /** Ends it because the host is closed. */
  close(packet: Packet): void;
  /** The memory of the arena that the bytes are in; undefined for any other packet. */
  memory(packet: Packet): HostMemory | undefined;
  /** Where the bytes are now, and that they are about to be sent from there. */
  send(packet: Packet): Source;
  /** Where in the arena they are. */
  offset(packet: Packet): number;
  /** The bytes as they are now, to be copied at once. */
  current(packet: Packet): Uint8Array;
}

let inside: PacketInside;

/**
 * The bytes of one message.
 *
 * A received packet is borrowed: until its handler returns, until the next iteration, or until the next `service`.
 * An `async` handler returns at its first `await`. Later every use of it throws `ENETJS_ERR_RELEASED`.
 * {@linkcode Packet.bytes} makes a copy that stays, {@linkcode Packet.retain} keeps the packet itself, and sending
 * it on makes no copy in JavaScript. Packets above 64 KiB lie in ENet's own memory, smaller ones in an arena.
 *
 * A packet that was retained or allocated is freed by {@linkcode Packet.dispose}, or by the garbage
 * collector.
 *
 * @example
 * ```ts
 * import { Packet } from "@enetjs/enet";
 *
 * using packet = Packet.alloc(4);
 * new DataView(packet.view.buffer, packet.view.byteOffset).setUint32(0, 1337);
 * console.log(packet.length, packet.bytes); // 4 Uint8Array(4) [ 0, 0, 5, 57 ]
 * ```
 */
export class Packet implements Disposable {
  /** Size in bytes. */
  readonly length: number;
  /** How it was received. What is sent on is reliable unless `send` is told otherwise. */
  readonly flags: PacketFlag;
  #source: Source;
  /** Where in the arena the bytes are, as long as they are there. */
  readonly #offset: number;
  /** The bytes in JavaScript memory: all there is, or a copy that has been asked for. */
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  /** What the packet becomes when its borrowing ends, or undefined if it is not borrowed. */
  #until: Gone | undefined;

  private constructor(
    source: Source,
    length: number,
    flags: number,
    bytes?: Uint8Array<ArrayBuffer>,
    until?: Gone,
    offset = 0,
  ) {
    if (source === undefined || typeof length !== "number") {
      throw new TypeError("A Packet is made by Packet.from(data), or comes with a message");
    }
    this.length = length;
    this.flags = flags as PacketFlag;
    this.#source = source;
    this.#offset = offset;
    this.#bytes = bytes;
    this.#until = until;
  }

  static #owned(bytes: Uint8Array<ArrayBuffer>): Packet {
    return new Packet(OWNED, bytes.length, PacketFlag.RELIABLE, bytes);
  }

  static #native(source: NativePacket, flags: number, until?: Gone): Packet {
    const packet = new Packet(source, source.length, flags, undefined, until);
    registry.register(packet, source, source);
    return packet;
  }

  /**
   * A packet of existing bytes.
   *
   * @param data text, a buffer, a view, or another packet
   * @param options whether the bytes are copied, taken over or shared
   * @returns a packet that can be sent any number of times, to any number of peers
   * @throws {TypeError} if `data` is none of these, is detached, or can't be taken that way
   * @throws {ENetError} `ENETJS_ERR_RELEASED` for a packet whose event is over; to share,
   *   `ENETJS_ERR_LIBRARY` before this thread's first host
   */
  static from(data: Data, options: PacketFromOptions = {}): Packet {
    const ownership = planFrom(options);
    if (ownership === "share") return Packet.#share(data);
    const bytes = ownership === "transfer"
      ? transfer(data)
      : typeof data === "string"
      ? encoder.encode(data)
      : new Uint8Array(viewOf(data));
    return Packet.#owned(bytes);
  }

  static #share(data: Data): Packet {
    const bytes = sharedBytes(data);
    if (bytes.length === 0) return Packet.from(bytes);
    return Packet.#native(NativePacket.share(requireLibrary(), bytes), PacketFlag.RELIABLE);
  }

  /**
   * A packet of zeros to write into, through {@linkcode Packet.view}, and then to send without a copy.
   * Sending it empties its views, because queued bytes must not change.
   *
   * Before this thread's first host it is JavaScript memory, and sending copies it. So it is where Deno's
   * permission does not allow pointers.
   *
   * @param length size in bytes, 0–2,147,483,647
   * @returns the packet; it may be sent again, to any number of peers
   * @throws {RangeError} if `length` is out of range
   * @throws {ENetError} `ENETJS_ERR_MEMORY`
   */
  static alloc(length: number): Packet {
    integer(length, "length", 0, 2 ** 31 - 1);
    const library = loadedLibrary();
    if (length === 0 || library?.runtime.map === undefined) {
      return Packet.#owned(new Uint8Array(length));
    }
    const source = NativePacket.create(library, length);
    source.writable = true;
    return Packet.#native(source, PacketFlag.RELIABLE);
  }

  /**
   * A copy of the bytes that belongs to the program. It stays valid after the packet; its `buffer` holds
   * nothing else and may be transferred. The first access copies; later ones return the same array.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes?.length === this.length) return this.#bytes;
    const source = this.#source;
    if (source.kind === "arena" && !source.stolen) {
      return this.#bytes = source.copy(this.#offset, this.length);
    }
    if (source.kind === "native" && source.shared === undefined) {
      const bytes = source.read();
      // What is still being written may change after the copy.
      if (!source.writable) this.#bytes = bytes;
      return bytes;
    }
    return this.#bytes = new Uint8Array(this.#peek());
  }

  /**
   * The bytes, without a copy where that is possible; of a packet that shares memory, a copy. Its `buffer`
   * may hold more than the packet and must not be transferred.
   *
   * Valid until the packet's event is over, or until an iteration over a single peer of the host begins.
   * After {@linkcode Packet.retain} it is valid until the packet is disposed of. After that a view is empty,
   * or still shows these bytes, but never others.
   *
   * Do not write to the view of a received packet that was sent on: the other peer may or may not get the
   * change.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone
   */
  get view(): Uint8Array<ArrayBuffer> {
    const source = this.#source;
    if (source.kind === "arena") {
      if (source.stolen) throw releasedError(this, source.theft);
      if (source.debug) traceView(this);
      const { length } = this;
      if (!source.copies(length)) return source.lend(this.#offset, length);
      const copy = source.copy(this.#offset, length);
      // Writes to it must be visible in later views.
      this.#own(copy);
      return copy;
    }
    // A view of shared memory could not be had as one of an ArrayBuffer, which platforms ask for.
    if (source.kind === "native") {
      return source.shared === undefined ? this.#nativeView(source) : this.bytes;
    }
    const isWhole = this.#bytes?.length === this.length;
    if (source.kind === "owned" && isWhole) return this.#bytes as Uint8Array<ArrayBuffer>;
    throw releasedError(
      this,
      source.kind === "owned" ? "its buffer was transferred away" : source.why,
    );
  }

  #nativeView(packet: NativePacket): Uint8Array<ArrayBuffer> {
    const buffer = packet.map();
    if (buffer === undefined) return this.bytes;
    if (buffer.detached) throw releasedError(this, "its buffer was transferred away");
    if (packet.debug) traceView(this);
    const view = new Uint8Array(buffer);
    keepWith(view, this);
    return view;
  }

  #own(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#source = OWNED;
  }

  /**
   * The bytes as an ArrayBuffer of exactly their size, over native memory that does not move, for other
   * native libraries. Valid as {@linkcode Packet.view} is, and only while the program holds the packet
   * itself. A packet that lies elsewhere is copied to native memory once.
   *
   * Where Deno's permission does not allow pointers, it is a copy.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone, `ENETJS_ERR_LIBRARY` before this
   *   thread's first host, `ENETJS_ERR_MEMORY`
   */
  get arrayBuffer(): ArrayBuffer {
    const buffer = this.#promote()?.map();
    if (buffer === undefined) return new Uint8Array(this.bytes).buffer;
    if (buffer.detached) throw releasedError(this, "its buffer was transferred away");
    return buffer;
  }

  /**
   * The address of the bytes, for a call of another native library; 0 when there are none. Valid as
   * {@linkcode Packet.arrayBuffer} is. A packet that lies elsewhere is copied to native memory once.
   *
   * @throws {ENetError} as {@linkcode Packet.arrayBuffer}
   */
  get pointer(): bigint {
    const source = this.#source;
    const packet = source.kind === "native" ? source : this.#promote();
    return BigInt(packet?.address ?? 0);
  }

  /**
   * Number of references to the packet's native memory: this object, and each queued or unacknowledged
   * message that was sent from it. 1 for bytes in JavaScript memory or in the arena, 0 when the packet is
   * gone. For debugging.
   */
  get refCount(): number {
    const source = this.#source;
    if (source.kind === "native") return source.references;
    return source.kind === "gone" ? 0 : 1;
  }

  /**
   * Keeps the packet after its event, and after its host, until {@linkcode Packet.dispose}. Above 64 KiB this
   * copies nothing.
   *
   * @returns this packet
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone
   */
  retain(): this {
    const source = this.#source;
    if (source.kind === "gone") throw releasedError(this, source.why);
    if (source.kind === "native") source.keep(false);
    else packets.own(this);
    this.#until = undefined;
    return this;
  }

  /**
   * Frees the packet's memory. Its views become empty. Messages that were sent from it are still delivered. A
   * second call does nothing.
   */
  dispose(): void {
    this.#leave(DISPOSED);
  }

  /** Does what {@linkcode Packet.dispose} does. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * The bytes as UTF-8 text; malformed sequences become U+FFFD.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` as for {@linkcode Packet.view}
   */
  text(): string {
    return decoder.decode(this.#peek());
  }

  /** The bytes for the moment, without lending them to the program. */
  #peek(): Uint8Array {
    const source = this.#source;
    if (source.kind === "native" && source.shared !== undefined) return source.shared;
    if (source.kind !== "arena" || source.stolen) return this.view;
    return source.peek(this.#offset, this.length);
  }

  /** Moves the bytes to native memory, if there are any. */
  #promote(): NativePacket | undefined {
    const source = this.#source;
    if (this.length === 0) return undefined;
    if (source.kind === "native" && source.shared === undefined) return source;
    const bytes = this.#peek();
    const packet = NativePacket.create(requireLibrary(), this.length);
    packet.write(bytes);
    registry.register(this, packet, packet);
    if (source.kind === "native") this.#drop(source);
    this.#source = packet;
    return packet;
  }

  #drop(packet: NativePacket): void {
    registry.unregister(packet);
    packet.release();
  }

  #leave(gone: Gone): void {
    const source = this.#source;
    if (source.kind === "gone") return;
    this.#source = gone;
    this.#bytes = undefined;
    if (source.kind === "native") this.#drop(source);
  }

  #describe(): string {
    const size = count(this.length, "byte");
    const source = this.#source;
    if (source.kind === "gone") return `${size}, gone: ${source.why}`;
    const isReadable = source.kind === "owned" || source.kind === "arena" && !source.stolen;
    // Looking at native memory would keep the packet.
    const bytes = this.#bytes ?? (isReadable ? this.#peek() : undefined);
    return bytes === undefined || this.length === 0 ? size : `${size}, ${preview(bytes)}`;
  }

  static {
    makeInspectable(this.prototype, "Packet", (packet) => packet.#describe());
    inside = {
      fromArena(memory, offset, length, flags, until) {
        return new Packet(memory, length, flags, undefined, until, offset);
      },
      fromNative(packet, flags, until) {
        return Packet.#native(packet, flags, until);
      },
      fromBytes(bytes, flags, until) {
        return new Packet(OWNED, bytes.length, flags, bytes, until);
      },
      own(packet) {
        const source = packet.#source;
        if (source.kind === "native") source.keep(true);
        else if (source.kind === "arena") packet.#own(packet.bytes);
      },
      isNative: (packet) => packet.#source.kind === "native",
      lend(packet, until) {
        if (packet.#until !== undefined) packet.#until = until;
      },
      release(packet) {
        const until = packet.#until;
        if (until !== undefined) packet.#leave(until);
      },
      close(packet) {
        if (packet.#until !== undefined) packet.#leave(CLOSED);
      },
      memory(packet) {
        const source = packet.#source;
        return source.kind === "arena" && !source.stolen ? source : undefined;
      },
      send(packet) {
        const source = packet.#source;
        if (source.kind === "gone") throw releasedError(packet, source.why);
        if (source.kind === "native" && source.writable) {
          source.writable = false;
          source.detach();
        }
        return source;
      },
      offset: (packet) => packet.#offset,
      current(packet) {
        const source = packet.#source;
        return (source.kind === "native" ? source.shared : undefined) ?? packet.view;
      },
    };
  }
}

export const packets: PacketInside = inside;

/** Bytes of a buffer, a view or a packet. */
export function viewOf(data: unknown): Uint8Array {
  return data instanceof Packet ? packets.current(data) : bytesOf(data);
}
