/**
 * The frames of strict mode: a header of three big-endian 32-bit numbers, then the payload.
 *
 * | offset | what it is                                                       |
 * | ------ | ---------------------------------------------------------------- |
 * | 0      | the client's id; 0 is every client                               |
 * | 4      | the type: 1 text, 2 binary; to the program also 16 open, 8 close |
 * | 8      | the length of the payload                                        |
 *
 * @module
 */

/** The bytes of a header. */
export const HEADER_BYTES = 12;

/** The bytes of an address in an `open` frame: text, padded with NUL. */
export const ADDRESS_BYTES = 46;

/** Types of frames. */
export const FrameType = { TEXT: 1, BINARY: 2, CLOSE: 8, OPEN: 16 } as const;

/** A whole frame. Allocated once, header and payload together, so that it is written in one piece. */
export function encodeFrame(id: number, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const header = new DataView(frame.buffer);
  header.setUint32(0, id);
  header.setUint32(4, type);
  header.setUint32(8, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** The payload of an `open` frame. A longer address, such as one with a zone, is cut. */
export function encodeAddress(address: string): Uint8Array {
  const payload = new Uint8Array(ADDRESS_BYTES);
  new TextEncoder().encodeInto(address, payload);
  return payload;
}

/** What a decoder does with what it finds. */
export interface FrameHandlers {
  /** A frame. The payload is valid until the handler returns. */
  frame(id: number, type: number, payload: Uint8Array): void;
  /** A frame of a known type that is too long. Its payload is skipped. */
  tooLong(id: number, length: number): void;
  /** No frame begins like this. What follows cannot be read any more; the decoder takes nothing until `reset`. */
  unknown(type: number): void;
}

/** Takes frames from a program apart, however they are split. */
export class FrameDecoder {
  readonly #maximum: number;
  readonly #handlers: FrameHandlers;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  /** Bytes of the header that have come. */
  #got = 0;
  /** The payload that is gathered, where it came in pieces. */
  #payload: Uint8Array | undefined;
  #filled = 0;
  /** Bytes of a payload to be skipped. */
  #skip = 0;
  #isLost = false;

  /**
   * @param maximum largest payload in bytes; memory for a payload is taken only once this has been checked
   */
  constructor(maximum: number, handlers: FrameHandlers) {
    this.#maximum = maximum;
    this.#handlers = handlers;
  }

  /** Whether an unknown type has come. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Whether the bytes so far end within a frame. */
  get isWithinFrame(): boolean {
    return this.#got > 0 || this.#skip > 0;
  }

  /** Begins anew, at a header. */
  reset(): void {
    this.#got = this.#skip = this.#filled = 0;
    this.#payload = undefined;
    this.#isLost = false;
  }

  /** Takes bytes. */
  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0 && !this.#isLost) rest = this.#take(rest);
  }

  /** Takes as much as belongs together, and returns what is behind it. */
  #take(bytes: Uint8Array): Uint8Array {
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      return bytes.subarray(skipped);
    }
    if (this.#got < HEADER_BYTES) {
      const part = bytes.subarray(0, HEADER_BYTES - this.#got);
      this.#header.set(part, this.#got);
      this.#got += part.length;
      if (this.#got === HEADER_BYTES) this.#begin();
      return bytes.subarray(part.length);
    }
    const length = this.#view.getUint32(8);
    if (this.#payload === undefined && bytes.length >= length) {
      this.#finish(bytes.subarray(0, length));
      return bytes.subarray(length);
    }
    const payload = this.#payload ??= new Uint8Array(length);
    const part = bytes.subarray(0, length - this.#filled);
    payload.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled === length) this.#finish(payload);
    return bytes.subarray(part.length);
  }

  /** A header is complete. */
  #begin(): void {
    const type = this.#view.getUint32(4);
    const length = this.#view.getUint32(8);
    if (type !== FrameType.TEXT && type !== FrameType.BINARY) {
      this.#isLost = true;
      this.#handlers.unknown(type);
    } else if (length > this.#maximum) {
      this.#got = 0;
      this.#skip = length;
      this.#handlers.tooLong(this.#view.getUint32(0), length);
    } else if (length === 0) {
      this.#finish(new Uint8Array(0));
    }
  }

  #finish(payload: Uint8Array): void {
    this.#got = this.#filled = 0;
    this.#payload = undefined;
    this.#handlers.frame(this.#view.getUint32(0), this.#view.getUint32(4), payload);
  }
}
