import type { Library } from "../../ffi/loader.ts";
import { check } from "../errors.ts";

/** Who answers for a packet; none is given back. */
const Whose = {
  /** It ends with its host. */
  RING: 0,
  /** It counts towards the data of its host. */
  LIBRARY: 1,
  PROGRAM: 2,
} as const;
type Whose = 0 | 1 | 2;

/** Shared packets that JavaScript has let go of and ENet has not: their memory must stay. */
const lingering = new Set<NativePacket>();

/** Lets go of shared memory that ENet is done with. */
export function sweepLingering(): void {
  if (lingering.size === 0) return;
  for (const packet of lingering) packet.finish();
}

/**
 * JavaScript's reference to a native packet, and the buffer that shows its bytes. It refers to nothing of its
 * `Packet`, so that the callback of the finalization registry can get it.
 */
export class NativePacket {
  /** Tells it from other sources of a packet's bytes. */
  readonly kind = "native";
  readonly length: number;
  /** Whether the bytes are the program's to write, until they are sent. */
  writable = false;
  readonly #library: Library;
  readonly #handle: number;
  /** Memory of ours that the packet refers to, kept as long as ENet may read it. */
  readonly #shared: Uint8Array | undefined;
  #buffer: ArrayBuffer | undefined;
  #whose: Whose;

  private constructor(
    library: Library,
    handle: number,
    length: number,
    whose: Whose,
    shared?: Uint8Array,
  ) {
    this.#library = library;
    this.#handle = handle;
    this.#whose = whose;
    this.#shared = shared;
    this.length = length;
  }

  /** A packet that has been received; it ends with its host unless it is kept. */
  static received(library: Library, handle: number, length: number): NativePacket {
    return new NativePacket(library, handle, length, Whose.RING);
  }

  /** A packet of zeros. */
  static create(library: Library, length: number): NativePacket {
    const handle = check(library.native.enetjs_packet_create(length), "Creating a packet");
    return new NativePacket(library, handle, length, Whose.PROGRAM);
  }

  /** A packet over memory that does not move: that of a SharedArrayBuffer. */
  static share(library: Library, bytes: Uint8Array): NativePacket {
    const handle = check(
      library.native.enetjs_packet_share(bytes, bytes.length),
      "Sharing a packet",
    );
    return new NativePacket(library, handle, bytes.length, Whose.PROGRAM, bytes);
  }

  /** Whether borrowing is traced. */
  get debug(): boolean {
    return this.#library.debug;
  }

  get handle(): number {
    return this.#handle;
  }

  /** How many refer to the packet: this object, and each message queued from it. */
  get references(): number {
    return Math.max(0, this.#library.native.enetjs_packet_references(this.#handle));
  }

  /** The address of the bytes; 0 where there are none. */
  get address(): number {
    this.keep(true);
    return check(this.#library.native.enetjs_packet_address(this.#handle), "Reading an address");
  }

  /**
   * Makes the packet outlive its host.
   *
   * @param counted whether it counts towards the data of its host, because it waits or is only lent
   */
  keep(counted: boolean): void {
    const whose = counted ? Whose.LIBRARY : Whose.PROGRAM;
    if (this.#whose >= whose) return;
    const { native } = this.#library;
    check(native.enetjs_packet_keep(this.#handle, Number(counted)), "Keeping a packet");
    this.#whose = whose;
  }

  /**
   * The buffer over the packet's own memory, or undefined where pointers are not permitted or there
   * are no bytes.
   */
  map(): ArrayBuffer | undefined {
    if (this.#buffer === undefined && this.length > 0 && this.#shared === undefined) {
      const address = this.address;
      this.#buffer = this.#library.runtime.map?.(address, this.length);
    }
    return this.#buffer;
  }

  /** The bytes of a shared packet. */
  get shared(): Uint8Array | undefined {
    return this.#shared;
  }

  /** A copy of the bytes. */
  read(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    const { native } = this.#library;
    check(native.enetjs_packet_read(this.#handle, bytes, bytes.length), "Reading a packet");
    return bytes;
  }

  /** Overwrites the bytes. */
  write(bytes: Uint8Array): void {
    const { native } = this.#library;
    check(native.enetjs_packet_write(this.#handle, bytes, bytes.length), "Writing a packet");
  }

  /**
   * Makes every view of the packet's memory empty.
   *
   * @returns false if the buffer had been transferred away: then somebody else still sees the memory
   */
  detach(): boolean {
    const buffer = this.#buffer;
    if (buffer === undefined) return true;
    if (buffer.detached) return false;
    buffer.transfer(0);
    this.#buffer = undefined;
    return true;
  }

  /**
   * Gives the reference up. Memory that somebody still sees is never freed; memory of ours that ENet
   * still reads is kept until it does no more.
   */
  release(): void {
    if (!this.detach()) return;
    if (this.#shared !== undefined) {
      lingering.add(this);
      this.finish();
    } else {
      this.#library.native.enetjs_packet_release(this.#handle);
    }
  }

  /** Ends a shared packet, once nobody but us refers to it. */
  finish(): void {
    if (this.references > 1) return;
    this.#library.native.enetjs_packet_release(this.#handle);
    lingering.delete(this);
  }
}
