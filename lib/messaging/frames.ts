/**
 * Takes frames out of a stream that comes in pieces of any size. A length is checked before memory is taken, and
 * memory grows only with what has really arrived.
 *
 * @module
 */
import { HEADER_BYTES, LENGTH_BYTES } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The memory that an incomplete frame takes at first. */
const FIRST_BYTES = 1024;

/** The other protocol that the other side speaks, as its first length shows. */
function protocolOf(length: number): string {
  if (length >>> 16 === 0x1503) return ", as of an alert of TLS";
  return length === 0x48545450 ? ", as of an answer of HTTP" : "";
}

/** The decoder of one stream. */
export class FrameDecoder {
  readonly #maximum: number;
  #chunk: Bytes | undefined;
  #at = 0;
  /** The beginning of a frame that is not complete, and how much of it there is. */
  #partial: Bytes | undefined;
  #have = 0;
  /** Holds header and body of the frame that `next` has found, from `start` to `end`. */
  buffer: Bytes = new Uint8Array();
  start = 0;
  end = 0;
  /** What is wrong with the stream; then no more frames come. */
  fault: string | undefined;

  /** @param maximum the largest length of header and body */
  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** Whether what was pushed last is used up. */
  get isIdle(): boolean {
    return this.#chunk === undefined;
  }

  /** Memory that an incomplete frame takes now. */
  get reservedBytes(): number {
    return this.#partial?.length ?? 0;
  }

  /** Adds bytes. All bytes before must have been used up; the array must not change. */
  push(chunk: Bytes): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Finds the next complete frame. */
  next(): boolean {
    const chunk = this.#chunk;
    if (chunk === undefined || this.fault !== undefined) return false;
    if (this.#partial !== undefined) return this.#complete(chunk, this.#partial);
    const at = this.#at;
    if (chunk.length - at >= LENGTH_BYTES) {
      const length = this.#lengthAt(chunk, at);
      if (this.fault !== undefined) return false;
      const end = at + LENGTH_BYTES + length;
      if (end <= chunk.length) return this.#found(chunk, at + LENGTH_BYTES, this.#at = end);
    }
    this.#chunk = undefined;
    this.#have = chunk.length - at;
    if (this.#have > 0) {
      this.#partial = new Uint8Array(Math.max(FIRST_BYTES, this.#have));
      this.#partial.set(chunk.subarray(at));
    }
    return false;
  }

  #found(buffer: Bytes, start: number, end: number): true {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    return true;
  }

  #lengthAt(bytes: Bytes, at: number): number {
    const length = (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>>
      0;
    if (length < HEADER_BYTES || length > this.#maximum) {
      this.fault =
        `its length is ${length}${protocolOf(length)}, and must be from ${HEADER_BYTES} to ` +
        this.#maximum;
    }
    return length;
  }

  /** Goes on with a frame that has begun in an earlier chunk. */
  #complete(chunk: Bytes, partial: Bytes): boolean {
    partial = this.#take(chunk, partial, LENGTH_BYTES);
    if (this.#have < LENGTH_BYTES) return this.#wait(partial);
    const size = LENGTH_BYTES + this.#lengthAt(partial, 0);
    if (this.fault !== undefined) return false;
    partial = this.#take(chunk, partial, size);
    if (this.#have < size) return this.#wait(partial);
    this.#partial = undefined;
    return this.#found(partial, LENGTH_BYTES, size);
  }

  #wait(partial: Bytes): false {
    this.#partial = partial;
    this.#chunk = undefined;
    return false;
  }

  /** Moves bytes from the chunk to the frame until it has so many. */
  #take(chunk: Bytes, partial: Bytes, size: number): Bytes {
    const missing = Math.min(size - this.#have, chunk.length - this.#at);
    if (missing <= 0) return partial;
    const have = this.#have + missing;
    if (have > partial.length) {
      const larger = new Uint8Array(Math.min(size, Math.max(have, partial.length * 2)));
      larger.set(partial.subarray(0, this.#have));
      partial = larger;
    }
    partial.set(chunk.subarray(this.#at, this.#at + missing), this.#have);
    this.#have = have;
    this.#at += missing;
    return partial;
  }
}
