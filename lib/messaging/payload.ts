import { decoder } from "../../ffi/utf8.ts";
import { count, makeInspectable, preview } from "../internal/inspect.ts";
import { ENetError } from "../errors.ts";
import type { Packet } from "../packet.ts";
import type { Codec, Payload } from "./types.ts";
import { BODY, HEADER_BYTES } from "./wire.ts";

/** A borrowed part of a larger buffer that is worth a copy, because keeping it would keep the buffer. */
const isSmallPart = (length: number, buffer: ArrayBuffer): boolean =>
  buffer.byteLength > 4096 && length * 4 < buffer.byteLength;

/** Data of at most so many bytes is kept in chunks, many in each: making an array takes longer than the copy. */
const SMALL_BYTES = 256;
const CHUNK_BYTES = 8192;
let chunk = new Uint8Array(CHUNK_BYTES);
let chunkUsed = 0;

/** What the kinds of body are called. */
const KINDS = ["bytes", "text", "value", "nothing"];

/** Whether the program may still look at it. */
const LIFE = { BORROWED: 0, RETAINED: 1, GONE: 2 } as const;

/**
 * Data that has arrived: the body of a packet, or a part of what was read from a stream. A packet is borrowed from
 * the library, which takes it back after the event; `keep` makes the data independent of that.
 */
export class ReceivedPayload implements Payload {
  readonly length: number;
  /** The kind of body that the other side has given in the header. */
  readonly kind: number;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #start: number;
  #packet: Packet | undefined;
  readonly #codec: Codec | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #life: number = LIFE.BORROWED;
  #isKept = false;
  /** The buffer holds other messages later, so that the program gets no view of it. */
  #isArena: boolean;
  /** What reading the value has thrown, because of what the other side has sent. */
  #undecodable: unknown;

  /**
   * @param buffer holds the data from `start` to `end`
   * @param packet the packet whose body it is, if it is one's; then `buffer` may be the arena of its host
   */
  constructor(
    buffer: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    kind: number,
    codec: Codec | undefined,
    packet?: Packet,
  ) {
    this.length = end - start;
    this.kind = kind;
    this.#buffer = buffer;
    this.#start = start;
    this.#codec = codec;
    this.#packet = packet;
    this.#isArena = packet !== undefined;
  }

  get view(): Uint8Array<ArrayBuffer> {
    if (this.#isArena) {
      // The packet empties its views before other bytes take their place.
      this.#buffer = this.#packet?.view;
      this.#start = HEADER_BYTES;
      this.#isArena = false;
    }
    return this.#part();
  }

  /** A view for the moment. */
  #part(): Uint8Array<ArrayBuffer> {
    return this.#present().subarray(this.#start, this.#start + this.length);
  }

  #present(): Uint8Array<ArrayBuffer> {
    if (this.#buffer === undefined) throw this.#released();
    return this.#buffer;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    const buffer = this.#present();
    return this.#bytes ??= buffer.slice(this.#start, this.#start + this.length);
  }

  text(): string {
    return decoder.decode(this.#part());
  }

  /** Copies the data to a place in a larger array. */
  copyTo(target: Uint8Array, at: number): void {
    const source = this.#present();
    const { length } = this;
    if (length > SMALL_BYTES) return target.set(this.#part(), at);
    // A view of the source, for `set`, would cost more.
    for (let i = 0, from = this.#start; i < length; i++) target[at + i] = source[from + i];
  }

  get value(): unknown {
    switch (this.kind) {
      case BODY.TEXT:
        return this.text();
      case BODY.BYTES:
        return this.bytes;
      case BODY.NOTHING:
        return undefined;
    }
    const { view } = this;
    try {
      return this.#decode(view);
    } catch (error) {
      this.#undecodable = error;
      throw error;
    }
  }

  #decode(bytes: Uint8Array): unknown {
    if (this.#codec !== undefined) return this.#codec.decode(bytes);
    throw new TypeError(
      "The other side has encoded a value with a codec: give this side the same one, as in { codec: json }",
    );
  }

  /** Whether an error is what reading the value has thrown. */
  isUndecodable(error: unknown): boolean {
    return error !== undefined && error === this.#undecodable;
  }

  retain(): this {
    this.keep();
    this.#life = LIFE.RETAINED;
    return this;
  }

  dispose(): void {
    this.#buffer = this.#bytes = undefined;
    if (this.#life === LIFE.RETAINED) this.#packet?.dispose();
    this.#packet = undefined;
    this.#life = LIFE.GONE;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Makes the data outlive the event that brought it; `release` still ends it. */
  keep(): void {
    const buffer = this.#present();
    if (this.#isKept) return;
    this.#isKept = true;
    if (this.length <= SMALL_BYTES) this.#keepSmall();
    else if (this.#packet !== undefined) {
      this.#buffer = this.#packet.retain().view;
      this.#start = HEADER_BYTES;
    } else if (isSmallPart(this.length, buffer.buffer)) {
      this.#buffer = buffer.slice(this.#start, this.#start + this.length);
      this.#start = 0;
    }
    this.#isArena = false;
  }

  #keepSmall(): void {
    if (chunkUsed + this.length > CHUNK_BYTES) {
      chunk = new Uint8Array(CHUNK_BYTES);
      chunkUsed = 0;
    }
    this.copyTo(chunk, chunkUsed);
    this.#buffer = chunk;
    this.#start = chunkUsed;
    this.#packet = undefined;
    chunkUsed += this.length;
  }

  /** Ends the borrowing, unless the program has retained it. */
  release(): void {
    if (this.#life !== LIFE.BORROWED) return;
    if (this.#isKept) this.#packet?.dispose();
    this.#buffer = this.#bytes = this.#packet = undefined;
    this.#life = LIFE.GONE;
  }

  #released(): ENetError {
    return new ENetError(
      "ENETJS_ERR_RELEASED",
      `The data of ${this.length} bytes can't be used any more: it was borrowed until its handler returned, or ` +
        "until the next iteration, or was disposed of. Take data.bytes or data.value before you wait, or call " +
        "data.retain()",
    );
  }

  static {
    makeInspectable(this.prototype, "Payload", (payload) => {
      if (payload.#buffer === undefined) return "released";
      const what = `${KINDS[payload.kind]}, ${count(payload.length, "byte")}`;
      return payload.length === 0 ? what : `${what}: ${preview(payload.view)}`;
    });
  }
}
