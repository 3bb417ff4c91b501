import { type Library, loadedLibrary } from "../ffi/loader.ts";
import { count, makeInspectable, preview } from "./internal/inspect.ts";
import { requireLibrary } from "./internal/library.ts";
import type { Memory } from "./internal/memory.ts";
import { NativePacket } from "./internal/native_packet.ts";
import { copyBytes } from "./internal/slab.ts";
import { integer, oneOf, options as checkOptions, show } from "./internal/validate.ts";
import { ENetError } from "./errors.ts";

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
  /** In a native packet. */
  | { readonly kind: "native"; readonly packet: NativePacket }
  /** Nowhere any more; why. */
  | { readonly kind: "gone"; readonly why: string };

/** Frees what nobody disposes of. */
const registry = new FinalizationRegistry<NativePacket>((packet) => packet.release());

/** A view of native memory keeps its packet, or the collector would empty it. */
const owners = new WeakMap<Uint8Array, Packet>();

/** What the rest of the library may do with packets, and users may not. */
interface PacketInternals {
  /** A packet over the arena of a host, borrowed until `until`. */
  fromArena(
    library: Library,
    memory: Memory,
    offset: number,
    length: number,
    flags: number,
    until: string,
  ): Packet;
  /** A packet over a received native one, borrowed until `until`. */
  fromNative(
    library: Library,
    handle: number,
    length: number,
    flags: number,
    until: string,
  ): Packet;
  /** Makes a borrowed packet independent of the event ring and of the host. */
  own(packet: Packet): void;
  /** Ends the borrowing; what has been copied or retained stays. */
  release(packet: Packet): void;
  /** Where the bytes are now, and that they are about to be sent from there. */
  send(packet: Packet): Source;
}

/** What the rest of the library may do with packets, and users may not. */
export let packets: PacketInternals;

/** How `Packet.from` takes the bytes. */
export interface PacketFromOptions {
  /**
   * - `"copy"`: they are copied now, and changing the source afterwards changes nothing;
   * - `"transfer"`: an ArrayBuffer is taken over without a copy; the caller's, and every view of it,
   *   is empty afterwards;
   * - `"share"`: a SharedArrayBuffer, or a view of one, is sent from where it is, without a copy, and
   *   kept until ENet is done with it. Changing it before then may change what is sent, or sent again.
   *   As long as such a packet is under way, the host's pump does not service in this thread's place.
   *
   * Default `"copy"`.
   */
  ownership?: "copy" | "transfer" | "share";
}

