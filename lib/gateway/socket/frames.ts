/**
 * Follows the headers of a client's frames, before `ws` gets the bytes, for the limits that `ws` does not have: the size
 * of a frame, decided from its header; and what may arrive while the fragments of one message are held.
 *
 * It judges nothing else. A frame that breaks the protocol is left to `ws`, which fails the connection for it.
 *
 * @module
 */

/** What has been found: nothing, a frame that is too large, or one that ends the stream of frames. */
export type Finding = "none" | "too large" | "too long" | "close";

const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;

/** Bytes that may arrive between the first and the last fragment of a message, for each byte of the largest one. */
const BYTES_BETWEEN = 8;

const SLACK = 2 ** 20;

/** The frames of a client. */
export class FrameFollower {
  readonly #maximumFrameSize: number;
  readonly #maximumBetween: number;
  /** Bytes of the header that is being read. */
  readonly #header = new Uint8Array(14);
  #have = 0;
  #need = 2;
  /** Bytes of payload that are still to come. */
  #rest = 0;
  #isFragmented = false;
  /** Bytes since the first fragment. `ws` may hold all of them, as parts of the pieces in which they came. */
  #between = 0;
  #finding: Finding = "none";
  #frames = 0;

  constructor(maximumFrameSize: number, maximumMessageSize: number) {
    this.#maximumFrameSize = maximumFrameSize;
    this.#maximumBetween = BYTES_BETWEEN * maximumMessageSize + SLACK;
  }

  /** What the last call of `follow` has found. After anything but `"none"` it must not be called again. */
  get finding(): Finding {
    return this.#finding;
  }

  /** How many frames have ended so far. */
  get frames(): number {
    return this.#frames;
  }

  /** Follows a chunk. Returns how many of its bytes `ws` may have. */
  follow(chunk: Uint8Array): number {
    const { length } = chunk;
    let at = 0;
    while (at < length) {
      if (this.#rest > 0) {
        const step = Math.min(this.#rest, length - at);
        this.#rest -= step;
        at += step;
        if (this.#rest === 0 && this.#isOver()) return at;
        continue;
      }
      this.#header[this.#have++] = chunk[at++];
      if (this.#have === 2) this.#need = headerSize(this.#header[1]);
      if (this.#have < this.#need) continue;
      this.#rest = this.#payloadSize();
      if (this.#rest > this.#maximumFrameSize && this.#isData) {
        this.#finding = "too large";
        // What came of its header may be there already; its last byte is not.
        return at - 1;
      }
      if (this.#rest === 0 && this.#isOver()) return at;
    }
    if (this.#isFragmented) {
      this.#between += length;
      if (this.#between > this.#maximumBetween) this.#finding = "too long";
    }
    return length;
  }

  get #opcode(): number {
    return this.#header[0] & 0x0F;
  }

  /** Whether it is a frame of data without reserved bits, masked as it must be. */
  get #isData(): boolean {
    return (this.#header[0] & 0x70) === 0 && this.#opcode <= BINARY && this.#header[1] >= 0x80;
  }

  #payloadSize(): number {
    const header = this.#header;
    const short = header[1] & 0x7F;
    if (short < 126) return short;
    if (short === 126) return header[2] << 8 | header[3];
    let size = 0;
    for (let i = 2; i < 10; i++) size = size * 256 + header[i];
    return size;
  }

  /** Ends a frame. Returns whether it was the last one. */
  #isOver(): boolean {
    this.#frames++;
    this.#have = 0;
    this.#need = 2;
    if (this.#opcode === CLOSE) {
      this.#finding = "close";
      return true;
    }
    if (this.#opcode >= CONTINUATION && this.#opcode <= BINARY) {
      this.#isFragmented = this.#header[0] < 0x80;
      if (!this.#isFragmented) this.#between = 0;
    }
    return false;
  }
}

/** Bytes of a header by its second byte. */
function headerSize(second: number): number {
  const short = second & 0x7F;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  return 2 + extended + (second >= 0x80 ? 4 : 0);
}