/**
 * The bytes of one message.
 *
 * A received packet borrows native memory until its event is over: until the next iteration, the
 * next `service`, or the return of the handler. In that time {@linkcode Packet.bytes} makes a copy
 * that stays, {@linkcode Packet.retain} keeps the packet itself, and sending it on makes no copy in
 * JavaScript. Packets above 64 KiB lie in ENet's own memory, smaller ones in an arena.
 *
 * What is retained or allocated is freed by {@linkcode Packet.dispose}, or once the collector has
 * found nobody to use it.
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
  /**
   * The {@linkcode PacketFlag} bits it was received with. What is sent on is reliable unless
   * `send` is told otherwise.
   */
  readonly flags: number;
  #source: Source;
  #library: Library | undefined;
  /** A copy that has been asked for. */
  #bytes: Uint8Array | undefined;
  /** Until when it is borrowed, or undefined if it is not. */
  #until: string | undefined;
  /** Where the program took the first view, in debug mode. */
  #lentAt = "";
  /** Whether the bytes are the program's to write, until they are sent. */
  #writable = false;

  private constructor(source: Source, length: number, flags: number) {
    this.#source = source;
    this.length = length;
    this.flags = flags;
    if (source.kind === "native") registry.register(this, source.packet, source.packet);
  }

  /**
   * A packet of bytes that exist already.
   *
   * @param data text, a buffer, a view, or another packet
   * @param options whether the bytes are copied, taken over or shared
   * @returns a packet that can be sent any number of times, to any number of peers
   * @throws {TypeError} if `data` is none of these, is detached, or can't be taken that way
   * @throws {ENetError} `ENETJS_ERR_RELEASED` for a packet whose event is over; to share,
   *   `ENETJS_ERR_LIBRARY` before this thread's first host
   */
  static from(data: Data, options: PacketFromOptions = {}): Packet {
    checkOptions(options, "options", ["ownership"]);
    const ownership = oneOf(options.ownership ?? "copy", "ownership", [
      "copy",
      "transfer",
      "share",
    ]);
    if (ownership === "share") return Packet.#share(data);
    const bytes = ownership === "transfer"
      ? transfer(data)
      : typeof data === "string"
      ? new TextEncoder().encode(data)
      : copyBytes(viewOf(data));
    return new Packet({ kind: "owned", bytes }, bytes.length, PacketFlag.RELIABLE);
  }

  static #share(data: Data): Packet {
    if (typeof data === "string" || data instanceof Packet) {
      throw new TypeError(`data must be a SharedArrayBuffer to be shared, not ${show(data)}`);
    }
    const bytes = viewOf(data);
    if (!(bytes.buffer instanceof SharedArrayBuffer)) {
      throw new TypeError(
        `data must be a SharedArrayBuffer or a view of one to be shared, not ${show(data)}`,
      );
    }
    if (bytes.length === 0) return Packet.from(bytes);
    const packet = NativePacket.share(requireLibrary(), bytes);
    return new Packet({ kind: "native", packet }, bytes.length, PacketFlag.RELIABLE);
  }

  /**
   * A packet of zeros to write into, through {@linkcode Packet.view}, and then to send without a
   * copy. Sending it empties its views: what is under way can't be changed.
   *
   * Before this thread's first host, and where Deno's permission does not allow pointers, it is
   * JavaScript memory, and sending copies it.
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
      const bytes = new Uint8Array(length);
      return new Packet({ kind: "owned", bytes }, length, PacketFlag.RELIABLE);
    }
    const source = { kind: "native", packet: NativePacket.create(library, length) } as const;
    const packet = new Packet(source, length, PacketFlag.RELIABLE);
    packet.#writable = true;
    return packet;
  }

  /**
   * The bytes, in memory of their own that is valid for ever. The first access copies them; later
   * ones return the same array. Its `buffer` may be larger and hold other packets: mind `byteOffset`,
   * or take `bytes.slice().buffer`.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone and they were never copied
   */
  get bytes(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes;
    const source = this.#source;
    if (source.kind === "owned") return this.#bytes = source.bytes;
    const bytes = source.kind === "native" && source.packet.shared === undefined
      ? source.packet.read()
      : copyBytes(this.#peek());
    // What is still being written may change after the copy.
    if (!this.#writable) this.#bytes = bytes;
    return bytes;
  }

  /**
   * The bytes without a copy where there need be none. Its `buffer` may hold more than the packet and
   * must not be transferred.
   *
   * Valid until the packet's event is over or, after {@linkcode Packet.retain}, until it is disposed
   * of; also, unless it is retained, until somebody begins to iterate over a single peer of the
   * host. After that a view of it is empty, or still shows these bytes, but never others.
   *
   * Writing to the view of a received packet changes what a peer gets to which it has been sent on,
   * or not, depending on what is under way.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone
   */
  get view(): Uint8Array {
    const source = this.#source;
    if (source.kind === "owned") return source.bytes;
    if (source.kind === "arena") {
      if (source.memory.stolen) throw this.#released("its buffer was transferred away");
      this.#trace();
      const view = source.memory.lend(source.offset, this.length);
      // What is written to it must be seen by who looks again.
      if (source.memory.copies(this.length)) this.#source = { kind: "owned", bytes: view };
      return view;
    }
    if (source.kind === "native") return this.#nativeView(source.packet);
    if (this.#bytes !== undefined) return this.#bytes;
    throw this.#released(source.why);
  }

  #nativeView(packet: NativePacket): Uint8Array {
    if (packet.shared !== undefined) return packet.shared;
    const buffer = packet.map();
    if (buffer === undefined) return this.bytes;
    if (buffer.detached) throw this.#released("its buffer was transferred away");
    this.#trace();
    const view = new Uint8Array(buffer);
    owners.set(view, this);
    return view;
  }

  /** In debug mode, notes where the program took the first view. */
  #trace(): void {
    if (this.#library?.debug && this.#lentAt === "") this.#lentAt = callSite();
  }

  /**
   * The bytes as an ArrayBuffer of exactly their size, over native memory that does not move: for
   * other native libraries. Valid as {@linkcode Packet.view} is, and only as long as the packet
   * itself is referred to. A packet that lay elsewhere is copied to native memory once.
   *
   * Where Deno's permission does not allow pointers, it is a copy.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone, `ENETJS_ERR_LIBRARY` before this
   *   thread's first host, `ENETJS_ERR_MEMORY`
   */
  get arrayBuffer(): ArrayBuffer {
    const buffer = this.#promote()?.map();
    if (buffer === undefined) return new Uint8Array(this.bytes).buffer;
    if (buffer.detached) throw this.#released("its buffer was transferred away");
    return buffer;
  }

  /**
   * The address of the bytes, for somebody else's native call; 0 when there are none. Valid as
   * {@linkcode Packet.arrayBuffer}. A packet that lay elsewhere is copied to native memory once.
   *
   * @throws {ENetError} as {@linkcode Packet.arrayBuffer}
   */
  get pointer(): bigint {
    const source = this.#source;
    const packet = source.kind === "native" ? source.packet : this.#promote();
    return BigInt(packet?.address ?? 0);
  }

  /**
   * How many refer to the packet's native memory: this object, and each message under way that was
   * sent from it. 1 for bytes in JavaScript memory or in the arena, 0 when the packet is gone. For
   * debugging.
   */
  get refCount(): number {
    const source = this.#source;
    if (source.kind === "native") return source.packet.references;
    return source.kind === "gone" ? 0 : 1;
  }

  /**
   * Keeps the packet beyond its event, and beyond its host, until {@linkcode Packet.dispose}. Above
   * 64 KiB that copies nothing.
   *
   * @returns this packet
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the packet is gone
   */
  retain(): this {
    const source = this.#source;
    if (source.kind === "gone") throw this.#released(source.why);
    if (source.kind === "arena") this.#source = { kind: "owned", bytes: this.bytes };
    if (source.kind === "native") source.packet.keep();
    this.#until = undefined;
    return this;
  }

  /**
   * Lets go of the packet's memory. Its views become empty; what is being sent from it is sent all
   * the same. Doing so again does nothing.
   */
  dispose(): void {
    this.#bytes = undefined;
    this.#leave("it has been disposed of");
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
    return new TextDecoder().decode(this.#peek());
  }

  /** The bytes for the moment, without lending them to the program. */
  #peek(): Uint8Array {
    const source = this.#source;
    if (source.kind !== "arena" || source.memory.stolen) return this.view;
    return source.memory.arena.subarray(source.offset, source.offset + this.length);
  }

  /** Moves the bytes to native memory, if there are any. */
  #promote(): NativePacket | undefined {
    const source = this.#source;
    if (this.length === 0) return undefined;
    if (source.kind === "native" && source.packet.shared === undefined) return source.packet;
    const bytes = this.#peek();
    const packet = NativePacket.create(this.#library ?? requireLibrary(), this.length);
    packet.write(bytes);
    registry.register(this, packet, packet);
    if (source.kind === "native") this.#drop(source.packet);
    this.#source = { kind: "native", packet };
    return packet;
  }

  #drop(packet: NativePacket): void {
    registry.unregister(packet);
    packet.release();
  }

  #leave(why: string): void {
    const source = this.#source;
    if (source.kind === "gone") return;
    this.#source = { kind: "gone", why };
    if (source.kind === "native") this.#drop(source.packet);
  }

  #released(why: string): ENetError {
    const at = this.#lentAt === "" ? "" : `. A view of it was taken ${this.#lentAt}`;
    return new ENetError(
      "ENETJS_ERR_RELEASED",
      `The packet of ${this.length} bytes can't be used any more: ${why}${at}`,
    );
  }

  #describe(): string {
    const size = count(this.length, "byte");
    const source = this.#source;
    if (source.kind === "gone" && this.#bytes === undefined) return `${size}, gone: ${source.why}`;
    const isReadable = source.kind === "owned" || source.kind === "arena" && !source.memory.stolen;
    // Looking at native memory would keep the packet.
    const bytes = this.#bytes ?? (isReadable ? this.#peek() : undefined);
    return bytes === undefined || this.length === 0 ? size : `${size}, ${preview(bytes)}`;
  }

  static {
    makeInspectable(this.prototype, "Packet", (packet) => packet.#describe());
    packets = {
      fromArena(library, memory, offset, length, flags, until) {
        const packet = new Packet({ kind: "arena", memory, offset }, length, flags);
        packet.#library = library;
        packet.#until = until;
        return packet;
      },
      fromNative(library, handle, length, flags, until) {
        const native = NativePacket.received(library, handle, length);
        const packet = new Packet({ kind: "native", packet: native }, length, flags);
        packet.#library = library;
        packet.#until = until;
        return packet;
      },
      own(packet) {
        const source = packet.#source;
        if (source.kind === "native") source.packet.keep();
        else packet.retain();
      },
      release(packet) {
        const until = packet.#until;
        if (until === undefined) return;
        packet.#until = undefined;
        packet.#leave(
          `it was borrowed until ${until}; call packet.retain(), or read packet.bytes, before that`,
        );
      },
      send(packet) {
        const source = packet.#source;
        if (source.kind === "gone" && packet.#bytes !== undefined) {
          return { kind: "owned", bytes: packet.#bytes };
        }
        if (source.kind === "gone") throw packet.#released(source.why);
        if (packet.#writable && source.kind === "native") {
          packet.#writable = false;
          source.packet.detach();
        }
        return source;
      },
    };
  }
}

/** Where the program called into the library. */
function callSite(): string {
  const lines = (new Error().stack ?? "").split("\n").filter((line) => /\bat\b|@/.test(line));
  // As sources, as modules of the npm package, or wherever else this file is.
  const [, folder] = /([^\s(@]*[\\/])lib[\\/]packet\.[jt]s/.exec(lines[0] ?? "") ?? [];
  const isOurs = (line: string) =>
    folder !== undefined &&
    ["lib", "ffi"].some((part) =>
      line.includes(`${folder}${part}/`) || line.includes(`${folder}${part}\\`)
    );
  return (lines.find((line) => !isOurs(line)) ?? "").trim();
}

/** Takes the memory of an ArrayBuffer over. */
function transfer(data: Data): Uint8Array {
  if (data instanceof ArrayBuffer && !data.detached) return new Uint8Array(data.transfer());
  if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer && !data.buffer.detached) {
    const { byteOffset, byteLength } = data;
    return new Uint8Array(data.buffer.transfer(), byteOffset, byteLength);
  }
  throw new TypeError(
    `data must be an ArrayBuffer or a view of one to be transferred, not ${show(data)}`,
  );
}

/** Bytes of a buffer, a view or a packet. */
export function viewOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) {
    requireAttached(data.buffer);
    return data;
  }
  if (data instanceof Packet) return data.view;
  if (ArrayBuffer.isView(data)) {
    requireAttached(data.buffer);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer && !data.detached) return new Uint8Array(data);
  if (data instanceof SharedArrayBuffer) return new Uint8Array(data);
  if (data instanceof ArrayBuffer) throw detached("data is a detached ArrayBuffer");
  throw new TypeError(
    `data must be a string, an ArrayBuffer, a view of one or a Packet, not ${show(data)}`,
  );
}

function requireAttached(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw detached("data is a view of a detached ArrayBuffer");
  }
}

function detached(what: string): TypeError {
  return new TypeError(
    `${what}: its bytes were transferred elsewhere, or it was the view of a packet whose event is ` +
      "over; keep a copy with view.slice() before that",
  );
}
